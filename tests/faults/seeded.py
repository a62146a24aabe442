"""One bug for every invariant, put into the archiver's process by a test: the harness has to catch each of them.

Each is a ``prepare`` for the launcher: what a mistake in the program would look like, in a few lines.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def exchange(owner: Any, name: str, for_: Any) -> None:
    """Put something else in the place of a function of the program."""
    getattr(owner, name)  # what is not there cannot be exchanged
    setattr(owner, name, for_)


def i1_writes_other_bytes() -> None:
    """The bytes that land are not those that were hashed."""
    from archiver.store import directory

    fill: Callable[..., None] = directory._fill

    def filled(file: Any, key: str, *rest: Any) -> None:
        fill(file, key, *rest)
        if key.endswith(".mp3"):
            file.seek(100)
            file.write(b"\x00")
            file.flush()

    exchange(directory, "_fill", filled)


def i1_accepts_what_is_cut() -> None:
    """A verdict that sees nothing wrong."""
    import archiver.pipeline
    from archiver.model import Grade, Verdict

    exchange(archiver.pipeline, "judge", lambda *_: Verdict(Grade.VERIFIED, (), None))


def i2_drops_a_row() -> None:
    """The last row of every page is never seen."""
    from archiver.source import listing

    unwrapped: Callable[..., Any] = listing.ReportListing._page

    def page(self: Any, number: int, envelope: Any) -> Any:
        from dataclasses import replace

        return unwrapped(self, number, replace(envelope, rows=envelope.rows[:-1]))

    exchange(listing.ReportListing, "_page", page)


def i2_changes_a_state_without_an_event() -> None:
    """A row is advanced, and its history says nothing of it."""
    from archiver.manifest import steps

    exchange(steps, "_note", lambda *_, **__: None)


def i3_overwrites() -> None:
    """What is there already is replaced."""
    from archiver.store.directory import DirectoryStore

    put: Callable[..., Any] = DirectoryStore._put

    def overwriting(self: Any, key: str, *rest: Any) -> Any:
        (self._root / key).unlink(missing_ok=True)
        return put(self, key, *rest)

    exchange(DirectoryStore, "_put", overwriting)


def i4_never_gets_round_to_one() -> None:
    """One recording is left for the next run, by every run."""
    from archiver.outcomes import Waiting
    from archiver.pipeline import Pipeline

    archive: Callable[..., Any] = Pipeline.archive

    async def lazy(self: Any, job: Any) -> Any:
        return Waiting("not today") if int(job.entry.created_at.timestamp()) % 2 else await archive(self, job)

    exchange(Pipeline, "archive", lazy)


def i5_keeps_links() -> None:
    """Rows are kept with their links whole."""
    from archiver.source import rows

    exchange(rows, "_text", lambda text: text)


def i6_leaves_scratch() -> None:
    """Nothing is ever removed from scratch."""
    from archiver.scratch import ScratchDirectory

    exchange(ScratchDirectory, "__exit__", lambda *_: None)
    exchange(ScratchDirectory, "sweep", lambda _: [])


BUGS: dict[str, tuple[Callable[[], None], ...]] = {
    "I1": (i1_writes_other_bytes, i1_accepts_what_is_cut),
    "I2": (i2_drops_a_row, i2_changes_a_state_without_an_event),
    "I3": (i3_overwrites,),
    "I4": (i4_never_gets_round_to_one,),
    "I5": (i5_keeps_links,),
    "I6": (i6_leaves_scratch,),
}


def somebody_else_writes(root: Path, key: str) -> None:
    """Bytes under a key that the archiver is about to want."""
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"somebody else's")
    os.utime(path)

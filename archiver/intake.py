"""The books of one window while it is listed: what was seen, and whether it was the same every time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from archiver.custody import BucketDay
from archiver.model import BadRow, Recording, Window
from archiver.reporting import Reporter
from archiver.rules.summary import Summary


class Sighting(Enum):
    """What a listed row is to the window's books."""

    NEW = "new"
    AGAIN = "again"  # as it was: pages overlap, and a moving list is read more than once
    DIFFERS = "differs"  # its id stood in a row that said something else


@dataclass(slots=True)
class Intake:
    """One window's listing, in this run."""

    window: Window
    bucket_day: BucketDay
    before: Mapping[int, str] | None = None
    """``paths`` of the listing before: a shared link may cross midnight."""
    whole: bool = False
    """True if the listing began after the window's end."""
    paths: dict[int, str] = field(default_factory=dict)
    """Hashes of audio paths, each with the recording that named it first; of all windows that are listed together."""
    complete: bool = False
    """True once the listing has ended, however: what it shares paths with is known."""
    rows_unreadable: int = 0
    """Distinct rows from which nothing can be archived."""
    _bad_rows: set[str] = field(default_factory=set)
    _contents: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    """Ids, each with hashes of its row and of the path of its audio, as first seen."""

    def __len__(self) -> int:
        return len(self._contents)

    def __contains__(self, recording_id: str) -> bool:
        return recording_id in self._contents

    def sight(self, row: Recording) -> Sighting:
        """Enter a row. Of its link only the path counts: each listing signs it anew, and it may still be missing."""
        rest = dict(row.row)
        rest.pop("audio", None)
        said = hash(str(rest))
        path = _path_of(row)
        if row.id not in self._contents:
            self._contents[row.id] = said, path
            return Sighting.NEW
        first, first_path = self._contents[row.id]
        same_audio = path is None or first_path is None or path == first_path
        return Sighting.AGAIN if first == said and same_audio else Sighting.DIFFERS

    def note_bad(self, bad: BadRow) -> str | None:
        """Enter a row that could not be read; a key to tell it by in other windows, None if it was entered before.

        Each window is asked a day wider, so a row whose day cannot be read is lost to every window that it shows up in.
        """
        key = f"{bad.id}|{bad.problem}|{'' if bad.id else sorted(bad.row.items(), key=str)}"
        if key in self._bad_rows:
            return None
        self._bad_rows.add(key)
        self.rows_unreadable += bad.lost
        return key

    def shares_path(self, row: Recording) -> bool:
        """True if another recording named the same audio path before, in this listing or in the one before."""
        path = _path_of(row)
        if path is None:
            return False
        first = self.paths.setdefault(path, row.id)
        return first != row.id or (self.before or {}).get(path, row.id) != row.id


def _path_of(row: Recording) -> int | None:
    return None if row.link is None else hash(row.link.public)


@dataclass(slots=True)
class BadRows:
    """Tells and counts rows that could not be read, each once in a run."""

    summary: Summary
    reporter: Reporter
    _told: set[str] = field(default_factory=set)

    def note(self, intake: Intake, bad: BadRow) -> None:
        """Enter one in the books of its window, and tell it if no other window had it."""
        key = intake.note_bad(bad)
        if key is None or key in self._told:
            return
        self._told.add(key)
        self.summary.rows_unreadable += bad.lost
        self.summary.rows_odd += not bad.lost
        self.reporter.event("bad_row", recording_id=bad.id, reason=bad.problem, lost=bad.lost)

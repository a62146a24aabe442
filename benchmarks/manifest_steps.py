"""What the manifest costs a recording: ``python -m benchmarks.manifest_steps`` (``make bench-steps``).

Leads recordings through the calls of a normal run, on a manifest in a file: listed page by page, then, from many tasks
at once, looked up by content, uploaded and sealed, with their events. Prints CPU milliseconds of the process (all its
threads, user and system) per recording and step, the least of some rounds. ``beside``: the same where each task waits
and computes between the calls, as in a run; what that costs without the calls is taken off. The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from archiver.manifest.interface import Change, Entry
from archiver.manifest.sql import SqlManifest
from archiver.model import Digest, Recording, StoredObject
from archiver.rules.lifecycle import Event, State

NOW = datetime(2026, 9, 22, 12, tzinfo=UTC)
DRAFT = b"{" + b"x" * 6_000 + b"}"
"""As long as a sidecar."""


def recording(number: int) -> Recording:
    """One row of a report, as long as a real one."""
    name = f"{number:08x}-3f2a-11f1-8000-0242ac120002"
    row = {
        "id": name,
        "created_at": "2026-09-21T08:15:30Z",
        "call_from": "32470000000",
        "call_to": "32480000000",
        "duration": "00:00:30",
        "file_location": f"https://storage.example/recordings/{name}.mp3",
        "call_id": f"call-{name}",
        "agent": {"id": number % 40, "name": "Somebody"},
    }
    return Recording(name, NOW - timedelta(days=1, seconds=number), timedelta(seconds=30), None, row)


def uploaded(name: str) -> Change:
    """What an upload brings."""
    audio, tagless = Digest.sha256_of(name.encode()), Digest.sha256_of(name[::-1].encode())
    return Change(
        grade="verified",
        audio=StoredObject(f"recordings/dt=2026-09-21/{name}.mp3", 60_000, audio),
        sha512=Digest("sha512", audio.hex * 2),
        content=tagless,
        length=30.02,
        draft=DRAFT,
        detail={"reasons": []},
    )


async def at_once() -> None:
    """Nothing between two calls."""


async def beside() -> None:
    """What a run does between two calls: it waits for sockets, and computes where one is ready."""
    for _ in range(4):
        await asyncio.sleep(0.001)
        sum(range(5_000))


async def archive(manifest: SqlManifest, entry: Entry, between: Callable[[], Awaitable[None]]) -> None:
    """From discovered to archived."""
    name, change = entry.recording_id, uploaded(entry.recording_id)
    assert change.content is not None
    await between()
    assert await manifest.same_content(change.content, name) == []
    await between()
    stored = await manifest.advance(name, State.DISCOVERED, Event.UPLOADED, NOW, "run-1", change)
    assert stored is not None
    sidecar = StoredObject(f"recordings/dt=2026-09-21/{name}.vcon.json", len(DRAFT), change.content)
    await between()
    sealed = await manifest.advance(name, State.STORED, Event.SEALED, NOW, "run-1", Change(sidecar=sidecar))
    assert sealed is not None
    assert sealed.state is State.ARCHIVED


async def spent(work: Callable[[Entry], Awaitable[None]], entries: Iterable[Entry], tasks: int) -> float:
    """CPU seconds of work on all of them, by so many tasks at once."""
    rest = iter(entries)

    async def some() -> None:
        for entry in rest:
            await work(entry)

    begun = time.process_time()
    await asyncio.gather(*(some() for _ in range(tasks)))
    return time.process_time() - begun


async def measure(path: Path, listed: Sequence[Recording], page: int, tasks: int) -> dict[str, float]:
    """CPU seconds of the steps, all recordings together."""
    async with await SqlManifest.open(f"sqlite:///{path}") as manifest:
        await manifest.begin_run("run-1", NOW)
        begun = time.process_time()
        entries: dict[str, Entry] = {}
        pages = [listed[start : start + page] for start in range(0, len(listed), page)]
        for rows in pages:
            entries |= await manifest.note_listed("run-1", NOW, rows)
        noted = time.process_time() - begun
        archived = await spent(lambda entry: archive(manifest, entry, at_once), entries.values(), tasks)
        begun = time.process_time()
        for rows in pages:
            await manifest.note_listed("run-2", NOW, rows)
        seen = time.process_time() - begun
        assert (await manifest.counts("run-2")).states == {State.ARCHIVED: len(listed)}
    return {"listed": noted, "archived": archived, "seen_again": seen}


async def measure_beside(path: Path, listed: Sequence[Recording], tasks: int) -> dict[str, float]:
    """CPU seconds of archiving all beside other work, and of that alone."""

    async def only_work(_: Entry) -> None:
        for _ in range(3):
            await beside()

    async with await SqlManifest.open(f"sqlite:///{path}") as manifest:
        entries = await manifest.note_listed("run-1", NOW, listed)
        alone = await spent(only_work, entries.values(), tasks)
        both = await spent(lambda entry: archive(manifest, entry, beside), entries.values(), tasks)
    return {"beside": both, "alone": alone}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=5_000)
    parser.add_argument("--page", type=int, default=100, help="rows of a page of the report")
    parser.add_argument("--tasks", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    listed = [recording(number) for number in range(asked.recordings)]
    best: dict[str, float] = {}
    for _ in range(asked.rounds):
        with tempfile.TemporaryDirectory() as name:
            steps = asyncio.run(measure(Path(name) / "manifest.db", listed, asked.page, asked.tasks))
            steps |= asyncio.run(measure_beside(Path(name) / "beside.db", listed, asked.tasks))
        best = {step: min(best.get(step, seconds), seconds) for step, seconds in steps.items()}
    best["beside"] -= best.pop("alone")
    milliseconds = {step: round(seconds * 1000 / asked.recordings, 3) for step, seconds in best.items()}
    milliseconds["life"] = round(milliseconds["listed"] + milliseconds["archived"], 3)
    for step, each in milliseconds.items():
        print(f"{step:12} {each:.3f} ms of CPU per recording")
    print(json.dumps({"bench": "manifest steps", "recordings": asked.recordings, "cpu_ms": milliseconds}))


if __name__ == "__main__":
    main()

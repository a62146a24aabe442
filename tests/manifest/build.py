"""Recordings, objects and ways through the lifecycle, for the stories told here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from archiver.manifest.interface import Change, Entry, ListedWindow
from archiver.manifest.sql import SqlManifest
from archiver.manifest.steps import path_to
from archiver.model import Digest, Recording, StoredObject, Window
from archiver.rules.lifecycle import State, next_state

NOW = datetime(2026, 9, 22, 12, tzinfo=UTC)
DAY = Window.of_day(NOW.date() - timedelta(days=5))
RUN = "run-1"
SHA256 = Digest("sha256", "ab" * 32)
SHA512 = Digest("sha512", "cd" * 64)
CONTENT = Digest("sha256", "ef" * 32)


def recording(name: str, offset: timedelta = timedelta(), window: Window = DAY, **row: Any) -> Recording:
    """A recording of the window, ``offset`` after its start."""
    seconds = row.pop("seconds", 12)
    return Recording(
        id=name,
        created_at=window.start + offset,
        duration=None if seconds is None else timedelta(seconds=seconds),
        link=None,
        row={"id": name, "duration": seconds, **row},
    )


def stored(key: str, version: str | None = None) -> StoredObject:
    return StoredObject(key, 1234, SHA256, version)


def listed(window: Window = DAY, *, agreed: bool = True, rows_unreadable: int = 0) -> ListedWindow:
    return ListedWindow(window, agreed, "" if agreed else "rows moved under every pass", 1, rows_unreadable)


async def bring(manifest: SqlManifest, name: str, state: State, window: Window = DAY, run: str = RUN) -> Entry:
    """List a recording and lead it to ``state`` by the shortest way."""
    entry: Entry | None = (await manifest.note_listed(run, NOW, [recording(name, window=window)]))[name]
    before = State.DISCOVERED
    for event in path_to(state)[1:]:
        entry = await manifest.advance(name, before, event, NOW, run, Change(reason=f"{event} in the test"))
        before = next_state(before, event)
    assert entry is not None
    assert entry.state is state
    return entry


async def names(manifest: SqlManifest, states: Sequence[State], ids: Sequence[str] = ()) -> list[str]:
    return [entry.recording_id async for entry in manifest.select(states, ids)]

"""The manifest in a SQL database: SQLite today. Every method is one piece of work for the ``writer``'s thread."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
import anyio.to_thread

from archiver.manifest import (
    calls,
    integrity,
    listing,
    overview,
    periods,
    reports,
    runs,
    sightings,
    sqlite,
    steps,
)
from archiver.manifest import windows as listed_windows
from archiver.manifest.copies import SqlCopyBook
from archiver.manifest.database import Database
from archiver.manifest.interface import (
    CallDay,
    Change,
    Entry,
    Flagged,
    ListedWindow,
    Manifest,
    Measured,
    Observed,
    RunCounts,
    RunRecord,
    WindowRecord,
)
from archiver.manifest.rows import chunks, retention_columns, some_entries, source_row
from archiver.manifest.runlock import RunLock
from archiver.manifest.writer import Kind, Work, Writer
from archiver.model import Digest, Recording, Retention, Row, Window
from archiver.rules.evidence import Known
from archiver.rules.lifecycle import Event, State, next_state
from archiver.rules.period import Filed, Standing

T = TypeVar("T")


class SqlManifest(Manifest):
    """The port on SQLite. Made by ``open``; usable from any number of tasks; close it with ``aclose``.

    What is said here adds to the port's promises and takes nothing from them.
    """

    def __init__(self, path: Path, writer: Writer) -> None:
        self._path = path
        self._writer = writer
        self._lock = RunLock(path)

    @classmethod
    async def open(cls, url: str, *, read_only: bool = False, busy_seconds: float = 30.0) -> Self:
        """Open the manifest at ``sqlite:///path``, making it or bringing its schema up to date where that is needed.

        ``read_only`` neither makes nor changes anything and works beside a running writer. ``busy_seconds`` is how
        long an operation waits for another process that writes. ManifestUnusable, with what to do about it.
        """
        path = sqlite.path_of(url)
        writer = Writer(Database(path, read_only=read_only, busy_seconds=busy_seconds))
        try:
            await writer.start()
        except BaseException:
            writer.stop()
            raise
        return cls(path, writer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Write what is pending, let the lock go, close. May be called again."""
        self._writer.stop()
        try:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._writer.join)
        finally:
            self._lock.release()

    @property
    def copies(self) -> SqlCopyBook:
        return SqlCopyBook(self._writer)

    async def begin_run(self, run_id: str, at: datetime) -> None:
        """ValueError for a run id that was used before."""
        if not self._lock.take():
            raise await self._read(runs.locked)
        try:
            await self._write(partial(runs.begin, run_id=run_id, at=at))
        except BaseException:
            self._lock.release()
            raise

    async def end_run(self, run_id: str, at: datetime, exit_code: int, summary: Mapping[str, Any]) -> None:
        """The lock goes even if the note cannot be written. ValueError for a run that never began."""
        try:
            await self._write(partial(runs.end, run_id=run_id, at=at, exit_code=exit_code, summary=summary))
        finally:
            self._lock.release()

    async def note_listed(self, run_id: str, at: datetime, recordings: Sequence[Recording]) -> dict[str, Entry]:
        """One transaction per 500 recordings. ``created_at`` stays as first listed: object keys are made of it."""
        entries: dict[str, Entry] = {}
        for piece in chunks(recordings):
            entries |= await self._write(partial(listing.note, run_id=run_id, at=at, listed=piece))
        return entries

    async def note_unnamed(self, window: Window, run_id: str, at: datetime, reach: datetime) -> int:
        work = partial(sightings.note_unnamed, window=window, run_id=run_id, at=at, reach=reach)
        return await self._write(work)

    async def observed(self, run_id: str) -> AsyncIterator[Observed]:
        after = 0
        while found := await self._read(partial(sightings.observed, run_id=run_id, after=after)):
            for each in found:
                yield each
            after = found[-1].number

    async def note_doubt(self, recording_id: str, doubt: str | None) -> None:
        await self._write(partial(sightings.note_doubt, recording_id=recording_id, doubt=doubt))

    async def flagged(self) -> list[Flagged]:
        return await self._read(sightings.flagged)

    async def entries(self, recording_ids: Sequence[str]) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for piece in chunks(recording_ids):
            found |= await self._read(partial(some_entries, recording_ids=piece))
        return found

    async def source_row(self, recording_id: str) -> Row:
        return await self._read(partial(source_row, recording_id=recording_id))

    async def advance(
        self, recording_id: str, expected: State, event: Event, at: datetime, run_id: str | None, change: Change
    ) -> Entry | None:
        next_state(expected, event)  # an illegal step never reaches the queue
        return await self._write(
            lambda connection: steps.advance(
                connection, recording_id, expected, event, at=at, run_id=run_id, change=change
            )
        )

    async def note_attempt(
        self, recording_id: str, at: datetime, run_id: str, stage: str, reason: str, *, counts: bool = True
    ) -> int:
        return await self._write(
            lambda connection: steps.note_attempt(
                connection, recording_id, at=at, run_id=run_id, stage=stage, reason=reason, counts=counts
            )
        )

    async def note_waiting(self, recording_id: str, reason: str) -> None:
        """Nothing happens to a recording that is not open, or not known."""
        await self._write(partial(steps.note_waiting, recording_id=recording_id, reason=reason))

    async def note_window(self, run_id: str, at: datetime, listed: ListedWindow) -> None:
        """A closed window whose listing now did not agree, or lost rows, is reopened."""
        await self._write(partial(listed_windows.note, run_id=run_id, at=at, listed=listed))

    async def close_windows(self, windows: Sequence[Window], at: datetime) -> list[Window]:
        return await self._write(partial(listed_windows.close, candidates=windows, at=at))

    async def closable(self, windows: Sequence[Window]) -> list[WindowRecord]:
        return await self._read(partial(periods.closable, candidates=windows))

    async def windows(self) -> list[WindowRecord]:
        return await self._read(periods.records)

    async def standings(self, day: date) -> AsyncIterator[Standing]:
        after = ""
        while found := await self._read(partial(periods.standings, day=day, after=after)):
            for standing in found:
                yield standing
            if len(found) < periods.PAGE:
                return
            after = found[-1].id

    async def restore_window(self, record: WindowRecord, unique: int, run_id: str) -> None:
        await self._write(partial(periods.restore_window, record=record, unique=unique, run_id=run_id))

    async def restore_standings(self, standings: Sequence[Standing]) -> None:
        await self._write(partial(periods.restore_standings, standings=standings))

    async def file(self, documents: Sequence[Filed]) -> None:
        await self._write(partial(periods.file, documents=documents))

    async def filed(self, day: date | None = None) -> list[Filed]:
        return await self._read(partial(periods.filed, day=day))

    async def unsettled(self) -> set[date]:
        return await self._read(listed_windows.unsettled)

    async def open_entries(self, window: Window) -> list[Entry]:
        return await self._read(partial(listed_windows.open_entries, window=window))

    async def counts(self, run_id: str) -> RunCounts:
        return await self._read(partial(reports.counts, run_id=run_id))

    async def same_content(self, digest: Digest, other_than: str) -> list[str]:
        return await self._read(partial(reports.same_content, digest=digest, other_than=other_than))

    async def closed(self, first: datetime) -> set[Window]:
        return await self._read(partial(listed_windows.closed, first=first))

    async def days(self) -> dict[date, dict[State, int]]:
        return await self._read(reports.days)

    async def oldest_open(self) -> Entry | None:
        return await self._read(reports.oldest_open)

    async def last_run(self, *, useful: bool = False) -> RunRecord | None:
        return await self._read(partial(reports.last_run, useful=useful))

    async def runs(self, most: int) -> list[RunRecord]:
        return await self._read(partial(overview.latest, most=most))

    async def run(self, run_id: str) -> RunRecord | None:
        return await self._read(partial(overview.one, run_id=run_id))

    async def measured(self, first: date, last: date) -> list[Measured]:
        return await self._read(partial(overview.measured, first=first, last=last))

    async def late(self, first: date, last: date) -> dict[date, int]:
        return await self._read(partial(overview.late, first=first, last=last))

    async def unagreed_windows(self) -> list[ListedWindow]:
        return await self._read(listed_windows.unagreed)

    async def note_call_day(self, at: datetime, call_day: CallDay) -> None:
        await self._write(partial(calls.note, at=at, call_day=call_day))

    async def call_day(self, day: date) -> CallDay | None:
        return await self._read(partial(calls.one, day=day))

    async def call_days(self) -> list[CallDay]:
        return await self._read(calls.every)

    async def select(self, states: Sequence[State], ids: Sequence[str] = ()) -> AsyncIterator[Entry]:
        """As every stream here: in pages, no transaction open between them; what changes meanwhile is seen or not."""
        if ids:
            found = await self.entries(list(dict.fromkeys(ids)))
            chosen = [entry for entry in found.values() if entry.state in states]
            for entry in sorted(chosen, key=lambda entry: (entry.created_at, entry.recording_id)):
                yield entry
            return
        after: tuple[datetime, str] | None = None
        while states:
            entries = await self._read(partial(reports.page, states=states, after=after))
            for entry in entries:
                yield entry
            if len(entries) < reports.PAGE:
                return
            after = (entries[-1].created_at, entries[-1].recording_id)

    async def claims(self, day: date) -> AsyncGenerator[Entry, None]:
        after = ""
        while entries := await self._read(partial(reports.claims, day=day, after=after)):
            for entry in entries:
                yield entry
                after = entry.audio.key if entry.audio else after
            if len(entries) < reports.PAGE:
                return

    async def kept(self, day: date) -> AsyncIterator[tuple[Entry, Row]]:
        after = ""
        while found := await self._read(partial(reports.kept, day=day, after=after)):
            for pair in found:
                yield pair
            if len(found) < reports.PAGE:
                return
            after = found[-1][0].recording_id

    async def note_kept(
        self,
        recording_id: str,
        *,
        retention: Retention | None = None,
        retention_class: str | None = None,
        matters: Sequence[str] | None = None,
    ) -> None:
        values = retention_columns(retention, retention_class, matters)
        await self._write(partial(steps.note_kept, recording_id=recording_id, values=values))

    async def listed(self, day: date) -> AsyncIterator[Known]:
        after = ""
        while found := await self._read(partial(reports.listed, day=day, after=after)):
            for known in found:
                yield known
            if len(found) < reports.PAGE:
                return
            after = found[-1].id

    async def restore(self, entry: Entry, row: Mapping[str, Any], at: datetime, run_id: str | None) -> bool:
        """The events are those that lead to its state by the shortest way, each with ``{"restored": true}``."""
        return await self._write(partial(steps.restore, entry=entry, row=row, at=at, run_id=run_id))

    async def integrity(self) -> list[str]:
        """What is wrong with the database file and between its rows, in words; empty if nothing is."""

        def check(connection: sqlite3.Connection) -> list[str]:
            found: list[str] = []
            try:
                with sqlite.snapshot(connection):
                    found += sqlite.self_check(connection)
                    found += integrity.contradictions(connection)
            except sqlite3.Error as error:
                found.append(sqlite.explain(error, self._path).fact)
            return found

        return await self._writer.do(check, Kind.ALONE)

    async def backup(self, target: Path) -> None:
        """A consistent copy, mode 0600, over a connection of its own: whoever writes meanwhile does not wait for it.

        UsageInvalid if there is a file of that name.
        """
        await anyio.to_thread.run_sync(sqlite.copy, self._path, target)

    async def changes(self) -> int:
        """Rows that were written through this object so far."""
        return await self._read(lambda connection: connection.total_changes)

    async def note_snapshot(self, number: int) -> None:
        """Keep the number of the snapshot that this manifest was last fetched from, or saved as."""
        await self._write(partial(sqlite.note_number, number=number))

    async def _read(self, work: Work[T]) -> T:
        return await self._writer.do(work, Kind.READ)

    async def _write(self, work: Work[T]) -> T:
        return await self._writer.do(work, Kind.WRITE)

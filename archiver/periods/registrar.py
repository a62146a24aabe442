"""Closes days: writes what a statement refers to, then the statement, then closes the window in the manifest.

A kill between any two leaves something that the next run completes. What statements refer to is named by its digest,
so that a second attempt never meets other bytes under its key; an existing document with the same account is adopted,
one with another account is amended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from anyio.to_thread import run_sync

from archiver.clock import Clock
from archiver.errors import SpoolFull, StoreFailed
from archiver.manifest.interface import Manifest, WindowRecord
from archiver.model import Window
from archiver.periods.chain import Chain, read_chain
from archiver.periods.companions import MEDIATYPE, read_accounts, standings_in
from archiver.periods.evidence import Listed
from archiver.periods.scratch_file import ScratchFile, Section
from archiver.reporting import Reporter
from archiver.rules import keys, statement
from archiver.rules.period import Filed, Reference, Standing, last_of
from archiver.rules.statement import Books, Contents, Position, Provenance
from archiver.rules.summary import Summary
from archiver.store.body import Document
from archiver.store.interface import Conflict, Store

TRIES = 5
"""Times that a document is made again because another run was faster with its key."""
BATCH = 1000


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a window's listings have left."""

    recordings: Listed
    calls: Listed | None
    """None where call logs are not archived."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes."""

    run_id: str
    software: str
    source: str
    timezone: str


@dataclass(frozen=True, slots=True)
class _Account:
    """A day's books, made up."""

    books: Books
    ids: Section | None
    """None for a day without recordings."""
    parts: tuple[tuple[str, int], ...]
    """Keys and sizes of the parts of its call log."""
    sum: str


@dataclass(slots=True)
class Registrar:
    """Closes the days of one run."""

    store: Store
    manifest: Manifest
    clock: Clock
    reporter: Reporter
    summary: Summary
    file: ScratchFile
    author: Author
    _chain: Chain | None = field(default=None)

    async def close(self, settled: Mapping[Window, Evidence]) -> None:
        """Close what can be closed, and amend what is closed and not true any more.

        Raises DestinationUnusable, ManifestUnusable; other trouble is told, and leaves its day to the next run.
        """
        for record in await self.manifest.closable(sorted(settled)):
            try:
                await self._close(record, settled[record.window])
            except (StoreFailed, SpoolFull) as error:
                self.summary.periods_pending += 1
                self.reporter.event("period_pending", window=str(record.window), reason=error.fact)

    async def _close(self, record: WindowRecord, evidence: Evidence) -> None:
        account = await self._make_up(record.window.day, with_calls=evidence.calls is not None)
        try:
            await self._state(record, evidence, account)
        finally:
            if account.ids is not None:
                self.file.free(account.ids.blocks)

    async def _state(self, record: WindowRecord, evidence: Evidence, account: _Account) -> None:
        """Have a document that gives this account, and close the window."""
        window = record.window
        known = last_of(await self.manifest.filed(window.day), window.day)
        if record.closed_at is not None and known is not None and known.account == account.sum:
            return
        for _ in range(TRIES):
            chain = self._chain = self._chain or await self._read_chain()
            last = chain.last(window.day)
            if last is not None and last.account == account.sum:
                break
            last = await self._write(record, evidence, account, chain)
            if last is not None:
                await self.manifest.file([last])
                chain.add(last)
                self._tell(last, account.books)
                break
            self._chain = None  # another run was faster: what it wrote is read first
        else:
            raise StoreFailed(f"other writers keep the period of {window.day} busy")
        for closed in await self.manifest.close_windows([window], last.closed_at):
            self.reporter.event("window_closed", window=str(closed))

    async def _read_chain(self) -> Chain:
        chain = await read_chain(self.store, self.manifest)
        for key in chain.unreadable:
            self.reporter.event("period_unreadable", key=key)
        return chain

    async def _make_up(self, day: date, *, with_calls: bool) -> _Account:
        """The day's books; the ids go into scratch as they come."""
        books, writer = Books(self.author.run_id), self.file.begin()
        batch: list[Standing] = []

        def enter() -> None:
            for standing in batch:
                writer.lines(books.enter(standing))

        async for standing in self.manifest.standings(day):
            batch.append(standing)
            if len(batch) >= BATCH:
                await run_sync(enter)
                batch.clear()
        await run_sync(enter)
        parts = await self._parts(day) if with_calls else ()
        ids = await run_sync(writer.end) if books.known else None
        return _Account(books, ids, parts, books.account.sum(parts))

    async def _parts(self, day: date) -> tuple[tuple[str, int], ...]:
        listed = [stored async for stored in self.store.list(keys.day_prefix(keys.CALLS, day))]
        return tuple((stored.key, stored.size) for stored in listed if keys.call_part_of(stored.key) is not None)

    async def _write(self, record: WindowRecord, evidence: Evidence, account: _Account, chain: Chain) -> Filed | None:
        """Put everything, the document last; None where its key was taken meanwhile."""
        day, last = record.window.day, chain.last(record.window.day)
        key = chain.next_key(day)
        changes = None if last is None else await self._changes(last, account)
        contents = Contents(
            account=account.sum,
            recordings=account.books.to_json(await self._put(day, "ids", account.ids, account.books.known)),
            calls=await self._calls(day, account) if evidence.calls is not None else None,
            listings={
                "recordings": await self._listing(day, "recordings", evidence.recordings),
                "calls": None if evidence.calls is None else await self._listing(day, "calls", evidence.calls),
            },
        )
        provenance = Provenance(
            closed_at=self.clock.now(),
            run_id=self.author.run_id,
            software=self.author.software,
            source=self.author.source,
            timezone=self.author.timezone,
            first_listed_at=record.first_listed_at,
            whole_at=record.whole_at,
            last_listed_at=record.last_listed_at,
        )
        position = Position(key, chain.heads, None if last is None else last.reference, changes)
        content = statement.build(record.window, position, contents, provenance)
        document = Document(content)
        outcome = await self.store.put_new(key, document, document.digest, statement.MEDIATYPE)
        return None if isinstance(outcome, Conflict) else statement.read(key, content)[0]

    async def _calls(self, day: date, account: _Account) -> dict[str, Any]:
        known, parts = await self.manifest.call_day(day), []
        for key, size in account.parts:
            held = await self.store.head(key)
            if held is None or held.digest is None:
                raise StoreFailed(f"{key} is not there any more")
            parts.append((Reference(key, held.digest), size))
        return statement.parts_to_json(known.rows if known else 0, parts)

    async def _listing(self, day: date, report: str, listed: Listed) -> dict[str, Any]:
        archive = await self._put(day, f"listing-{report}", listed.archive, listed.kept)
        return listed.to_json(archive)

    async def _put(self, day: date, name: str, section: Section | None, count: int) -> dict[str, Any] | None:
        """Put a companion; how the statement refers to it. ``count``: of what it holds."""
        if section is None:
            return None
        key = keys.companion_key(day, name, section.digest)
        outcome = await self.store.put_new(key, section, section.digest, MEDIATYPE)
        if isinstance(outcome, Conflict):
            raise StoreFailed(f"{key} holds other bytes than its name says")
        return {"key": key, "sha256": section.digest.hex, "size": section.size, "count": count}

    async def _changes(self, last: Filed, account: _Account) -> dict[str, Any] | None:
        """What the amendment to come changes; None where what it amends cannot be read."""
        try:
            _, document = statement.read(last.key, await self.store.read(last.key, statement.SIZE_LIMIT) or b"")
            before = await read_accounts(self.store, document["recordings"]["ids"])
        except (ValueError, KeyError, TypeError, StoreFailed):
            return None
        return await run_sync(statement.changes, before, _standings(account.ids))

    def _tell(self, filed: Filed, books: Books) -> None:
        is_amendment = keys.period_document_of(filed.key) != (filed.day, 0)
        self.summary.amendments += is_amendment
        self.summary.statements += not is_amendment
        self.reporter.event(
            "period_amended" if is_amendment else "period_stated",
            window=str(filed.day),
            key=filed.key,
            recordings=books.known,
            late=books.late.count,
            vanished=books.vanished.count,
        )


def _standings(ids: Section | None) -> Iterator[Standing]:
    return iter(()) if ids is None else (standing for standing, _ in standings_in(ids.open()))

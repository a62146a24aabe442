"""The calls of a window: listed, compared with what the bucket holds of their day, and archived as a further part."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, tzinfo

import anyio
from anyio.to_thread import run_sync

from archiver.calls.listing import ListedCalls
from archiver.calls.log import Brought, CallLog, DayParts, find_parts
from archiver.clock import Clock
from archiver.errors import SourceFailed, SpoolFull, StoreFailed
from archiver.manifest.interface import CallDay, Manifest
from archiver.model import BadRow, Call, Recording, Window
from archiver.periods.evidence import Keepers, Listed
from archiver.periods.scratch_file import ScratchFile
from archiver.reporting import Reporter
from archiver.rules.evidence import call_id_of
from archiver.rules.retry import is_down
from archiver.rules.summary import Summary
from archiver.source.interface import Listing, Page, Source, can_be_shared
from archiver.source.listing import moment_of
from archiver.source.rows import read_call

PATIENCE = 90.0
"""Seconds for a page, retries included: the recordings of the window wait meanwhile, and their source forgets."""


@dataclass(frozen=True, slots=True)
class WindowCalls:
    """What became of a window's calls."""

    settled: bool = False
    """True if the source named them with agreement and the bucket holds them all."""
    evidence: Listed | None = None
    """Of such a listing, where it was to be kept."""
    unique: int = 0
    """Distinct ids in the wider span that was asked."""
    _listed: ListedCalls | None = None
    _zone: tzinfo = UTC

    async def of(self, recordings: Sequence[Recording]) -> dict[str, Call]:
        """By recording id, the calls that recordings name by ``call_id`` and that were listed in this window."""
        wanted = {recording.id: call_id for recording in recordings if (call_id := call_id_of(recording.row))}
        if not wanted or self._listed is None:
            return {}
        try:
            rows = await run_sync(self._listed.rows, set(wanted.values()))
        except SpoolFull:
            return {}  # archiver reconcile amends the sidecars that lack their call
        calls = {call_id: read_call(row, self._zone)[0] for call_id, row in rows.items()}
        named = {recording_id: calls.get(call_id) for recording_id, call_id in wanted.items()}
        return {recording_id: call for recording_id, call in named.items() if call is not None}


@dataclass(slots=True)
class CallLister:
    """Trouble with calls is told and counted, and never ends the listing of recordings."""

    source: Source
    log: CallLog
    manifest: Manifest | None
    """None in a dry run where there is none yet."""
    clock: Clock
    reporter: Reporter
    summary: Summary
    dry: bool = False
    """Write nothing; ``summary.calls_pending`` is what a run would write."""
    _failures: int = 0
    _answered: bool = False
    _lost: int = 0
    """Rows of the window under way from which nothing can be archived."""
    _bad_rows: set[str] = field(default_factory=set)
    _accounted: set[Window] = field(default_factory=set)

    @asynccontextmanager
    async def archived(
        self, windows: Sequence[Window], scratch: ScratchFile | None = None
    ) -> AsyncGenerator[Mapping[Window, WindowCalls] | None, None]:
        """Archive the calls of windows that touch, which can be asked for as long as the context lasts.

        None, and nothing is archived, for several windows that one listing does not settle. ``scratch``: where the
        evidence of their listing is kept; None: it is not. Raises SourceRefused, DestinationUnusable, ManifestUnusable.
        """
        if is_down(self._failures, answered=self._answered):  # recordings need the requests
            for window in windows:
                self._unsettled(window, "the calls of earlier windows could not be listed: not asked for")
            yield {window: WindowCalls() for window in windows}
            return
        with ExitStack() as stack:
            among = len(windows)
            listed = {each.day: stack.enter_context(ListedCalls(self.log.scratch, among)) for each in windows}
            kept = None if scratch is None else Keepers(scratch, windows)
            if kept is not None:
                stack.callback(kept.give_up)
            listing = self.source.calls(Window(windows[0].start, windows[-1].end))
            reason = await self._list(listing, listed, kept)
            if reason and len(windows) > 1:
                yield None
                return
            yield {window: await self._settle(window, listed[window.day], reason, listing, kept) for window in windows}

    async def _settle(
        self, window: Window, listed: ListedCalls, reason: str, listing: Listing[Call], kept: Keepers | None
    ) -> WindowCalls:
        """Bring the bucket up to what was listed of a window. ``reason``: why that cannot be relied on, or nothing."""
        evidence = None if reason or kept is None else kept.listed.get(window)
        unique = 0 if reason else listing.outcome.unique
        brought = Brought()
        failure = ""
        try:
            await self._bring(window, listed, brought, reason)
        except (StoreFailed, SpoolFull) as error:
            reason = failure = error.fact
        if self.dry or failure:
            self.summary.calls_pending += max(0, brought.new + brought.changed - brought.rows)
        self._account(window, listed, brought)
        if reason:
            self._unsettled(window, reason)
        return WindowCalls(not reason, evidence, unique, listed, self.log.zone)

    async def _list(self, listing: Listing[Call], listed: Mapping[date, ListedCalls], kept: Keepers | None) -> str:
        """Why the listing cannot be relied on, or nothing."""
        self._lost = 0
        told: set[str] = set()
        try:
            async with aclosing(aiter(listing)) as pages:
                while (page := await self._next(pages)) is not None:
                    self._answered = True
                    if len(listed) > 1 and not can_be_shared(page):
                        return "several windows cannot be listed together"
                    self._note_bad(page.bad_rows, told)
                    await self._add(listed, page.rows)
                    if kept is not None:
                        await kept.add(page)
            if kept is not None and listing.outcome.agreed:
                await kept.end(listing.outcome)
        except SourceFailed as error:
            self._failures += len(listed) == 1  # several are tried one by one
            return error.fact
        except SpoolFull as error:
            return error.fact
        self._failures = 0
        if listing.outcome.agreed and self._lost:
            return f"{self._lost} rows cannot be read"
        return listing.outcome.reason

    @staticmethod
    async def _add(listed: Mapping[date, ListedCalls], rows: Sequence[Call]) -> None:
        by_day: dict[date, list[Call]] = {}
        for row in rows:
            by_day.setdefault(moment_of(row).date(), []).append(row)
        for day, calls in by_day.items():
            await run_sync(listed[day].add, calls)

    @staticmethod
    async def _next(pages: AsyncIterator[Page[Call]]) -> Page[Call] | None:
        """The next page, or None; SourceFailed if recordings would have to wait too long for it."""
        with anyio.move_on_after(PATIENCE):
            return await anext(pages, None)
        raise SourceFailed(f"the call log did not answer within {PATIENCE:.0f} s: recordings come first")

    async def _bring(self, window: Window, listed: ListedCalls, brought: Brought, reason: str) -> None:
        """Bring the bucket up to the listing, and the manifest up to the bucket."""
        known = await self.manifest.call_day(window.day) if self.manifest else None
        parts = await find_parts(self.log.store, window.day, with_copies=self.log.copies)
        listing = await run_sync(listed.digest)
        current = known is not None and known.parts == len(parts.numbers)
        if known is not None and current and (not len(listed) or known.listing == listing):
            rows, listing, union = known.rows, known.listing, known.union
        elif self.dry:
            await self.log.compare(listed, parts, brought)
            return
        else:
            try:
                parts = await self.log.bring(listed, parts, brought)
            except (StoreFailed, SpoolFull) as error:
                await self._note_failed(window, known, error.fact)
                raise
            rows, union = listed.union_size, await run_sync(listed.union_digest)
        await self._note(CallDay(window.day, len(parts.numbers), rows, listing, union, not reason, reason))
        await self._copy(parts)

    async def _copy(self, parts: DayParts) -> None:
        if not self.dry:
            await self.log.copy(parts)

    async def _note(self, call_day: CallDay) -> None:
        if self.manifest is not None and not self.dry:
            await self.manifest.note_call_day(self.clock.now(), call_day)

    async def _note_failed(self, window: Window, known: CallDay | None, reason: str) -> None:
        """What was known before counts no more: the next run reads the parts."""
        rows = known.rows if known else 0
        await self._note(CallDay(window.day, known.parts if known else 0, rows, "", "", False, reason))

    def _account(self, window: Window, listed: ListedCalls, brought: Brought) -> None:
        summary = self.summary
        summary.calls_listed += len(listed) if window not in self._accounted else 0  # anew after shared trouble
        self._accounted.add(window)
        summary.calls_archived += brought.rows
        summary.call_parts += brought.parts
        for key in dict.fromkeys(brought.unreadable):
            self.reporter.event("call_part_unreadable", window=str(window), key=key)
        self.reporter.event(
            "calls",
            window=str(window),
            listed=len(listed),
            new=brought.new,
            changed=brought.changed,
            part=brought.last,
        )

    def _unsettled(self, window: Window, reason: str) -> None:
        self.summary.calls_unsettled += 1
        self.reporter.event("calls_unsettled", window=str(window), reason=reason)

    def _note_bad(self, bad_rows: Sequence[BadRow], told: set[str]) -> None:
        """Each is told once, though pages, passes and windows overlap; ``told``: in this window."""
        for bad in bad_rows:
            key = f"{bad.id}|{bad.problem}|{'' if bad.id else sorted(bad.row.items(), key=str)}"
            self._lost += bad.lost and key not in told
            told.add(key)
            if key in self._bad_rows:
                continue
            self._bad_rows.add(key)
            self.summary.rows_unreadable += bad.lost
            self.summary.rows_odd += not bad.lost
            self.reporter.event("bad_call", call_id=bad.id, reason=bad.problem, lost=bad.lost)

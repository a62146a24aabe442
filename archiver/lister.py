"""The listing half of a run: windows are read page by page, noted in the manifest, and what is open is queued."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

from archiver.calls.lister import CallLister, WindowCalls
from archiver.clock import Clock
from archiver.custody import BucketDay, Custody
from archiver.deadline_queue import DeadlineQueue
from archiver.errors import SourceFailed, SpoolFull, StoreFailed
from archiver.intake import BadRows, Intake, Sighting
from archiver.job import Job
from archiver.manifest.interface import Change, Entry, ListedWindow, Manifest
from archiver.model import BadRow, Call, Recording, Window
from archiver.periods.evidence import Keepers, Listed
from archiver.periods.registrar import Evidence
from archiver.periods.scratch_file import ScratchFile
from archiver.reporting import Reporter
from archiver.rules.lifecycle import Event, State
from archiver.rules.retry import is_down
from archiver.rules.summary import Summary
from archiver.rules.windows import closable_before, listed_together, lost_at, most_together
from archiver.source.interface import Listing, ListingOutcome, Page, Source, can_be_shared
from archiver.store.interface import Store


@dataclass(slots=True)
class Lister:
    """Lists windows, as far ahead of the transfers as their links allow: oldest first, settled ones many at a time."""

    source: Source
    store: Store
    manifest: Manifest
    custody: Custody
    queue: DeadlineQueue
    clock: Clock
    reporter: Reporter
    summary: Summary
    lookback_days: int
    calls: CallLister | None
    """None where call logs are not archived."""
    shared_paths: set[str]
    """Filled with audio paths that were named for more than one recording of one window."""
    scratch: ScratchFile
    """Where the evidence of listings is kept."""
    together: bool = True
    """False: strictly oldest first, day by day, since the run may end before it has come to the end of a listing."""
    closable: dict[Window, Evidence] = field(default_factory=dict)
    """Windows that were over, lookback included, when this run began to list them, and that were read to their end,
    calls included."""
    agreed: list[Window] = field(default_factory=list)
    """Windows whose listing by this run has agreed."""
    queued: int = 0
    """Recordings queued so far."""
    _answered: bool = False
    """True once the source has answered: one that never did is not tried for every window."""
    _most: int = 1
    """Windows that one listing may serve, as far as the last one tells."""
    _bad_rows: BadRows = field(init=False)
    _paths_before: Mapping[int, str] = field(default_factory=dict)
    _deferred: list[Job] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._bad_rows = BadRows(self.summary, self.reporter)

    async def list(self, windows: Sequence[Window]) -> None:
        """List them all. Raises SourceRefused, DestinationUnusable, ManifestUnusable."""
        failures, rest = 0, windows
        while rest:
            most = self._most if self.together else 1
            together = listed_together(rest, most, self._surely_past(), self.lookback_days)
            if len(together) > 1 and await self._list_together(together):
                failures, rest = 0, rest[len(together) :]
                continue
            for window in together:
                rest = rest[1:]
                failures = 0 if await self._list_alone(window) else failures + 1
                if is_down(failures, answered=self._answered) and rest:
                    self.summary.windows += len(rest)
                    self.summary.windows_disagreed += len(rest)
                    self.reporter.event("listing_stopped", unlisted=len(rest))
                    return  # what is queued already has its links, and is transferred

    def defer(self, job: Job) -> None:
        """Keep a job until the listing of its window has ended."""
        if job.intake.complete:
            self.queue.put_back(job)
        else:
            self._deferred.append(job)

    async def _list_together(self, windows: Sequence[Window]) -> bool:
        """One listing for all of them; False where it does not settle every one: each is to be listed by itself.

        So a neighbour's trouble costs no window anything but time, and what was queued stays queued.
        """
        self._most = 1  # until one has succeeded again
        async with self._calls_of(windows) as calls:
            try:
                evidence = None if calls is None else await self._list_windows(windows, calls, over=True)
            except (SourceFailed, StoreFailed):
                return False
            if calls is None or evidence is None:
                return False
            self.summary.windows += len(windows)
            for window in windows:
                self._settle(window, evidence.get(window), calls.get(window))
        return True

    async def _list_alone(self, window: Window) -> bool:
        """False where it could not be listed."""
        self.summary.windows += 1
        over = window.end <= closable_before(self._surely_past(), self.lookback_days)
        async with self._calls_of([window], over=over) as calls:
            try:
                evidence = await self._list_windows([window], calls or {}, over=over)
            except (SourceFailed, StoreFailed) as error:
                await self._disagreed(window, error.fact)
                return False
            self._settle(window, (evidence or {}).get(window), (calls or {}).get(window))
        return True

    def _settle(self, window: Window, evidence: Listed | None, calls: WindowCalls | None) -> None:
        if evidence is not None and calls is None:
            self.closable[window] = Evidence(evidence, None)
        elif evidence is not None and calls is not None and calls.settled and calls.evidence is not None:
            self.closable[window] = Evidence(evidence, calls.evidence)

    @asynccontextmanager
    async def _calls_of(
        self, windows: Sequence[Window], *, over: bool = True
    ) -> AsyncIterator[Mapping[Window, WindowCalls] | None]:
        """Their calls come first: a sidecar is written once, and may name the call. Empty where they are left alone.

        None where the calls of several windows cannot be had together.
        """
        if self.calls is None:
            yield {}
            return
        async with self.calls.archived(windows, self.scratch if over else None) as calls:
            yield calls

    async def _list_windows(
        self, windows: Sequence[Window], calls: Mapping[Window, WindowCalls], *, over: bool
    ) -> Mapping[Window, Listed] | None:
        """Their recordings. The evidence of a listing on which they can be closed; a window without has to be listed
        again. None for several windows that one listing does not settle.
        """
        intakes = await self._intakes(windows)
        listing = self.source.recordings(Window(windows[0].start, windows[-1].end))
        kept = Keepers(self.scratch, windows) if over else None
        span = str(windows[0]) if len(windows) == 1 else f"{windows[0]}/{windows[-1]}"
        try:
            with self.custody.trace.span("window", window=span):
                if not await self._read(listing, intakes, calls, kept):
                    return None
                outcome = listing.outcome
                for intake in intakes.values():
                    await self._conclude(intake, outcome, intakes.values())
            if kept is None or kept.given_up or not outcome.agreed:
                return {}
            await self._kept(kept, kept.end(outcome))
            return kept.listed
        finally:
            if kept is not None:
                kept.give_up()

    async def _intakes(self, windows: Sequence[Window]) -> Mapping[date, Intake]:
        paths: dict[int, str] = {}
        past, intakes = self._surely_past(), {}
        for window in windows:
            bucket_day = await BucketDay.read(self.store, window.day)
            intakes[window.day] = Intake(window, bucket_day, self._paths_before, window.end <= past, paths)
        self._paths_before = paths
        return intakes

    async def _read(
        self,
        listing: Listing[Recording],
        intakes: Mapping[date, Intake],
        calls: Mapping[Window, WindowCalls],
        kept: Keepers | None,
    ) -> bool:
        """Take in the pages. False, and the rest is not asked for, where several windows need listings of their own."""
        paged = False
        try:
            async with aclosing(aiter(listing)) as pages:
                while (page := await self._next_page(pages)) is not None:
                    self._answered = True
                    if len(intakes) > 1 and not can_be_shared(page):
                        return False
                    await self._take_in(intakes, page, calls)
                    if kept is not None and not kept.given_up:
                        await self._kept(kept, kept.add(page))
                    await self.queue.room(self._life_of(page))
                    paged = page.dialect != "flat"
        finally:
            self._complete(intakes.values())
        rows = max([listing.outcome.unique, *(each.unique for each in calls.values())])
        self._most = most_together(len(intakes), rows) if paged else 1
        return True

    async def _kept(self, kept: Keepers, keeping: Awaitable[None]) -> None:
        """Where there is no room for evidence recordings are archived all the same, and the days close later."""
        try:
            await keeping
        except SpoolFull as error:
            kept.give_up()
            self.summary.periods_pending += len(kept.windows)
            for window in kept.windows:
                self.reporter.event("period_pending", window=str(window), reason=error.fact)

    async def _next_page(self, pages: AsyncIterator[Page[Recording]]) -> Page[Recording] | None:
        with self.custody.trace.span("list"):
            return await anext(pages, None)

    def _complete(self, intakes: Iterable[Intake]) -> None:
        """Let the jobs go on that waited for the end of these windows' listing."""
        for intake in intakes:
            intake.complete = True
        waiting, self._deferred = self._deferred, []
        for job in waiting:
            self.defer(job)

    async def _conclude(self, intake: Intake, outcome: ListingOutcome, together: Collection[Intake]) -> None:
        if outcome.agreed:
            self.agreed.append(intake.window)
            listed = ListedWindow(intake.window, True, "", outcome.unique, intake.rows_unreadable, intake.whole)
            await self.manifest.note_window(self.custody.run_id, self.clock.now(), listed)
        else:
            await self._disagreed(intake.window, outcome.reason, outcome.unique, intake.rows_unreadable)
        self.reporter.event("window", window=str(intake.window), listed=len(intake), agreed=outcome.agreed)
        for entry in await self.manifest.open_entries(intake.window):
            named = any(entry.recording_id in each for each in together)
            if not named and entry.recording_id not in self.queue:
                await self._unlisted(intake, entry, agreed=outcome.agreed)

    async def _disagreed(self, window: Window, reason: str, unique: int = 0, rows_unreadable: int = 0) -> None:
        self.summary.windows_disagreed += 1
        listed = ListedWindow(window, False, reason, unique, rows_unreadable)
        await self.manifest.note_window(self.custody.run_id, self.clock.now(), listed)
        self.reporter.event("window_disagreed", window=str(window), reason=reason)

    async def _take_in(
        self, intakes: Mapping[date, Intake], page: Page[Recording], calls: Mapping[Window, WindowCalls]
    ) -> None:
        """Note a page in the manifest and queue what is open. Rows may repeat between pages, passes and windows."""
        for bad in page.bad_rows:
            for intake in intakes.values():  # nobody knows to which day a lost one belongs
                self._bad_rows.note(intake, bad)
        fresh: list[Recording] = []
        for row in page.rows:
            intake = intakes[row.created_at.date()]
            sighting = intake.sight(row)
            if sighting is Sighting.NEW:
                fresh.append(row)
                if row.link is not None and intake.shares_path(row):
                    self.shared_paths.add(row.link.public)
                continue
            if sighting is Sighting.AGAIN:
                self.queue.renew(row)
                continue
            words = "its id stands in rows that differ; the first one counts"
            self._bad_rows.note(intake, BadRow(row.id, words, row.row, lost=False))
        with self.custody.trace.span("manifest"):
            entries = await self.manifest.note_listed(self.custody.run_id, self.clock.now(), fresh)
        named = await self._named(calls, [row for row in fresh if entries[row.id].state.is_open])
        for row in fresh:
            if row.id in self.queue:  # its row has moved here from another window of this run
                self.queue.renew(row)
            elif entries[row.id].state.is_open:
                self._put(Job(intakes[row.created_at.date()], entries[row.id], row, named.get(row.id)))

    @staticmethod
    async def _named(calls: Mapping[Window, WindowCalls], recordings: Sequence[Recording]) -> Mapping[str, Call]:
        """By recording id, the calls of their own day that they name."""
        named: dict[str, Call] = {}
        for window, listed in calls.items():
            if rows := [each for each in recordings if each.created_at in window]:
                named |= await listed.of(rows)
        return named

    async def _unlisted(self, intake: Intake, entry: Entry, *, agreed: bool) -> None:
        """An open recording that this listing did not name: seal it, or say that it has vanished."""
        if entry.state is State.STORED:
            self._put(Job(intake, entry, None))
        elif agreed and lost_at(entry.created_at) < self._surely_past():
            self.summary.forgotten += 1
            change = Change(reason="the source has forgotten it before it was archived")
            await self.custody.advance(entry, Event.SOURCE_GONE, change)
            self.reporter.event("forgotten", recording_id=entry.recording_id)
        elif agreed:
            self.summary.vanished += 1
            await self.manifest.note_waiting(entry.recording_id, "the source no longer names it")
            self.reporter.event("vanished", recording_id=entry.recording_id)

    def _surely_past(self) -> datetime:
        """The earlier of the server's clock and ours: what is final is not decided on one that may be wrong."""
        return min(self.source.server_time(), self.clock.now())

    def _put(self, job: Job) -> None:
        self.queued += 1
        self.queue.put(job)

    def _life_of(self, page: Page[Recording]) -> float | None:
        """Seconds that the page's first link to die has left."""
        deadlines = [row.link.deadline for row in page.rows if row.link is not None and row.link.deadline is not None]
        return (min(deadlines) - self.source.server_time()).total_seconds() if deadlines else None

"""The listing half of a run: windows are read page by page, noted in the manifest, and what is open is queued."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from archiver.calls.lister import CallLister, WindowCalls
from archiver.clock import Clock
from archiver.custody import BucketDay, Custody
from archiver.deadline_queue import DeadlineQueue
from archiver.errors import SourceFailed, SpoolFull, StoreFailed
from archiver.intake import BadRows, Intake, Sighting
from archiver.job import Job
from archiver.manifest.interface import Change, Entry, ListedWindow, Manifest
from archiver.model import BadRow, Recording, Window
from archiver.periods.evidence import Keeper, Listed
from archiver.periods.registrar import Evidence
from archiver.periods.scratch_file import ScratchFile
from archiver.reporting import Reporter
from archiver.rules.lifecycle import Event, State
from archiver.rules.retry import is_down
from archiver.rules.summary import Summary
from archiver.rules.windows import closable_before, lost_at
from archiver.source.interface import ListingOutcome, Page, Source
from archiver.store.interface import Store


@dataclass(slots=True)
class Lister:
    """Lists windows one after the other, as far ahead of the transfers as their links allow."""

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
    closable: dict[Window, Evidence] = field(default_factory=dict)
    """Windows that were over, lookback included, when this run began to list them, and that were read to their end,
    calls included."""
    agreed: list[Window] = field(default_factory=list)
    """Windows whose listing by this run has agreed."""
    queued: int = 0
    """Recordings queued so far."""
    _answered: bool = False
    """True once the source has answered: one that never did is not tried for every window."""
    _bad_rows: BadRows = field(init=False)
    _paths_before: Mapping[str, str] = field(default_factory=dict)
    _deferred: list[Job] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._bad_rows = BadRows(self.summary, self.reporter)

    async def list(self, windows: Sequence[Window]) -> None:
        """List them all. Raises SourceRefused, DestinationUnusable, ManifestUnusable."""
        failures = 0
        for number, window in enumerate(windows, 1):
            self.summary.windows += 1
            over = window.end <= closable_before(self._surely_past(), self.lookback_days)
            evidence = None
            async with self._calls_of(window, over=over) as calls:
                try:
                    with self.custody.trace.span("window", window=str(window)):
                        evidence = await self._list_window(window, calls, over=over)
                    failures = 0
                except (SourceFailed, StoreFailed) as error:
                    await self._disagreed(window, error.fact)
                    failures += 1
            down = is_down(failures, answered=self._answered)
            if down and number < len(windows):
                self.summary.windows += len(windows) - number
                self.summary.windows_disagreed += len(windows) - number
                self.reporter.event("listing_stopped", unlisted=len(windows) - number)
                return  # what is queued already has its links, and is transferred
            if evidence is not None and calls is None:
                self.closable[window] = Evidence(evidence, None)
            elif evidence is not None and calls is not None and calls.settled and calls.evidence is not None:
                self.closable[window] = Evidence(evidence, calls.evidence)

    def defer(self, job: Job) -> None:
        """Keep a job until the listing of its window has ended."""
        if job.intake.complete:
            self.queue.put_back(job)
        else:
            self._deferred.append(job)

    @asynccontextmanager
    async def _calls_of(self, window: Window, *, over: bool) -> AsyncIterator[WindowCalls | None]:
        """Its calls come first: a sidecar is written once, and may name the call. None where they are left alone."""
        if self.calls is None:
            yield None
            return
        async with self.calls.archived(window, self.scratch if over else None) as calls:
            yield calls

    async def _list_window(self, window: Window, calls: WindowCalls | None, *, over: bool) -> Listed | None:
        """Its recordings. The evidence of a listing on which it can be closed; None: it has to be listed again."""
        bucket_day = await BucketDay.read(self.store, window.day)
        intake = Intake(window, bucket_day, self._paths_before, whole=window.end <= self._surely_past())
        self._paths_before = intake.paths
        listing = self.source.recordings(window)
        kept = Keeper(self.scratch) if over else None
        try:
            async with aclosing(aiter(listing)) as pages:
                while (page := await self._next_page(pages)) is not None:
                    self._answered = True
                    await self._take_in(intake, page, calls)
                    kept = kept if kept is None or await self._kept(window, kept.add(page)) else None
                    await self.queue.room(self._life_of(page))
        finally:
            self._complete(intake)
        await self._conclude(intake, listing.outcome)
        if kept is not None and listing.outcome.agreed and await self._kept(window, kept.end(listing.outcome)):
            return kept.listed
        return None

    async def _kept(self, window: Window, keeping: Awaitable[None]) -> bool:
        """False where there is no room for evidence: recordings are archived all the same, the day closes later."""
        try:
            await keeping
        except SpoolFull as error:
            self.summary.periods_pending += 1
            self.reporter.event("period_pending", window=str(window), reason=error.fact)
            return False
        return True

    async def _next_page(self, pages: AsyncIterator[Page[Recording]]) -> Page[Recording] | None:
        with self.custody.trace.span("list"):
            return await anext(pages, None)

    def _complete(self, intake: Intake) -> None:
        """Let the jobs go on that waited for the end of this window's listing."""
        intake.complete = True
        waiting, self._deferred = self._deferred, []
        for job in waiting:
            self.defer(job)

    async def _conclude(self, intake: Intake, outcome: ListingOutcome) -> None:
        if outcome.agreed:
            self.agreed.append(intake.window)
            listed = ListedWindow(intake.window, True, "", outcome.unique, intake.rows_unreadable, intake.whole)
            await self.manifest.note_window(self.custody.run_id, self.clock.now(), listed)
        else:
            await self._disagreed(intake.window, outcome.reason, outcome.unique, intake.rows_unreadable)
        self.reporter.event("window", window=str(intake.window), listed=len(intake), agreed=outcome.agreed)
        for entry in await self.manifest.open_entries(intake.window):
            if entry.recording_id not in intake and entry.recording_id not in self.queue:
                await self._unlisted(intake, entry, agreed=outcome.agreed)

    async def _disagreed(self, window: Window, reason: str, unique: int = 0, rows_unreadable: int = 0) -> None:
        self.summary.windows_disagreed += 1
        listed = ListedWindow(window, False, reason, unique, rows_unreadable)
        await self.manifest.note_window(self.custody.run_id, self.clock.now(), listed)
        self.reporter.event("window_disagreed", window=str(window), reason=reason)

    async def _take_in(self, intake: Intake, page: Page[Recording], calls: WindowCalls | None) -> None:
        """Note a page in the manifest and queue what is open. Rows may repeat between pages, passes and windows."""
        for bad in page.bad_rows:
            self._bad_rows.note(intake, bad)
        fresh: list[Recording] = []
        for row in page.rows:
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
        open_rows = [row for row in fresh if entries[row.id].state.is_open]
        named = await calls.of(open_rows) if calls else {}
        for row in fresh:
            if row.id in self.queue:  # its row has moved here from another window of this run
                self.queue.renew(row)
            elif entries[row.id].state.is_open:
                self._put(Job(intake, entries[row.id], row, named.get(row.id)))

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

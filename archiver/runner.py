"""A run: list the windows, keep the transfers fed by deadline, stop when told to, and say what became of everything."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import TaskGroup

from archiver.budget import Budget
from archiver.clock import Clock
from archiver.custody import BucketDay
from archiver.deadline_queue import DeadlineQueue
from archiver.errors import ArchiverError, SourceFailed
from archiver.intake import Intake, Sighting
from archiver.job import Job
from archiver.manifest.interface import Change, ListedWindow, Manifest
from archiver.model import BadRow, Grade, Recording, Window
from archiver.outcomes import Clash, FetchAgain, NeedsLink, Outcome, Retry, Settled, Waiting
from archiver.pipeline import Pipeline
from archiver.refresher import Refresher
from archiver.reporting import Reporter
from archiver.rules.lifecycle import Event, State
from archiver.rules.retry import TRANSFER, TryAgain
from archiver.rules.summary import Summary
from archiver.rules.windows import lost_at, settled_before
from archiver.source.interface import Page, Source
from archiver.store.interface import Store

LISTING_FAILURES = 3
"""Windows in a row that cannot be listed, after which the source is taken to be down."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is asked to do."""

    run_id: str
    windows: Sequence[Window]
    concurrency: int
    attempts_per_recording: int
    lookback_days: int


@dataclass(slots=True)
class Run:
    """One run, from its first window to its summary. Use once."""

    plan: Plan
    source: Source
    store: Store
    manifest: Manifest
    pipeline: Pipeline
    clock: Clock
    reporter: Reporter
    budget: Budget
    summary: Summary = field(init=False)
    fatal: ArchiverError | None = None
    """What ended the run early for all recordings: credentials, destination, manifest."""
    _queue: DeadlineQueue = field(init=False)
    _refresher: Refresher = field(init=False)
    _background: TaskGroup = field(init=False)
    _moving: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _listing: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _windows: list[Window] = field(default_factory=list)
    _bad_rows: set[str] = field(default_factory=set)
    _to_do: int = 0
    _done: int = 0

    def __post_init__(self) -> None:
        self.summary = Summary(self.plan.run_id)
        self._queue = DeadlineQueue(self.clock, self.plan.concurrency)
        self._refresher = Refresher(self.source, self._queue, self._leave)

    async def execute(self, alongside: Callable[[Run], Coroutine[Any, Any, None]]) -> Summary:
        """Do it. The summary stands even where ``fatal`` says that the run ended early.

        ``alongside`` is cancelled at the end; it may ``stop`` and ``drop`` the run meanwhile.
        """
        started = self.clock.monotonic()
        async with anyio.create_task_group() as self._background:
            self._background.start_soon(alongside, self)
            self._background.start_soon(self._guarded, self._refresher.run)
            self._background.start_soon(self._watch_the_time)
            with self._moving:
                async with anyio.create_task_group() as movers:
                    movers.start_soon(self._guarded, self._list_windows)
                    for _ in range(self.plan.concurrency):
                        movers.start_soon(self._guarded, self._work)
            self._background.cancel_scope.cancel()
        await self._account()
        self.summary.seconds = self.clock.monotonic() - started
        return self.summary

    def stop(self, reason: str) -> None:
        """Take no more work; what is in flight may finish. ``reason`` as in ``Summary.stopped``."""
        self.summary.stopped = self.summary.stopped or reason
        self._queue.stop()
        self._listing.cancel()

    def drop(self) -> None:
        """Drop what is in flight: it is safe at any point."""
        self._moving.cancel()

    async def _guarded(self, task: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await task()
        except ArchiverError as error:
            self.fatal = self.fatal or error
            self._queue.stop()
            self._listing.cancel()

    async def _watch_the_time(self) -> None:
        if self.budget.seconds is not None:
            await anyio.sleep(self.budget.seconds)
            self.stop("budget")

    # Listing

    async def _list_windows(self) -> None:
        with self._listing:
            failures = 0
            for number, window in enumerate(self.plan.windows, 1):
                self._windows.append(window)
                try:
                    await self._list_window(window)
                    failures = 0
                except SourceFailed as error:
                    await self._disagreed(window, error.fact)
                    failures += 1
                if failures == LISTING_FAILURES:
                    self.summary.windows_disagreed += len(self.plan.windows) - number
                    break  # what is queued already has its links, and is transferred
        self._queue.no_more()

    async def _list_window(self, window: Window) -> None:
        bucket_day = await BucketDay.read(self.store, window.day)
        listing = self.source.recordings(window)
        intake = Intake(window, bucket_day)
        async with aclosing(aiter(listing)) as pages:
            async for page in pages:
                await self._take_in(intake, page)
                await self._queue.room(self._life_of(page))
        outcome = listing.outcome
        if outcome.agreed:
            listed = ListedWindow(window, True, "", outcome.unique, intake.rows_lost)
            await self.manifest.note_window(self.plan.run_id, self.clock.now(), listed)
        else:
            await self._disagreed(window, outcome.reason, outcome.unique, intake.rows_lost)
        self.reporter.event(
            "window", window=str(window), listed=len(intake), agreed=outcome.agreed, reason=outcome.reason
        )
        await self._look_for_the_unlisted(intake, agreed=outcome.agreed)

    async def _disagreed(self, window: Window, reason: str, unique: int = 0, rows_lost: int = 0) -> None:
        self.summary.windows_disagreed += 1
        listed = ListedWindow(window, False, reason, unique, rows_lost)
        await self.manifest.note_window(self.plan.run_id, self.clock.now(), listed)
        self.reporter.event("window_disagreed", window=str(window), reason=reason)

    async def _take_in(self, intake: Intake, page: Page[Recording]) -> None:
        """Note a page in the manifest and queue what is open. Rows may repeat between pages and passes."""
        self._take_in_bad_rows(intake, page.bad_rows)
        fresh: list[Recording] = []
        for row in page.rows:
            sighting = intake.sight(row)
            if sighting is Sighting.NEW:
                fresh.append(row)
                if row.link is not None and intake.shares_path(row):
                    self.pipeline.shared_paths.add(row.link.public)
                continue
            self._queue.renew(row)
            if sighting is Sighting.DIFFERS:
                bad = BadRow(row.id, "its id stands in rows that differ; the first one counts", row.row, lost=False)
                self._take_in_bad_rows(intake, [bad])
        entries = await self.manifest.note_listed(self.plan.run_id, self.clock.now(), fresh)
        for row in fresh:
            if entries[row.id].state.is_open:
                self._put(Job(intake.window, entries[row.id], intake.bucket_day, row))

    def _take_in_bad_rows(self, intake: Intake, bad_rows: Sequence[BadRow]) -> None:
        for bad in bad_rows:
            key = f"{bad.id}|{bad.problem}|{'' if bad.id else sorted(bad.row.items(), key=str)}"
            if key in self._bad_rows:
                continue
            self._bad_rows.add(key)
            intake.rows_lost += bad.lost
            self.summary.rows_unreadable += bad.lost
            self.summary.rows_odd += not bad.lost
            self.reporter.event("bad_row", recording_id=bad.id, reason=bad.problem, lost=bad.lost)

    async def _look_for_the_unlisted(self, intake: Intake, *, agreed: bool) -> None:
        """Open recordings that this listing did not name: seal them, or say that they have vanished."""
        for entry in await self.manifest.open_entries(intake.window):
            if entry.recording_id in intake:
                continue
            if entry.state is State.STORED:
                self._put(Job(intake.window, entry, intake.bucket_day, None))
            elif agreed and lost_at(entry.created_at) < self.source.server_time():
                self.summary.forgotten += 1
                change = Change(reason="the source has forgotten it before it was archived")
                await self.pipeline.custody.advance(entry, Event.SOURCE_GONE, change)
                self.reporter.event("forgotten", recording_id=entry.recording_id)
            else:
                self.summary.vanished += 1
                await self.manifest.note_waiting(entry.recording_id, "the source no longer names it")
                self.reporter.event("vanished", recording_id=entry.recording_id)

    def _put(self, job: Job) -> None:
        self._to_do += 1
        self._queue.put(job)
        self._progress()

    def _life_of(self, page: Page[Recording]) -> float | None:
        """Seconds that the page's first link to die has left."""
        deadlines = [row.link.deadline for row in page.rows if row.link is not None and row.link.deadline is not None]
        return (min(deadlines) - self.source.server_time()).total_seconds() if deadlines else None

    # Transfers

    async def _work(self) -> None:
        while (job := await self._queue.take()) is not None:
            if not self.budget.admits(job.entry.recording_id):
                self.summary.stopped = self.summary.stopped or "budget"
                self._listing.cancel()  # what was started goes on, its retries too; nothing new comes in
                self._queue.done(job)
                continue
            try:
                outcome = await self.pipeline.archive(job)
            except ArchiverError:
                raise
            except Exception as error:
                # A bug met by one recording must not cost the others their links: told, counted, exit code 1.
                self.summary.bugs += 1
                self.reporter.event("bug", recording_id=job.entry.recording_id, error=error)
                outcome = Retry("bug", f"unexpected {type(error).__name__}", hopeless_now=True)
            await self._act(job, outcome)

    async def _act(self, job: Job, outcome: Outcome) -> None:
        recording_id = job.entry.recording_id
        match outcome:
            case Settled():
                self._settle(job, outcome)
            case Retry():
                await self._retry(job, outcome)
            case NeedsLink(reason):
                self.reporter.event("link_stale", recording_id=recording_id, reason=reason)
                self._refresher.want(job)
            case FetchAgain(reasons):
                words = "; ".join(str(reason) for reason in reasons)
                self.reporter.event("fetch_again", recording_id=recording_id, reason=words)
                self._queue.put_back(job)
            case Waiting(reason):
                await self._leave(job, reason)
            case Clash(key):
                self.summary.conflicts += 1
                self.reporter.event("conflict", recording_id=recording_id, key=key)
                await self._leave(job, f"the bucket holds other bytes under {key}")

    def _settle(self, job: Job, settled: Settled) -> None:
        entry = settled.entry
        self.budget.moved(settled.moved)
        self.summary.bytes += settled.moved
        self.summary.suspect += entry.grade == Grade.SUSPECT and not settled.adopted
        self.reporter.event(
            "adopted" if settled.adopted else entry.state.value,
            recording_id=entry.recording_id,
            day=entry.day.isoformat(),
            grade=entry.grade,
            reason=entry.reason,
            reasons=[reason.code for reason in settled.reasons],
            bytes=settled.moved,
        )
        self._finish(job)

    async def _retry(self, job: Job, failed: Retry) -> None:
        """Use an attempt; then back off and try again within this run, or leave it to the next, or give up."""
        recording_id, now = job.entry.recording_id, self.clock.now()
        job.failures += 1
        spent = await self.manifest.note_attempt(recording_id, now, self.plan.run_id, failed.stage, failed.reason)
        self.reporter.event("attempt_failed", recording_id=recording_id, stage=failed.stage, reason=failed.reason)
        if spent >= self.plan.attempts_per_recording:
            change = Change(reason=f"{spent} attempts failed, the last one: {failed.reason}")
            self._settle(job, Settled(await self.pipeline.custody.advance(job.entry, Event.GAVE_UP, change)))
            return
        decision = TRANSFER.decide(job.failures, random.random(), failed.retry_after)  # noqa: S311 - jitter
        if failed.hopeless_now or not isinstance(decision, TryAgain):
            await self._leave(job, failed.reason)
            return
        self._background.start_soon(self._later, job, decision.delay)

    async def _later(self, job: Job, delay: float) -> None:
        await anyio.sleep(delay)
        self._queue.put_back(job)

    async def _leave(self, job: Job, reason: str) -> None:
        """Leave a recording open for the next run, with the reason."""
        self.summary.left += 1
        await self.manifest.note_waiting(job.entry.recording_id, reason)
        self.reporter.event("left_open", recording_id=job.entry.recording_id, reason=reason)
        self._finish(job)

    def _finish(self, job: Job) -> None:
        self._done += 1
        self._queue.done(job)
        self._progress()

    def _progress(self) -> None:
        self.reporter.progress(listed=self._to_do, settled=self._done, size=self.summary.bytes)

    async def _account(self) -> None:
        """Count what became of everything this run has listed, and close what can be closed."""
        summary = self.summary
        summary.windows = len(self._windows)
        summary.links_refreshed = self._refresher.refreshed
        for window in self._windows:
            counts = await self.manifest.counts(window, self.plan.run_id)
            states = {state: counts.states.get(state, 0) for state in State}
            summary.archived += counts.mine
            summary.already_archived += states[State.ARCHIVED] - counts.mine + states[State.EXPIRED]
            summary.quarantined += states[State.QUARANTINED]
            summary.skipped += states[State.SKIPPED]
            summary.pending += states[State.DISCOVERED] + states[State.STORED]
            summary.failed += states[State.FAILED]
            summary.unavailable += states[State.UNAVAILABLE]
        now = self.clock.now()
        for window in await self.manifest.close_windows(settled_before(now, self.plan.lookback_days), now):
            self.reporter.event("window_closed", window=str(window))

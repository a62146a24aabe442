"""A run: the listing keeps transfers fed, transfers go by deadline, and the end says what became of everything."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import TaskGroup

from archiver.budget import Budget
from archiver.calls.lister import CallLister
from archiver.calls.log import CallLog
from archiver.clock import Clock
from archiver.deadline_queue import DeadlineQueue
from archiver.errors import ArchiverError, ExitCode
from archiver.job import Job
from archiver.keeping import UNCLEAR
from archiver.lister import Lister
from archiver.manifest.interface import Change, Manifest
from archiver.model import Grade, Window
from archiver.outcomes import Clash, FetchAgain, JudgeLater, NeedsLink, Outcome, Retry, Settled, Waiting
from archiver.periods.registrar import Author, Registrar
from archiver.periods.scratch_file import ScratchFile
from archiver.pipeline import Pipeline
from archiver.refresher import Refresher
from archiver.reporting import Reporter
from archiver.rules.concurrency import Concurrency
from archiver.rules.lifecycle import Event, State
from archiver.rules.retry import TRANSFER, TryAgain
from archiver.rules.summary import SIGNALS, Summary
from archiver.sightings import Sightings
from archiver.slots import Slots
from archiver.source.interface import Source
from archiver.store.interface import Store

if TYPE_CHECKING:
    from archiver.copying import Copier


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is asked to do."""

    run_id: str
    windows: Sequence[Window]
    first_in_flight: int
    """Recordings."""
    most_in_flight: int
    steady: bool
    """True: as many as at first, whatever happens."""
    attempts_per_recording: int
    lookback_days: int
    timezone: str
    """In which the source's times are read."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    summary: Summary
    fatal: ArchiverError | None
    exit_code: ExitCode


@dataclass(slots=True)
class Run:
    """One run, from its first window to its summary. Use once."""

    plan: Plan
    summary: Summary
    """To be filled in; a new one."""
    source: Source
    store: Store
    manifest: Manifest
    pipeline: Pipeline
    clock: Clock
    reporter: Reporter
    budget: Budget
    scratch: ScratchFile
    """For the evidence of listings, and what statements refer to."""
    call_log: CallLog | None = None
    """None: call logs are not archived."""
    copier: Copier | None = None
    """None: there is no second destination."""
    fatal: ArchiverError | None = None
    """What ended the run early for all recordings: credentials, destination, manifest."""
    _slots: Slots = field(init=False)
    _queue: DeadlineQueue = field(init=False)
    _lister: Lister = field(init=False)
    _refresher: Refresher = field(init=False)
    _background: TaskGroup = field(init=False)
    _moving: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _listing: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _copying: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _left: set[str] = field(default_factory=set)
    _done: int = 0

    def __post_init__(self) -> None:
        self._slots = Slots(
            self.clock, Concurrency(self.plan.first_in_flight, self.plan.most_in_flight, self.plan.steady)
        )
        self._queue = DeadlineQueue(self.clock, self.plan.first_in_flight)
        self._refresher = Refresher(self.source, self._queue, self._leave)
        calls = None
        if self.call_log is not None:
            calls = CallLister(self.source, self.call_log, self.manifest, self.clock, self.reporter, self.summary)
        self._lister = Lister(
            source=self.source,
            store=self.store,
            manifest=self.manifest,
            custody=self.pipeline.custody,
            queue=self._queue,
            clock=self.clock,
            reporter=self.reporter,
            summary=self.summary,
            lookback_days=self.plan.lookback_days,
            calls=calls,
            shared_paths=self.pipeline.shared_paths,
            scratch=self.scratch,
            together=not self.budget.limited,
        )

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
                    movers.start_soon(self._guarded, self._list)
                    movers.start_soon(self._work, movers)
            await self._guarded(self._conclude)
            with self._copying:  # statements of closed days as well
                await self._guarded(self._copy)
            self._background.cancel_scope.cancel()
        self.summary.seconds = self.clock.monotonic() - started
        return self.summary

    async def _conclude(self) -> None:
        await self._take_stock()
        await self.account()
        await self._close_periods()

    def stop(self, reason: str) -> None:
        """Take no more work; what is in flight may finish. ``reason`` as in ``Summary.stopped``."""
        if not self.summary.stopped or reason in SIGNALS:
            self.summary.stopped = reason
        self._queue.stop()
        self._listing.cancel()
        self._copying.cancel()

    def drop(self) -> None:
        """Drop what is in flight: it is safe at any point."""
        self._moving.cancel()

    async def _copy(self) -> None:
        """Last, so that it holds up nothing: whatever the second destination lacks."""
        if self.copier is not None and (self.fatal is None or self.fatal.exit_code is ExitCode.CREDENTIALS):
            await self.copier.perform()

    async def _take_stock(self) -> None:
        tolerance = self.pipeline.tolerance
        stock = Sightings(self.source, self.manifest, self.clock, self.reporter, self.summary, tolerance)
        await stock.take_stock(self._lister.agreed)

    async def account(self) -> None:
        """Count what became of everything this run has listed."""
        summary = self.summary
        summary.links_refreshed = self._refresher.refreshed
        summary.left = len(self._left)
        summary.in_flight = self._slots.most
        summary.concurrency = self._slots.limit.level
        summary.concurrency_highest = self._slots.limit.highest
        summary.pushed_back = self._slots.limit.pushed_back
        counts = await self.manifest.counts(self.plan.run_id)
        states = {state: counts.states.get(state, 0) for state in State}
        summary.archived = counts.mine
        summary.already_archived = states[State.ARCHIVED] - counts.mine + states[State.EXPIRED]
        summary.expired = states[State.EXPIRED]
        summary.quarantined = states[State.QUARANTINED]
        summary.skipped = states[State.SKIPPED]
        summary.pending = states[State.DISCOVERED] + states[State.STORED]
        summary.failed = states[State.FAILED]
        summary.unavailable = states[State.UNAVAILABLE]

    async def _close_periods(self) -> None:
        """Not after a signal: the scheduler waits, and the next run closes what this one would have."""
        if self.summary.stopped in SIGNALS or self.fatal is not None:
            return
        custody = self.pipeline.custody
        author = Author(self.plan.run_id, custody.software, custody.source, self.plan.timezone)
        registrar = Registrar(self.store, self.manifest, self.clock, self.reporter, self.summary, self.scratch, author)
        await registrar.close(self._lister.closable)

    async def _guarded(self, task: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await task()
        except ArchiverError as error:
            self._end_early(error)

    def _end_early(self, error: ArchiverError) -> None:
        self.fatal = self.fatal or error
        self.summary.ended_early = self.fatal.exit_code
        self._queue.stop()
        self._listing.cancel()

    async def _watch_the_time(self) -> None:
        if self.budget.seconds is not None:
            await anyio.sleep(self.budget.seconds)
            self.stop("budget")

    async def _list(self) -> None:
        with self._listing:
            await self._lister.list(self.plan.windows)
        self._queue.no_more()

    async def _work(self, movers: TaskGroup) -> None:
        """Give each free slot the most urgent recording there is at that moment."""
        while (job := await self._next_job()) is not None:
            if self._admits(job):
                self._slots.take()
                movers.start_soon(self._guarded, partial(self._turns, job))

    def _admits(self, job: Job) -> bool:
        if self.budget.admits(job.entry.recording_id):
            return True
        self.summary.stopped = self.summary.stopped or "budget"
        self._listing.cancel()  # what was started goes on, its retries too; nothing new comes in
        self._queue.done(job)
        return False

    async def _next_job(self) -> Job | None:
        await self._slots.free()
        with self.pipeline.custody.trace.span("wait"):
            return await self._queue.take()

    async def _turns(self, job: Job | None) -> None:
        """One slot, for as long as there is a next recording at once: a task for each costs as much as its reports."""
        try:
            while job is not None:
                await self._turn(job)
                job = self._next_at_once()
        finally:
            self._slots.give_back()

    def _next_at_once(self) -> Job | None:
        job = self._queue.take_at_once() if self._slots.may_be_kept else None
        if job is None or not self._admits(job):
            return None
        self._slots.keep()
        return job

    async def _turn(self, job: Job) -> None:
        with self._slots.turn() as held:
            begun = self.clock.monotonic()
            outcome = await self._archive(job)
            job.seconds += self.clock.monotonic() - begun
            self.summary.bytes += job.received
            self.budget.moved(job.received)
            held.size, job.received = job.received, 0
            held.settled = isinstance(outcome, Settled)
            held.pushed_back = isinstance(outcome, Settled | Retry) and outcome.pushed_back
            await self._act(job, outcome)
        self._queue.takers = self._slots.limit.limit
        if held.slowed_down:
            self.reporter.event("slowed_down", in_flight=self._slots.limit.limit)

    async def _archive(self, job: Job) -> Outcome:
        try:
            with self.pipeline.custody.trace.span(
                "recording", recording_id=job.entry.recording_id, window=str(job.intake.window)
            ):
                return await self.pipeline.archive(job)
        except ArchiverError:
            raise
        except Exception as error:
            # A bug met by one recording must not cost the others their links: told, counted, exit code 1.
            self.summary.bugs += 1
            self._tell("bug", job, error=error)
            return Retry("bug", f"unexpected {type(error).__name__}", hopeless_now=True, own=False)

    async def _act(self, job: Job, outcome: Outcome) -> None:
        match outcome:
            case Settled():
                self._settle(job, outcome)
            case Retry():
                await self._retry(job, outcome)
            case NeedsLink(reason):
                self._tell("link_stale", job, reason=reason)
                self._refresher.want(job)
            case FetchAgain(reasons):
                words = "; ".join(str(reason) for reason in reasons)
                self._tell("fetch_again", job, reason=words)
                self._queue.put_back(job)
            case JudgeLater():
                self._lister.defer(job)
            case Waiting(reason):
                await self._leave(job, reason)
            case Clash(key):
                self.summary.conflicts += 1
                self._tell("conflict", job, key=key)
                await self._leave(job, f"the bucket holds other bytes under {key}")

    def _settle(self, job: Job, settled: Settled) -> None:
        entry = settled.entry
        self.summary.suspect += entry.grade == Grade.SUSPECT and not settled.adopted
        self.summary.retention_unclear += any(reason.code == UNCLEAR for reason in settled.reasons)
        self._tell(
            "adopted" if settled.adopted else entry.state.value,
            job,
            day=entry.day.isoformat(),
            grade=entry.grade,
            reason=entry.reason,
            reasons=[reason.code for reason in settled.reasons],
            bytes=entry.audio.size if entry.audio else 0,
            seconds=round(job.seconds, 3),
        )
        self._finish(job)

    async def _retry(self, job: Job, failed: Retry) -> None:
        """Use an attempt; then back off and try again within this run, or leave it to the next, or give up."""
        recording_id = job.entry.recording_id
        job.failures += 1
        spent = await self.manifest.note_attempt(
            recording_id, self.clock.now(), self.plan.run_id, failed.stage, failed.reason, counts=failed.own
        )
        self._tell("attempt_failed", job, stage=failed.stage, reason=failed.reason)
        if failed.own and spent >= self.plan.attempts_per_recording:
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
        self._left.add(job.entry.recording_id)
        await self.manifest.note_waiting(job.entry.recording_id, reason)
        self._tell("left_open", job, reason=reason)
        self._finish(job)

    def _tell(self, kind: str, job: Job, **fields: object) -> None:
        self.reporter.event(kind, recording_id=job.entry.recording_id, window=str(job.intake.window), **fields)

    def _finish(self, job: Job) -> None:
        self._done += 1
        self._queue.done(job)
        self._progress()

    def _progress(self) -> None:
        self.reporter.progress(listed=self._lister.queued, settled=self._done, size=self.summary.bytes)

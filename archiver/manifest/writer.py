"""The one thread that talks to the database, and how many tasks share its commits.

A task hands over a piece of work and awaits it; the thread runs it in a transaction and answers after the commit.
What queues up while a commit is under way shares the next transaction (group commit), so that the cost of committing
is spread over as many tasks as are waiting. Where there are many, a transaction waits a moment for more of them.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from enum import Enum
from queue import Empty, SimpleQueue
from time import sleep
from typing import Any, NamedTuple, TypeVar

from archiver.errors import ManifestUnusable
from archiver.manifest.database import Database

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

MOST_PER_TRANSACTION = 256
COMPANY = 0.004
"""Seconds that a transaction waits for more to share it, while they come several at a time: one alone never waits."""


class Kind(Enum):
    """What a piece of work needs."""

    READ = "read"  # a transaction, shared or not
    WRITE = "write"  # a transaction that may write, shared or not
    ALONE = "alone"  # the bare connection, outside any transaction


class _Job(NamedTuple):
    work: Work[Any]
    kind: Kind
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]


class _Outcome(NamedTuple):
    job: _Job
    value: Any = None
    error: BaseException | None = None


class Writer:
    """Runs pieces of work one transaction at a time.

    A piece of work must touch nothing but its connection: when one of a shared transaction fails, the transaction is
    rolled back and each is run again in one of its own, so that the failing one fails alone. A task that is cancelled
    while it waits leaves nothing torn: its work is done as a whole, or not at all if it had not begun.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        self._shared_by = 1
        # A daemon, so that a program that forgot to close still ends: everything awaited is committed anyway.
        self._thread = threading.Thread(target=self._serve, name="manifest", daemon=True)
        self._opened: _Job | None = None

    async def start(self) -> None:
        """Open the database; raises what that raises."""
        opened = self._job(_nothing, Kind.ALONE)
        self._opened = opened
        self._thread.start()
        await opened.answer

    async def do(self, work: Work[T], kind: Kind) -> T:
        """Run ``work`` in the thread; its value, after the commit. ManifestUnusable, or what ``work`` raised."""
        if self._closed:
            raise ManifestUnusable("the manifest is closed", "this is a bug: please report it")
        job = self._job(work, kind)
        self._queue.put(job)
        value: T = await job.answer
        return value

    def stop(self) -> None:
        """Do what is queued, then end the thread; returns at once."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)

    def join(self) -> None:
        """Wait for the thread's end."""
        if self._thread.ident is not None:
            self._thread.join()

    @staticmethod
    def _job(work: Work[Any], kind: Kind) -> _Job:
        loop = asyncio.get_running_loop()
        return _Job(work, kind, loop, loop.create_future())

    def _serve(self) -> None:
        opened, self._opened = self._opened, None
        assert opened is not None
        try:
            self._database.open()
        except BaseException as error:
            self._closed = True
            _answer([_Outcome(opened, error=error)])
            return
        try:
            _answer([_Outcome(opened)])
            del opened
            self._work_off()
        finally:
            self._database.close()

    def _work_off(self) -> None:
        over = False
        while not over:
            jobs, over = self._next_jobs()
            shared: list[_Job] = []
            for job in jobs:
                if job.kind is not Kind.ALONE:
                    shared.append(job)
                    continue
                _answer(self._transact(shared))
                shared = []
                _answer([self._alone(job)])
            _answer(self._transact(shared))

    def _next_jobs(self) -> tuple[list[_Job], bool]:
        """Wait for one, take what else is there; and whether that was the last."""
        jobs: list[_Job] = []
        item = self._queue.get()
        if self._shared_by > 1:
            sleep(COMPANY)
        while item is not None:
            if not item.answer.cancelled():
                jobs.append(item)
            if len(jobs) >= MOST_PER_TRANSACTION:
                break
            try:
                item = self._queue.get_nowait()
            except Empty:
                break
        self._shared_by = len(jobs)
        return jobs, item is None

    def _transact(self, jobs: Sequence[_Job]) -> list[_Outcome]:
        """Run ``jobs`` in one transaction; if one of them fails, each in its own."""
        if not jobs:
            return []
        values = []
        try:
            connection = self._database.begin(writes=any(job.kind is Kind.WRITE for job in jobs))
            for job in jobs:
                try:
                    values.append(job.work(connection))
                except Exception as error:
                    self._database.roll_back()
                    if len(jobs) > 1:
                        return [outcome for each in jobs for outcome in self._transact([each])]
                    return [_Outcome(job, error=self._readable(error))]
            self._database.commit()
        except Exception as error:  # begin, commit or rollback: no fault of a job
            self._database.abandon()
            return [_Outcome(job, error=self._readable(error)) for job in jobs]
        return [_Outcome(job, value) for job, value in zip(jobs, values, strict=True)]

    def _alone(self, job: _Job) -> _Outcome:
        try:
            return _Outcome(job, job.work(self._database.connection))
        except Exception as error:
            self._database.abandon()
            return _Outcome(job, error=self._readable(error))

    def _readable(self, error: Exception) -> Exception:
        """An error as the port promises it. The database's own goes: its text may hold values."""
        return self._database.explain(error) if isinstance(error, sqlite3.Error) else error


def _nothing(connection: sqlite3.Connection) -> None:
    return None


def _answer(outcomes: Sequence[_Outcome]) -> None:
    """Wake the waiting tasks, with one call per event loop."""
    for loop in {id(outcome.job.loop): outcome.job.loop for outcome in outcomes}.values():
        mine = [outcome for outcome in outcomes if outcome.job.loop is loop]
        try:
            loop.call_soon_threadsafe(_deliver, mine)
        except RuntimeError:  # the loop is closed: nobody waits any more
            continue


def _deliver(outcomes: Sequence[_Outcome]) -> None:
    for outcome in outcomes:
        if outcome.job.answer.done():
            continue  # the task was cancelled meanwhile
        if outcome.error is not None:
            outcome.job.answer.set_exception(outcome.error)
        else:
            outcome.job.answer.set_result(outcome.value)

"""Recordings waiting for a transfer, the one whose link dies first in front; and how far listing may run ahead."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

import anyio

from archiver.clock import Clock
from archiver.job import Job
from archiver.model import Recording

SHARE_OF_LIFE = 0.1
"""No link should wait for more than this share of its life before its transfer starts."""
MOST_AHEAD = 1000
"""Recordings that may wait, whatever the pace: some 4 KB each, and seconds of work for the fastest installation."""
SAMPLES = 64
"""Finished recordings over which the current pace is measured."""


@dataclass(order=True, slots=True)
class _Place:
    order: tuple[datetime, datetime]
    number: int
    job: Job = field(compare=False)


class DeadlineQueue:
    """For many takers on one event loop. A job that was put stays outstanding until it is ``done``."""

    def __init__(self, clock: Clock, takers: int) -> None:
        self._clock = clock
        self.takers = takers
        """How many are at work at once."""
        self._heap: list[_Place] = []
        self._queued: dict[str, _Place] = {}
        self._numbers = count()
        self._outstanding: set[str] = set()
        self._no_more = False
        self._stopped = False
        self._idle: list[anyio.Event] = []
        """Takers that wait."""
        self._held_up: list[tuple[float | None, anyio.Event]] = []
        """Listers that wait, each with the life of its links."""
        self._finished: deque[float] = deque(maxlen=SAMPLES)

    def __len__(self) -> int:
        return len(self._queued)

    def __contains__(self, recording_id: str) -> bool:
        """True for a job put and not done: queued, being worked on, waiting for a link or for its next attempt."""
        return recording_id in self._outstanding

    def put(self, job: Job) -> None:
        """Take in a job for the first time. ValueError if its recording is here already."""
        if job.entry.recording_id in self._outstanding:
            raise ValueError(f"recording {job.entry.recording_id} is queued twice")
        self._outstanding.add(job.entry.recording_id)
        self.put_back(job)

    def put_back(self, job: Job) -> None:
        """Queue a job again that was taken and is not done."""
        place = _Place(job.order, next(self._numbers), job)
        self._queued[job.entry.recording_id] = place
        heapq.heappush(self._heap, place)
        self._call_takers()

    def renew(self, recording: Recording) -> bool:
        """Give a queued recording its newly listed link; False if it is not queued, or there is none to its audio."""
        place = self._queued.get(recording.id)
        if place is None or recording.link is None or not place.job.take_link(recording.link):
            return False
        self.put_back(place.job)  # its old place is skipped when it comes up
        return True

    def done(self, job: Job) -> None:
        """Nothing more will be done for this job in this run."""
        self._outstanding.discard(job.entry.recording_id)
        self._finished.append(self._clock.monotonic())
        self._let_listers_in()
        if self._no_more and not self._outstanding:
            self._call_takers()

    async def take(self) -> Job | None:
        """The job with the earliest deadline, waiting for one; None when there will be none, or after ``stop``."""
        while not self._stopped:
            if (job := self.take_at_once()) is not None:
                return job
            if self._no_more and not self._outstanding:
                return None
            called = anyio.Event()
            self._idle.append(called)
            try:
                await called.wait()
            finally:
                self._idle.remove(called)
        return None

    def take_at_once(self) -> Job | None:
        """The job with the earliest deadline; None when there is none now, or after ``stop``."""
        while self._heap and not self._stopped:
            place = heapq.heappop(self._heap)
            if self._queued.get(place.job.entry.recording_id) is place:
                del self._queued[place.job.entry.recording_id]
                self._let_listers_in()
                return place.job
        return None

    async def room(self, life: float | None) -> None:
        """Wait until links of this ``life`` (seconds; None: unknown), listed now, will be taken early in it.

        How many that is follows from the pace of the transfers, up to ``MOST_AHEAD``; two per taker are always let in.
        """
        while not self._has_room(life):
            held_up = (life, anyio.Event())
            self._held_up.append(held_up)
            try:
                await held_up[1].wait()
            finally:
                self._held_up.remove(held_up)

    def no_more(self) -> None:
        """The listing is over: takers end once everything outstanding is done."""
        self._no_more = True
        self._call_takers()

    def stop(self) -> None:
        """Takers and listers end now; what is queued stays undone."""
        self._stopped = True
        self._call_takers()
        self._let_listers_in()

    def _ahead(self, life: float | None) -> float:
        least = 2 * self.takers
        if life is None or len(self._finished) < 2:
            return least
        span = self._clock.monotonic() - self._finished[0]
        pace = len(self._finished) / max(span, 0.001)
        return max(least, min(MOST_AHEAD, pace * life * SHARE_OF_LIFE))

    def _has_room(self, life: float | None) -> bool:
        return self._stopped or len(self._queued) <= self._ahead(life)

    def _call_takers(self) -> None:
        for called in self._idle:
            called.set()

    def _let_listers_in(self) -> None:
        """Asked here, twice a recording, and not by each lister: to wake a task costs ten times as much."""
        for life, called in self._held_up:
            if self._has_room(life):
                called.set()

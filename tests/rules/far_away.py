"""A world in little for a limit to find its level in: latency, a link, an origin with so many places, our CPU."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from archiver.rules.concurrency import Concurrency
from archiver.rules.throughput import Turn

AT_ONCE = 0.001
"""Seconds: what ends so close together leaves its places empty until all of it has been seen to."""


def usual_mix(rng: random.Random) -> int:
    """Half a megabyte on average, as the real ones vary."""
    return int(rng.lognormvariate(12.7, 0.9))


@dataclass
class Flight:
    """A recording on its way."""

    begun: float
    size: int
    refused: bool = False
    steps: int = 0


@dataclass
class FarAway:
    """Origin and store behind ``latency``; every recording is fetched, looked at by our CPU, and put twice."""

    latency: float
    """Seconds of each of three exchanges, at least."""
    jitter: float = 0.3
    """Share of it that comes on top, at random."""
    cpu: float = 0.003
    """Seconds of one core for each recording, one after the other."""
    bandwidth: float = 1e9
    """Bytes a second of the one link that all share."""
    answer: float = 0.0
    """Seconds that the origin works on an answer, on ``served`` at once."""
    served: int = 1
    refuses_over: int | None = None
    """With so many in flight, each further one is told to slow down."""
    thrash: float = 0.0
    """Share by which each recording in flight makes the CPU's work longer."""
    listed: float = 1e6
    """Recordings a second that the source names."""
    size: Callable[[random.Random], int] = usual_mix
    seed: int = 1
    now: float = 0.0
    done: int = 0
    refused: int = 0
    trail: list[tuple[float, int]] = field(default_factory=list)
    """The limit, at the end of every turn."""

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._cpu_free = self._link_free = 0.0
        self._servers = [0.0] * self.served
        self._due: list[tuple[float, int, Flight]] = []
        self._number = self._flying = 0
        self._named = 0.0
        self._full_at = -1.0

    def run(self, limit: Concurrency, seconds: float) -> float:
        """Go on for so long, with work without end; recordings a second over the later half."""
        until, half, before = self.now + seconds, self.now + seconds / 2, 0
        while self.now < until:
            at_once = bool(self._due) and self._due[0][0] <= self.now + AT_ONCE
            while not at_once and self._flying < limit.limit and self._named <= self.now * self.listed:
                self._named += 1
                self._start()
                if self._flying >= limit.limit:
                    self._full_at = self.now
            if not self._due:
                self.now = self._named / self.listed
                continue
            self.now, _, flight = heapq.heappop(self._due)
            at = self._next(flight)
            if at is not None:
                self._later(at, flight)
                continue
            bound = self._full_at >= flight.begun or self._flying >= limit.limit
            settled = not flight.refused
            limit.ended(Turn(flight.begun, self.now, self._flying, bound, flight.size, settled, flight.refused))
            self._flying -= 1
            self.refused += flight.refused
            self.done += not flight.refused
            before += self.now <= half and not flight.refused
            self.trail.append((self.now, limit.limit))
        return (self.done - before) / (until - half) if before else self.done / seconds

    def usual(self) -> int:
        """The median limit over the later half of all that was run."""
        later = sorted(limit for at, limit in self.trail if at >= self.now / 2)
        return later[len(later) // 2]

    def _start(self) -> None:
        flight = Flight(self.now, self.size(self._rng))
        flight.refused = self.refuses_over is not None and self._flying >= self.refuses_over
        self._flying += 1
        self._later(self.now + self._trip(), flight)

    def _next(self, flight: Flight) -> float | None:
        """When the step that begins now will be over; None after the last one."""
        flight.steps += 1
        if flight.refused or flight.steps == 5:
            return None
        if flight.steps == 1:
            self._servers.sort()
            self._servers[0] = max(self._servers[0], self.now) + self.answer
            return self._servers[0]
        if flight.steps == 2:
            self._link_free = max(self._link_free, self.now) + flight.size / self.bandwidth
            return self._link_free
        if flight.steps == 3:
            self._cpu_free = max(self._cpu_free, self.now) + self.cpu * (1 + self.thrash * self._flying)
            return self._cpu_free
        return self.now + self._trip() + self._trip()

    def _trip(self) -> float:
        return self.latency * self._rng.uniform(1.0, 1.0 + self.jitter)

    def _later(self, at: float, flight: Flight) -> None:
        self._number += 1
        heapq.heappush(self._due, (at, self._number, flight))

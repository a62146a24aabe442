"""The slots of a run, one for each recording in flight: as many as its limit says at the moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio

from archiver.clock import Clock
from archiver.rules.concurrency import Concurrency
from archiver.rules.throughput import Turn


@dataclass(slots=True)
class Held:
    """A slot, while it is held, and what came of it."""

    size: int = 0
    """Bytes of audio that were moved."""
    settled: bool = False
    pushed_back: bool = False
    slowed_down: bool = False
    """Afterwards: True if the limit fell because this one was pushed back."""


@dataclass(slots=True)
class Slots:
    """On one event loop."""

    clock: Clock
    limit: Concurrency
    taken: int = 0
    most: int = 0
    """That were ever taken at once."""
    _full_at: float = float("-inf")
    """When the limit was last seen reached."""
    _given_back: anyio.Event = field(default_factory=anyio.Event)

    async def free(self) -> None:
        """Wait until there is a free one."""
        while self.taken >= self.limit.limit:
            await self._given_back.wait()

    def take(self) -> None:
        """Take one that is free."""
        self.taken += 1
        self.most = max(self.most, self.taken)
        if self.taken >= self.limit.limit:
            self._full_at = self.clock.monotonic()

    @contextmanager
    def held(self) -> Iterator[Held]:
        """For one that was taken; given back at the end, with what was noted on it meanwhile."""
        held, begun = Held(), self.clock.monotonic()
        try:
            yield held
        finally:
            now, before = self.clock.monotonic(), self.limit.limit
            bound = self._full_at >= begun or self.taken >= before
            turn = Turn(begun, now, self.taken, bound, held.size, held.settled, held.pushed_back)
            held.slowed_down = self.limit.ended(turn) < before and held.pushed_back
            self.taken -= 1
            self._given_back.set()
            self._given_back = anyio.Event()

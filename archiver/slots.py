"""The slots of a run, one for each recording in flight: as many as its limit says at the moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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
    """On one event loop, with one task that gives them out."""

    clock: Clock
    limit: Concurrency
    taken: int = 0
    most: int = 0
    """That were ever taken at once."""
    _full_at: float = float("-inf")
    """When the limit was last seen reached."""
    _wanted: anyio.Event | None = None
    """Of the task that waits for one."""

    async def free(self) -> None:
        """Wait until there is a free one."""
        while self.taken >= self.limit.limit:
            self._wanted = anyio.Event()
            await self._wanted.wait()

    def take(self) -> None:
        """Take one that is free."""
        self.taken += 1
        self.most = max(self.most, self.taken)
        self.keep()

    @property
    def may_be_kept(self) -> bool:
        """False where the limit has fallen below what is taken."""
        return self.taken <= self.limit.limit

    def keep(self) -> None:
        """Go on with one that is taken, as if it were taken anew."""
        if self.taken >= self.limit.limit:
            self._full_at = self.clock.monotonic()

    @contextmanager
    def turn(self) -> Iterator[Held]:
        """In one that is taken; at the end it counts, with what was noted on it meanwhile."""
        held, begun = Held(), self.clock.monotonic()
        try:
            yield held
        finally:
            now, before = self.clock.monotonic(), self.limit.limit
            bound = self._full_at >= begun or self.taken >= before
            turn = Turn(begun, now, self.taken, bound, held.size, held.settled, held.pushed_back)
            held.slowed_down = self.limit.ended(turn) < before and held.pushed_back
            self._call()

    def give_back(self) -> None:
        """One that was taken is free again."""
        self.taken -= 1
        self._call()

    def _call(self) -> None:
        if self._wanted is not None and self.taken < self.limit.limit:
            self._wanted.set()

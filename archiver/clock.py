"""The one place that asks the machine what time it is."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

FIRST_YEAR, LAST_YEAR = 2000, 2999
"""Of a ``Date`` that is believed."""


class Clock(Protocol):
    """Time as a dependency, so that tests can set it."""

    def now(self) -> datetime:
        """Wall-clock time, aware, in UTC. May jump."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment. Never jumps."""


class SystemClock:
    """The machine's own."""

    def now(self) -> datetime:
        """Wall-clock time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds, monotonic."""
        return time.monotonic()


class ServerClock:
    """A server's time: its last ``Date`` header, carried on by our monotonic clock.

    Links are signed and refused by servers, so their deadlines are held against this, never against our wall clock,
    which may be wrong or jump. Until a server has spoken it falls back on ours.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said: tuple[datetime, float] | None = None

    def observe(self, server_time: datetime) -> None:
        """Take note of a ``Date`` header that has just arrived; one that no clock can show is passed over."""
        if not FIRST_YEAR <= server_time.year <= LAST_YEAR:
            return
        self._said = (server_time, self._clock.monotonic())

    def now(self) -> datetime:
        """The server's time now, aware, in UTC."""
        if self._said is None:
            return self._clock.now()
        server_time, heard_at = self._said
        return server_time + timedelta(seconds=self._clock.monotonic() - heard_at)

    @property
    def skew(self) -> float | None:
        """Seconds by which the server is ahead of our wall clock; None until it has spoken."""
        return None if self._said is None else (self.now() - self._clock.now()).total_seconds()

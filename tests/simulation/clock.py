"""A clock that is set: the real one, moved by an offset."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class SetClock:
    """``archiver.clock.Clock``: seconds pass as they do, on a day that is set."""

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        self.offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def monotonic(self) -> float:
        return time.monotonic()


def offset_to(moment: datetime) -> timedelta:
    """What to set clocks to, so that it is ``moment`` now."""
    return moment - datetime.now(UTC)

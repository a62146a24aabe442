"""Where a run spends its time: seconds per kind of step, and the slowest recordings, for ``archiver run --profile``.

Steps lie within one another, and what is told of each is its own time, without that of the steps within it. Many
recordings are in flight at once, so that the seconds of all of them add up to more than the run took.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

SLOWEST = 10
"""Recordings told."""
ORDER = ("list", "wait", "fetch", "verify", "put", "seal", "manifest", "recording", "window", "run")
"""As a recording meets them; the last three are what is left of the whole when its parts are taken off."""


@dataclass(slots=True)
class _Spent:
    count: int = 0
    seconds: float = 0.0
    longest: float = 0.0


@dataclass(slots=True)
class _Step:
    within: float = 0.0
    """Seconds of the steps within it."""


@dataclass(slots=True)
class Profile:
    """Implements ``reporting.Trace``, in tasks and in their threads."""

    _spent: dict[str, _Spent] = field(default_factory=dict)
    _slowest: list[tuple[float, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _around: ContextVar[_Step | None] = field(default_factory=lambda: ContextVar("step", default=None))

    @contextmanager
    def span(self, name: str, /, **attributes: str) -> Iterator[None]:
        """Measure a step."""
        outer, step = self._around.get(), _Step()
        token = self._around.set(step)
        begun = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - begun
            self._around.reset(token)
            with self._lock:
                if outer is not None:
                    outer.within += seconds
                self._note(name, seconds - step.within, seconds, attributes.get("recording_id"))

    def _note(self, name: str, own: float, whole: float, recording_id: str | None) -> None:
        spent = self._spent.setdefault(name, _Spent())
        spent.count += 1
        spent.seconds += max(0.0, own)
        spent.longest = max(spent.longest, own)
        if recording_id is not None:
            heapq.heappush(self._slowest, (whole, recording_id))
            if len(self._slowest) > SLOWEST:
                heapq.heappop(self._slowest)

    def to_json(self) -> dict[str, Any]:
        """``steps``: by name, count, seconds, mean and longest in ms; ``slowest``: recordings, the slowest first."""
        named = [name for name in ORDER if name in self._spent]
        steps = {
            name: {
                "count": spent.count,
                "seconds": round(spent.seconds, 3),
                "mean_ms": round(1000 * spent.seconds / spent.count, 2),
                "longest_ms": round(1000 * spent.longest, 1),
            }
            for name in (*named, *sorted(self._spent.keys() - set(ORDER)))
            for spent in (self._spent[name],)
        }
        slowest = [
            {"recording_id": recording_id, "seconds": round(seconds, 3)}
            for seconds, recording_id in sorted(self._slowest, reverse=True)
        ]
        return {"steps": steps, "slowest": slowest}

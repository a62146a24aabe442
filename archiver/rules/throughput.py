"""What gets done per second, measured over windows of time at one limit on concurrency, and comparable between them.

Time is a parameter: monotonic seconds, of whoever asks.
"""

from __future__ import annotations

from dataclasses import dataclass

WORTH = 0.2
"""More in flight must pay: a factor ``f`` in flight is worth having for a factor ``f ** WORTH`` in throughput."""
BOUND = 0.8
"""Share of a window's turns that must have met the limit: else something else was what bound, the listing as a rule."""
LEAST_TURNS = 8


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a recording that has ended, however."""

    begun: float
    ended: float
    """Monotonic seconds."""
    in_flight: int
    """Recordings, when it ended, this one included."""
    bound: bool = True
    """True if the limit was reached while it was in flight; several may end at once before others take their places."""
    size: int = 0
    """Bytes of audio that it moved."""
    settled: bool = True
    """False if it came to nothing: it took time, and was no work done."""
    pushed_back: bool = False
    """True if origin or store asked to be spared (429, 503)."""


@dataclass(frozen=True, slots=True)
class Work:
    """What was done in some time, more than none."""

    recordings: int
    size: int
    seconds: float

    def __add__(self, other: Work) -> Work:
        return Work(self.recordings + other.recordings, self.size + other.size, self.seconds + other.seconds)

    def gain_over(self, other: Work) -> float:
        """Its throughput as a multiple of the other's, whatever sizes came up in either.

        A recording counts half for being one and half for its bytes, against the mean of both: small ones alone would
        look slow by their bytes, large ones by their number.
        """
        both = self + other
        mean = both.size / both.recordings if both.size else 1.0
        ours, theirs = ((each.recordings + each.size / mean) / each.seconds for each in (self, other))
        return ours / theirs if theirs else float("inf")


@dataclass(slots=True)
class Window:
    """What has ended since the first recording that began at a limit has ended: what came before tells of another."""

    opened: float
    """When the limit was set, or the window before it ended."""
    since: float | None = None
    """When counting began."""
    turns: int = 0
    bound: int = 0
    busy: float = 0.0
    recordings: int = 0
    size: int = 0

    def take(self, turn: Turn) -> None:
        """Count a turn that has ended."""
        if self.since is None:
            if turn.begun >= self.opened:
                self.since = turn.ended
            return
        self.turns += 1
        self.bound += turn.bound
        self.busy += turn.ended - turn.begun
        if turn.settled:
            self.recordings += 1
            self.size += turn.size

    def is_over(self, now: float, seconds: float) -> bool:
        """True after so many seconds at least, and after as long as a recording takes: every slot has had its turn."""
        if self.since is None or self.turns < LEAST_TURNS:
            return False
        return now - self.since >= max(seconds, self.busy / self.turns)

    @property
    def tells(self) -> bool:
        """True if it was the limit that bound, so that what was done says something of it."""
        return self.bound >= BOUND * self.turns and self.recordings > 0

    def work(self, now: float) -> Work:
        """What was done."""
        return Work(self.recordings, self.size, now - (now if self.since is None else self.since))


def pays(more: Work, less: Work, factor: float) -> bool:
    """True if ``factor`` times as many in flight were worth it."""
    worth: float = factor**WORTH
    return more.gain_over(less) >= worth

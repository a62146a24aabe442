"""How many recordings to have in flight, found by trying: more for as long as more gets more done.

What decides is throughput, compared between windows at different limits. Latency would not do: it grows with what we
put into queues ourselves, and limiters that take its minimum for the truth (TCP Vegas, Netflix's Gradient) would take
that of the smallest recording. The beginning is TCP's slow start, what follows is hill climbing with probes; whoever
asks us to slow down is obeyed at once and by half, as in AIMD.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from archiver.rules.throughput import Turn, Window, Work, pays

START = 32
"""In flight at first. Fewer save nothing worth having: throughput never argues for less, only push back does."""
CEILING = 256
BUFFERS = 512 << 10
"""Bytes that a recording in flight needs beside its audio: those of two connections and a thread."""
CLIMB, PROBE, RECOVER = 2.0, 1.5, 1.25
"""Factors: of a step of the climb, of a probe up or down, and of growth after a push back."""
NEAR = 0.75
"""How far to grow again, of what was too much; from there on by probes."""
QUICK, SURE = 0.3, 1.0
"""Seconds that a window lasts at least: while climbing or recovering; when it is about a probe."""
LONGEST_REST = 32
"""Windows between two probes, at most; doubled by each that has changed nothing."""


def most(memory: int) -> int:
    """The ceiling where so many bytes are there for all that is in flight: a quarter of them at most for buffers."""
    return min(CEILING, max(START, memory // (4 * BUFFERS)))


class Phase(Enum):
    """What the present window is for."""

    CLIMBING = "climbing"
    """Is this limit better than the one before?"""
    RECOVERING = "recovering"
    """Does this limit go without another push back?"""
    RESTING = "resting"
    """At a limit that seems right."""
    PROBING = "probing"
    """At another limit, for one window."""
    COMPARING = "comparing"
    """Back again: the probe is compared with what was before and after it, since the world may have changed."""


@dataclass(slots=True)
class Concurrency:
    """The limit, given every turn that ends."""

    start: int = START
    ceiling: int = CEILING
    steady: bool = False
    """True: it stays at ``start``, whatever happens."""
    limit: int = field(init=False)
    """Recordings that may be in flight now: from 1 to ``ceiling``."""
    highest: int = field(init=False)
    """The highest that it was."""
    pushed_back: int = 0
    """Turns in which origin or store asked to be spared."""
    phase: Phase = Phase.CLIMBING
    _window: Window = field(default_factory=lambda: Window(float("-inf")))
    _base: int = 0
    _done: Work | None = None
    """What was done at the limit ``_base``, with which another one is compared."""
    _tried: int = 0
    _probed: Work | None = None
    """What was done at the limit ``_tried``."""
    _up: bool = True
    """The way of the next probe, where both are open."""
    _doubted: bool = False
    _rest: int = 1
    _left: int = 1
    """Windows to rest, at first and still."""
    _gave_way: float = float("-inf")
    _too_much: int = 0

    def __post_init__(self) -> None:
        self.limit = self.highest = self.start = min(self.start, self.ceiling)

    @property
    def level(self) -> int:
        """The limit that a probe, if there is one, departs from."""
        return self._base if self.phase in (Phase.PROBING, Phase.COMPARING) else self.limit

    def ended(self, turn: Turn) -> int:
        """The limit after this turn."""
        self.pushed_back += turn.pushed_back
        if self.steady:
            return self.limit
        if turn.pushed_back and turn.begun > self._gave_way:
            self._give_way(turn)
            return self.limit
        self._window.take(turn)
        quick = self.phase in (Phase.CLIMBING, Phase.RECOVERING)
        if self._window.is_over(turn.ended, QUICK if quick else SURE):
            self._judge(turn.ended)
        return self.limit

    def _give_way(self, turn: Turn) -> None:
        """Once for all that were in flight together: what began before the limit fell says nothing of the new one."""
        self._gave_way = turn.ended
        self._too_much = min(self.limit, turn.in_flight)
        self.phase = Phase.RECOVERING
        self._rest = min(LONGEST_REST, 2 * self._rest)
        self._go(self._too_much // 2, turn.ended)

    def _judge(self, now: float) -> None:
        window = self._window
        work = window.work(now)
        match self.phase:
            case Phase.RECOVERING:
                self._recover(now)
            case Phase.PROBING | Phase.COMPARING if not window.tells:
                self._go(self._base, now)
                self._settle_down(1)
            case _ if not window.tells:
                pass
            case Phase.CLIMBING:
                self._climb(work, now)
            case Phase.RESTING:
                self._left -= 1
                if self._left <= 0:
                    self._probe(work, now)
            case Phase.PROBING:
                self._probed = work
                self.phase = Phase.COMPARING
                self._go(self._base, now)
            case Phase.COMPARING:
                self._compare(work, now)
        if self._window is window:
            self._window = Window(now, now)

    def _climb(self, work: Work, now: float) -> None:
        if self._done is None or pays(work, self._done, self.limit / self._base):
            self._step_up(self.limit, work, now)
        elif not self._doubted:
            self._doubted = True  # once more: connections were still being made, or somebody else had the machine
        else:
            self._go(self._base, now)
            self._settle_down(1)

    def _step_up(self, base: int, work: Work, now: float) -> None:
        """Go on climbing from ``base``, at which ``work`` was done."""
        if base == self.ceiling:
            self._go(base, now)
            self._settle_down(1)
            return
        self.phase = Phase.CLIMBING
        self._base, self._done, self._doubted = base, work, False
        self._go(round(CLIMB * base), now)

    def _recover(self, now: float) -> None:
        aim = int(NEAR * self._too_much)
        if self.limit < aim:
            self._go(min(aim, max(self.limit + 1, int(RECOVER * self.limit))), now)
        else:
            self._up = True
            self._settle_down(self._rest)

    def _probe(self, work: Work, now: float) -> None:
        if self.limit == self.start == self.ceiling:
            return
        self.phase = Phase.PROBING
        self._base, self._done = self.limit, work
        up = self.limit < self.ceiling and (self._up or self.limit <= self.start)
        above = min(self.ceiling, max(self.limit + 1, round(PROBE * self.limit)))
        self._tried = above if up else max(self.start, round(self.limit / PROBE))
        self._go(self._tried, now)

    def _compare(self, work: Work, now: float) -> None:
        assert self._done is not None
        assert self._probed is not None
        base = self._done + work
        up = self._tried > self._base
        if up and pays(self._probed, base, self._tried / self._base):
            self._step_up(self._tried, self._probed, now)
        elif not up and not pays(base, self._probed, self._base / self._tried):
            self._go(self._tried, now)
            self._settle_down(1)
        else:
            self._up = not up
            self._settle_down(min(LONGEST_REST, 2 * self._rest))

    def _settle_down(self, windows: int) -> None:
        self.phase = Phase.RESTING
        self._done = self._probed = None
        self._rest = self._left = windows

    def _go(self, limit: int, now: float) -> None:
        self.limit = max(1, min(limit, self.ceiling))
        self.highest = max(self.highest, self.limit)
        self._window = Window(now)

"""How the two reports relate: the moment of a call that ``created_at`` is, the clocks' offset, how lengths differ.

Learnt from pairs that a key joins; without keys, from the lag at which most recordings find a call of their parties.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from archiver.rules.evidence import CallFacts, RecordingFacts

ENOUGH = 8
"""Pairs from which anything is learnt."""
PLENTY = 40
"""Pairs from which bounds may be narrow."""
FARTHEST = 15 * 3600.0
"""Seconds that the clocks of the reports may be apart: a wrong time zone, and an hour."""
LEAST_SCALE = 0.7
"""Seconds: times are written in whole ones."""
ZONE_STEP = 1800.0
"""Seconds: zones differ by whole hours, a few by half ones."""
ZONE_SLACK = 90.0
"""Seconds that clocks may be apart besides."""
PEAK = 6.0
"""Width in seconds of the window of lags that is looked for."""
NEAR_PEAK = 120.0
CROWDED = 20.0
"""Seconds about the peak that are looked at, where many calls of the same parties are about."""
ALIKE = 5.0
BLOCK_LIMIT = 150
"""Calls, and recordings, of one pair of parties that are looked at when there is no key."""


class Anchor(StrEnum):
    """The moment of a call that ``created_at`` stands beside."""

    START = "start_at"
    ANSWERED = "end_at - duration"
    END = "end_at"

    def of(self, call: CallFacts) -> float:
        """That moment of a call."""
        return _MOMENTS[self](call)


_MOMENTS: dict[Anchor, Callable[[CallFacts], float]] = {
    Anchor.START: lambda call: call.start,
    Anchor.ANSWERED: lambda call: call.answered_at,
    Anchor.END: lambda call: call.end,
}


@dataclass(frozen=True, slots=True)
class Spread:
    """Where a quantity lies, in seconds: its middle, the mean deviation from it, and bounds of what is believed."""

    middle: float
    scale: float
    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def deviation(self, value: float) -> float:
        """Distance from the middle in units of the scale: the Laplacian's log-likelihood, as a cost."""
        return abs(value - self.middle) / self.scale


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was learnt. ``anchors`` has one member, unless nothing could be learnt: then any moment will do."""

    anchors: tuple[Anchor, ...]
    lag: Spread
    """``created_at`` minus the anchor."""
    delta: Spread
    """The recording's duration minus the call's."""
    pairs: int
    """From how many pairs."""
    by_key: bool

    def lag_of(self, call: CallFacts, recording_at: float) -> float:
        """Seconds from the nearest anchor to a recording's time."""
        lags = [recording_at - anchor.of(call) for anchor in self.anchors]
        return min(lags, key=lambda lag: abs(lag - self.lag.middle))

    @property
    def zone_offset(self) -> float:
        """Seconds that look like a wrong time zone of one report; 0 where the clocks are merely apart, if at all."""
        nearest = round(self.lag.middle / ZONE_STEP) * ZONE_STEP
        return nearest if self.pairs and abs(self.lag.middle - nearest) <= ZONE_SLACK else 0.0

    @property
    def ends(self) -> bool:
        """True if ``created_at`` is the end of a recording."""
        return self.anchors == (Anchor.END,)


BLIND = Calibration(tuple(Anchor), Spread(0.0, 3.0, -60.0, 60.0), Spread(0.0, 2.0, -5.0, 5.0), 0, by_key=False)
"""Where there is nothing to learn from."""

Pair = tuple[CallFacts, RecordingFacts]


def learn(pairs: Sequence[Pair], *, by_key: bool = True) -> Calibration | None:
    """From pairs known to belong together; None if they are too few. A call with several recordings teaches nothing."""
    count = Counter(call.id for call, _ in pairs)
    single = [(call, recording) for call, recording in pairs if count[call.id] == 1]
    if len(single) < ENOUGH:
        return None
    lags = {anchor: sorted(rec.at - anchor.of(call) for call, rec in single) for anchor in Anchor}
    anchor = min(Anchor, key=lambda each: _width(lags[each]))  # the first of equals
    deltas = sorted(
        rec.seconds - call.seconds for call, rec in single if rec.seconds is not None and call.seconds is not None
    )
    lag = _spread(lags[anchor], floor=10.0 if len(single) >= PLENTY else 30.0)
    delta = _spread(deltas, floor=3.0 if len(deltas) >= PLENTY else 5.0) if len(deltas) >= ENOUGH else BLIND.delta
    return Calibration((anchor,), lag, _trimmed(delta), len(single), by_key)


def learn_without_keys(calls: Sequence[CallFacts], recordings: Sequence[RecordingFacts]) -> Calibration | None:
    """From the lag that is most frequent among calls and recordings of the same two parties."""
    combinations = _combinations(calls, recordings)
    best: tuple[int, Anchor, float] | None = None
    for anchor in Anchor:
        lags = sorted(lag for call, rec in combinations if abs(lag := rec.at - anchor.of(call)) <= FARTHEST)
        count, middle = _peak(lags)
        if best is None or count > best[0]:
            best = count, anchor, middle
    if best is None or best[0] < ENOUGH:
        return None
    _, anchor, middle = best
    near = [pair for pair in combinations if abs(pair[1].at - anchor.of(pair[0]) - middle) <= NEAR_PEAK]
    alone = _alone(near)
    if len(alone) < PLENTY:  # a crowd: few pairs have no rival within minutes, and those few are not the typical ones
        alone = _alone(
            [pair for pair in near if abs(pair[1].at - anchor.of(pair[0]) - middle) <= CROWDED and _alike(pair)]
        )
    return learn(alone, by_key=False)


def _alone(pairs: Sequence[Pair]) -> list[Pair]:
    """Those whose call and recording stand in no other one."""
    seen_calls, seen_recordings = Counter(call.id for call, _ in pairs), Counter(rec.id for _, rec in pairs)
    return [(call, rec) for call, rec in pairs if seen_calls[call.id] == 1 and seen_recordings[rec.id] == 1]


def _alike(pair: Pair) -> bool:
    """True if both are of about the same length."""
    call, recording = pair
    both = call.seconds is not None and recording.seconds is not None
    return both and abs((recording.seconds or 0) - (call.seconds or 0)) <= ALIKE


def _combinations(calls: Sequence[CallFacts], recordings: Sequence[RecordingFacts]) -> list[Pair]:
    """Calls and recordings of the same two parties, both named; those of zero length have none."""
    blocks: defaultdict[frozenset[str], tuple[list[CallFacts], list[RecordingFacts]]] = defaultdict(lambda: ([], []))
    for call in calls:
        if call.seconds != 0 and (names := _names(call)):
            blocks[names][0].append(call)
    for recording in recordings:
        if names := _names(recording):
            blocks[names][1].append(recording)
    return [
        (call, recording)
        for some_calls, some_recordings in blocks.values()
        for call in some_calls[:BLOCK_LIMIT]
        for recording in some_recordings[:BLOCK_LIMIT]
    ]


def _names(side: CallFacts | RecordingFacts) -> frozenset[str] | None:
    names = [party.key for party in side.parties[:2] if party is not None]
    return frozenset(names) if len(names) == 2 else None


def _peak(lags: Sequence[float]) -> tuple[int, float]:
    """How many lags the fullest window of width PEAK holds, and its median."""
    best, where = 0, 0
    for index, lag in enumerate(lags):
        count = bisect_right(lags, lag + PEAK, index) - index
        if count > best:
            best, where = count, index
    return best, lags[where + best // 2] if best else 0.0


def _spread(values: Sequence[float], floor: float) -> Spread:
    """Of sorted values. Bounds hold all but 1 %, and at least ``floor`` around the middle."""
    middle = quantile(values, 0.5)
    inner = [abs(value - middle) for value in values[bisect_left(values, quantile(values, 0.02)) :]]
    inner = sorted(inner)[: max(1, int(len(inner) * 0.96))]
    scale = max(LEAST_SCALE, sum(inner) / len(inner))
    low = min(quantile(values, 0.005) - 2.0, middle - 8 * scale, middle - floor)
    high = max(quantile(values, 0.995) + 2.0, middle + 8 * scale, middle + floor)
    return Spread(middle, scale, low, high)


def _trimmed(delta: Spread) -> Spread:
    """Bounds of lengths stay close: a pair that was cut, among those learnt from, must not excuse others."""
    room = max(3.0, 6 * delta.scale)
    return Spread(delta.middle, delta.scale, max(delta.low, delta.middle - room), min(delta.high, delta.middle + room))


def _width(values: Sequence[float]) -> float:
    return quantile(values, 0.9) - quantile(values, 0.1)


def quantile(values: Sequence[float], share: float) -> float:
    """Of sorted values, by the nearest rank."""
    return values[min(len(values) - 1, int(share * len(values)))]

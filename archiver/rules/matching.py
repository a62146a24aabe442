"""Which call a recording without a key belongs to: candidates, what each costs, and the assignment that is accepted.

Costs are negative log-likelihoods: of the lag and of the length, as Laplace distributions of the calibration, cut off
so that one odd value does not forbid a pair, and of the parties. Within each block of calls and recordings that can
reach each other the optimal assignment is taken (SciPy's). A pair of it is accepted if each is the other's best, and
the best assignment without the pair is MARGIN worse, unless so many calls of the same parties are about that one of
them may fit by chance (``Crowd``); what is not accepted is ambiguous, and nothing is guessed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import log

from archiver.rules.calibration import Anchor, Calibration
from archiver.rules.evidence import CallFacts, RecordingFacts
from archiver.rules.parties import Party, agreement

MARGIN = 6.9
"""The next best explanation is a thousand times less likely."""
CAP = 12.0
"""What an odd lag, or an odd length, costs at most."""
UNKNOWN = 3.0
"""What a length that nobody reports costs."""
TOO_FAR = 16.0
"""A pair that costs more is none: lag and length must not both be odd."""
STRAY = 0.05
"""Share of recordings that have no call of their own, or only a part of one: more than is met."""
LENGTHS = 0.01
"""Share of calls that end within a second of any length: of an hour's worth of lengths the short ones are crowded."""
CHANCE = 2.3
"""The pair is ten times likelier than a stray beside which a call of the same parties happens to lie."""
NEIGHBOURHOOD = 1800.0
"""Seconds on both sides in which calls of the same parties are counted."""
UNMATCHED = 40.0
IMPOSSIBLE = 1e6
LARGEST_BLOCK = 1_500
"""Calls or recordings: a larger block is not solved but ambiguous."""
SOLVED_AGAIN = 40
"""Up to this size the margin is that of the whole assignment; above, that of the pair against its own rivals."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What one call may have: a recording, or the recordings of a transferred call, in the order of time."""

    recordings: tuple[RecordingFacts, ...]
    at: float
    seconds: float | None
    slack: float = 0.0
    """Seconds by which ``seconds`` may be wrong."""

    @classmethod
    def of(cls, recording: RecordingFacts) -> Unit:
        """A recording by itself."""
        return cls((recording,), recording.at, recording.seconds)


@dataclass(frozen=True, slots=True)
class Match:
    """An accepted pair."""

    call: CallFacts
    unit: Unit
    cost: float
    margin: float


@dataclass(slots=True)
class Matching:
    """What became of everything that was to be matched. ``ambiguous``: call id → its candidates with their costs."""

    matches: list[Match] = field(default_factory=list)
    ambiguous: dict[str, list[tuple[Unit, float]]] = field(default_factory=dict)
    rest: list[RecordingFacts] = field(default_factory=list)
    """Recordings for which there is no call."""


Costs = dict[int, dict[int, float]]
"""Unit → call → cost, by index."""


def cost_of(call: CallFacts, unit: Unit, calibration: Calibration) -> float | None:
    """What it costs to take the pair for one; None if it cannot be one."""
    lag = calibration.lag_of(call, unit.at)
    if lag not in calibration.lag:
        return None
    parties = [agreement(call.parties, recording.parties) for recording in unit.recordings]
    known = [each for each in parties if each is not None]
    if len(known) < len(parties):
        return None
    length = UNKNOWN
    if unit.seconds is not None and call.seconds is not None:
        delta, middle = unit.seconds - call.seconds, calibration.delta.middle
        off = max(0.0, abs(delta - middle) - unit.slack)
        length = min(CAP, calibration.delta.deviation(middle + off))
    total = max(known) + min(CAP, calibration.lag.deviation(lag)) + length
    return total if total <= TOO_FAR else None


class CallIndex:
    """Finds calls by a party and a span of time."""

    def __init__(self, calls: Sequence[CallFacts], anchors: Sequence[Anchor]) -> None:
        self._moments: dict[tuple[Anchor, str | None], list[tuple[float, int]]] = {}
        entries: defaultdict[tuple[Anchor, str | None], list[tuple[float, int]]] = defaultdict(list)
        for index, call in enumerate(calls):
            keys: set[str | None] = {party.key for party in call.parties if party is not None}
            for anchor in anchors:
                for key in keys or {""}:
                    entries[anchor, key].append((anchor.of(call), index))
                entries[anchor, None].append((anchor.of(call), index))
        self._moments = {key: sorted(found) for key, found in entries.items()}
        self._anchors = tuple(anchors)

    def near(self, parties: Sequence[Party | None], low: float, high: float) -> set[int]:
        """Calls of one of the parties (of any, if all are withheld) with an anchor in ``[low, high]``."""
        keys: set[str | None] = {party.key for party in parties if party is not None}
        found: set[int] = set()
        for anchor in self._anchors:
            for key in (keys | {""}) if keys else {None}:
                moments = self._moments.get((anchor, key), [])
                first, last = bisect_left(moments, (low, -1)), bisect_right(moments, (high, len(moments) + 10**9))
                found.update(index for _, index in moments[first:last])
        return found


class Crowd:
    """How many calls of the same parties there are about a recording."""

    def __init__(self, calls: Sequence[CallFacts], calibration: Calibration) -> None:
        self._lag = calibration.lag.middle
        self._cell = 4 * calibration.lag.scale * calibration.delta.scale
        starts: defaultdict[frozenset[str], list[float]] = defaultdict(list)
        for call in calls:
            for pair in combinations(sorted({party.key for party in call.parties if party is not None}), 2):
                starts[frozenset(pair)].append(call.start)
        self._starts = {pair: sorted(found) for pair, found in starts.items()}

    def limit(self, unit: Unit) -> float:
        """What a pair may cost before it is no likelier than chance: the more such calls, the less."""
        keys = frozenset(party.key for party in unit.recordings[0].parties if party is not None)
        starts, at = self._starts.get(keys, []), unit.at - self._lag
        others = bisect_right(starts, at + NEIGHBOURHOOD) - bisect_left(starts, at - NEIGHBOURHOOD) - 1
        if others <= 0:
            return TOO_FAR
        return -log(STRAY * others / (2 * NEIGHBOURHOOD) * LENGTHS * self._cell) - CHANCE


def costs_of(calls: Sequence[CallFacts], units: Sequence[Unit], calibration: Calibration) -> Costs:
    """Every pair that can be one."""
    index, lag = CallIndex(calls, calibration.anchors), calibration.lag
    costs: Costs = {}
    for number, unit in enumerate(units):
        row = {}
        for candidate in index.near(unit.recordings[0].parties, unit.at - lag.high, unit.at - lag.low):
            cost = cost_of(calls[candidate], unit, calibration)
            if cost is not None:
                row[candidate] = cost
        costs[number] = row
    return costs


def match(calls: Sequence[CallFacts], units: Sequence[Unit], calibration: Calibration) -> Matching:
    """Assign units to calls, at most one to each. Calls and units stand in the order of time."""
    costs = costs_of(calls, units, calibration)
    done = Matching()
    crowd = Crowd(calls, calibration)
    for block in _blocks(costs):
        _settle(block, calls, units, done, crowd)
    for number, row in costs.items():
        if not row:
            done.rest.extend(units[number].recordings)
    return done


def _settle(block: Costs, calls: Sequence[CallFacts], units: Sequence[Unit], done: Matching, crowd: Crowd) -> None:
    """Accept what stands out in a block; what of the rest could still be one is ambiguous."""
    found = _accepted(block)
    accepted = {unit: pair for unit, pair in found.items() if block[unit][pair[0]] <= crowd.limit(units[unit])}
    taken = {call for call, _ in accepted.values()}
    for unit, (call, margin) in accepted.items():
        done.matches.append(Match(calls[call], units[unit], block[unit][call], margin))
    for unit, row in block.items():
        if unit in accepted:
            continue
        left = {call: cost for call, cost in row.items() if call not in taken}
        if not left:
            done.rest.extend(units[unit].recordings)
        for call, cost in left.items():
            if cost <= min(left.values()) + MARGIN:
                done.ambiguous.setdefault(calls[call].id, []).append((units[unit], cost))


def _accepted(block: Costs) -> dict[int, tuple[int, float]]:
    """Unit → call and margin, of the pairs that are each other's best and stand out."""
    columns = sorted({call for row in block.values() for call in row})
    if max(len(block), len(columns)) > LARGEST_BLOCK:
        return {}
    best, total = _assignment(block, columns)
    found = {}
    for unit, call in best.items():
        cost = block[unit][call]
        rivals = [other for number, other in block[unit].items() if number != call]
        rivals += [row[call] for number, row in block.items() if number != unit and call in row]
        if rivals and min(rivals) <= cost:
            continue
        if not rivals:
            margin = UNMATCHED - cost
        elif len(block) <= SOLVED_AGAIN:
            without = {**block, unit: {number: each for number, each in block[unit].items() if number != call}}
            margin = _assignment(without, columns)[1] - total
        else:
            margin = min(rivals) - cost
        if margin >= MARGIN:
            found[unit] = call, margin
    return found


def _assignment(block: Costs, columns: Sequence[int]) -> tuple[dict[int, int], float]:
    """The cheapest assignment and what it costs, where a unit without a call costs UNMATCHED."""
    if len(block) == 1:
        ((unit, row),) = block.items()
        if not row:
            return {}, UNMATCHED
        call = min(row, key=lambda each: (row[each], each))
        return {unit: call}, row[call]
    from scipy.optimize import linear_sum_assignment

    rows = sorted(block)
    matrix = [
        [block[unit].get(call, IMPOSSIBLE) for call in columns]
        + [UNMATCHED if unit == other else IMPOSSIBLE for other in rows]
        for unit in rows
    ]
    chosen = {
        rows[row]: (columns[column] if column < len(columns) else None, float(matrix[row][column]))
        for row, column in zip(*(each.tolist() for each in linear_sum_assignment(matrix)), strict=True)
    }
    return (
        {unit: call for unit, (call, _) in chosen.items() if call is not None},
        sum(cost for _, cost in chosen.values()),
    )


def _blocks(costs: Mapping[int, Mapping[int, float]]) -> Iterator[Costs]:
    """The connected parts of the graph of candidates, in the order of their first unit."""
    by_call: defaultdict[int, list[int]] = defaultdict(list)
    for unit, row in costs.items():
        for call in row:
            by_call[call].append(unit)
    seen: set[int] = set()
    for first, row in costs.items():
        if first in seen or not row:
            continue
        block, waiting = [], [first]
        seen.add(first)
        while waiting:
            unit = waiting.pop()
            block.append(unit)
            for call in costs[unit]:
                for other in by_call.pop(call, ()):
                    if other not in seen:
                        seen.add(other)
                        waiting.append(other)
        yield {unit: dict(costs[unit]) for unit in sorted(block)}

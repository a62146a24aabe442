"""Several recordings for one call: the parts of a call that was transferred or held, one beginning as another ends."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from archiver.rules.calibration import LEAST_SCALE, Anchor, Calibration
from archiver.rules.evidence import CallFacts, RecordingFacts
from archiver.rules.matching import TOO_FAR, Costs, Matching, Unit
from archiver.rules.parties import agreement

GAP = 15.0
"""Seconds between two parts, for which a transfer may hold a call."""
OVERLAP = 3.0
EDGE = 6.0
"""Seconds by which the first part may begin, and the last one end, beside the call."""
FIT = 6.0
"""A recording that costs a call no more than this is no part of another's (see ``matching``)."""
MOST_PARTS = 8
MOST_CHAINS = 2
"""As soon as there is more than one way to cover a call, it does not matter how many there are."""
Span = tuple[float, float, RecordingFacts]


def slack_of(calibration: Calibration) -> float:
    """Seconds by which the moments of recordings may be off, beyond what the bounds above allow for."""
    return 4 * max(0.0, calibration.lag.scale - LEAST_SCALE)


def span_of_call(call: CallFacts, calibration: Calibration) -> tuple[float, float]:
    """Begin and end of what was said, where the call's length tells it."""
    seconds = call.end - call.start if call.seconds is None else call.seconds
    if calibration.anchors == (Anchor.START,):
        return call.start, call.start + seconds
    return call.end - seconds, call.end


def span_of(recording: RecordingFacts, calibration: Calibration) -> tuple[float, float]:
    """Begin and end of a recording on the calls' clock."""
    moment, seconds = recording.at - calibration.lag.middle, recording.seconds or 0.0
    return (moment - seconds, moment) if calibration.ends else (moment, moment + seconds)


def units_of(
    calls: Sequence[CallFacts], recordings: Sequence[RecordingFacts], costs: Costs, calibration: Calibration
) -> list[Unit]:
    """The recordings as units, those that together cover a call joined into one.

    ``costs`` are those of the recordings one by one: a recording or call that has a partner that fits well is no
    part of a transfer. Where a call can be covered in two ways, or a recording helps to cover two calls differently,
    nothing is joined.
    """
    fitting = [(number, call) for number, row in costs.items() for call, cost in row.items() if cost <= FIT]
    whole, settled = {number for number, _ in fitting}, {call for _, call in fitting}
    parts = [recording for number, recording in enumerate(recordings) if number not in whole and recording.seconds]
    chains: set[tuple[RecordingFacts, ...]] = set()
    if calibration.pairs:
        by_key = _by_party(parts)
        for number, call in enumerate(calls):
            if number not in settled:
                edge = EDGE + slack_of(calibration)
                found = list(_chains(call, _within(call, by_key, calibration, edge), calibration))
                chains.update(found if len(found) == 1 else [])
    uses = Counter(recording.id for chain in chains for recording in chain)
    joined = [chain for chain in chains if all(uses[recording.id] == 1 for recording in chain)]
    members = {recording.id for chain in joined for recording in chain}
    units = [Unit.of(recording) for recording in recordings if recording.id not in members]
    units += [_unit(chain, calibration) for chain in joined]
    return sorted(units, key=lambda unit: (unit.at, unit.recordings[0].id))


def challenged(
    calls: Sequence[CallFacts], recordings: Sequence[RecordingFacts], matching: Matching, calibration: Calibration
) -> Matching:
    """The matching without the pairs that another explanation speaks against; all concerned are ambiguous then.

    A part of a transferred call may happen to fit some other call whole. Its fellows tell: left over, or a poor fit,
    together with it they would cover a call that has nothing better.
    """
    if not calibration.pairs:
        return matching
    given = {recording.id: found for found in matching.matches for recording in found.unit.recordings}
    firm = {each for each, found in given.items() if len(found.unit.recordings) == 1 and found.cost <= FIT}
    joined = given.keys() - {each for each, found in given.items() if len(found.unit.recordings) == 1}
    timed = [each for each in recordings if each.seconds and each.id not in joined]
    loose_by_key, all_by_key = _by_party([each for each in timed if each.id not in firm]), _by_party(timed)
    taken = {found.call.id for found in matching.matches if len(found.unit.recordings) > 1 or found.cost <= FIT}
    edge = EDGE + slack_of(calibration)
    doubted: set[str] = set()
    for call in calls:
        if call.id in taken or not call.seconds or not _within(call, loose_by_key, calibration, edge):
            continue
        for chain in _chains(call, _within(call, all_by_key, calibration, edge), calibration):
            members = {recording.id for recording in chain}
            if not members & firm or members <= firm:
                continue
            for found in [given[each] for each in members if each in given]:
                doubted.add(found.call.id)
                matching.ambiguous[found.call.id] = [(found.unit, found.cost)]
            matching.ambiguous.setdefault(call.id, []).append((_unit(chain, calibration), TOO_FAR))
    matching.matches = [found for found in matching.matches if found.call.id not in doubted]
    candidates = {rec.id for listed in matching.ambiguous.values() for unit, _ in listed for rec in unit.recordings}
    matching.rest = [recording for recording in matching.rest if recording.id not in candidates]
    return matching


def containing(
    calls: Sequence[CallFacts], recordings: Sequence[RecordingFacts], calibration: Calibration
) -> dict[str, CallFacts]:
    """The one call during which each recording was made, by recording id; none where there are several."""
    if not calibration.pairs:
        return {}
    by_key = _by_party([recording for recording in recordings if recording.seconds])
    found: defaultdict[str, list[CallFacts]] = defaultdict(list)
    for call in calls:
        for _, _, recording in _within(call, by_key, calibration, EDGE + slack_of(calibration)):
            found[recording.id].append(call)
    return {recording_id: holding[0] for recording_id, holding in found.items() if len(holding) == 1}


def _by_party(recordings: Sequence[RecordingFacts]) -> dict[str, list[RecordingFacts]]:
    by_key: defaultdict[str, list[RecordingFacts]] = defaultdict(list)
    for recording in recordings:
        for key in {party.key for party in recording.parties if party is not None}:
            by_key[key].append(recording)
    return by_key


def _within(
    call: CallFacts, by_key: dict[str, list[RecordingFacts]], calibration: Calibration, edge: float
) -> list[Span]:
    """Recordings of the call's parties that were made during it, in the order of time."""
    begin, end = span_of_call(call, calibration)
    found = {}
    for key in {party.key for party in call.parties if party is not None}:
        for recording in by_key.get(key, ()):
            first, last = span_of(recording, calibration)
            inside = begin - edge <= first and last <= end + edge
            if inside and agreement(call.parties, recording.parties) is not None:
                found[recording.id] = (first, last, recording)
    return sorted(found.values(), key=lambda span: (span[0], span[1], span[2].id))


def _chains(call: CallFacts, spans: list[Span], calibration: Calibration) -> Iterator[tuple[RecordingFacts, ...]]:
    """Up to MOST_CHAINS ways to cover the call from its begin to its end."""
    begin, end = span_of_call(call, calibration)
    slack = slack_of(calibration)
    waiting: list[list[Span]] = [[span] for span in spans if abs(span[0] - begin) <= EDGE + slack]
    found = steps = 0
    while waiting and found < MOST_CHAINS and steps < 200:
        steps += 1
        chain = waiting.pop()
        reached = chain[-1][1]
        if len(chain) > 1 and abs(reached - end) <= EDGE + slack:
            found += 1
            yield tuple(span[2] for span in chain)
        elif len(chain) < MOST_PARTS:
            following = [
                span
                for span in spans
                if span[0] > chain[-1][0] and span[1] > reached and -OVERLAP - slack <= span[0] - reached <= GAP + slack
            ]
            waiting += [[*chain, span] for span in following]


def _unit(chain: tuple[RecordingFacts, ...], calibration: Calibration) -> Unit:
    """A chain as one recording: from the first one's begin to the last one's end."""
    at = chain[-1].at if calibration.ends else chain[0].at
    seconds = span_of(chain[-1], calibration)[1] - span_of(chain[0], calibration)[0]
    spoken = sum(recording.seconds or 0.0 for recording in chain)
    slack = slack_of(calibration)
    if slack:
        seconds = min(max(seconds, spoken), spoken + GAP * (len(chain) - 1))
    return Unit(chain, at, seconds, slack)

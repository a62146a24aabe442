"""Calls against recordings: which call has which recording, which has none and should, which recording has no call.

By key where there is one, else inferred (``matching``). What cannot be decided is ambiguous and never complete.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from zlib import crc32

from archiver.errors import ExitCode
from archiver.model import Call
from archiver.rules.calibration import BLIND, Calibration, learn, learn_without_keys
from archiver.rules.evidence import (
    EVERY_ANSWERED_CALL,
    CallFacts,
    Known,
    Policy,
    RecordingFacts,
    facts_of,
    keyed,
)
from archiver.rules.lifecycle import State
from archiver.rules.matching import TOO_FAR, Matching, Unit, costs_of, match
from archiver.rules.parties import NumberReader, agreement
from archiver.rules.transfers import challenged, containing, units_of

HELD_OUT_LEAST = 20
"""Keyed pairs from which precision and recall of inference are told."""


class Status(StrEnum):
    """What became of a call, or of a recording without one."""

    MATCHED_KEY = "matched-key"
    MATCHED_INFERRED = "matched-inferred"
    DURATION_MISMATCH = "duration-mismatch"  # it has its recording, and that is of another length
    AMBIGUOUS = "ambiguous"  # several explanations, none of which stands out
    MISSING = "missing"  # it should have a recording and has none
    UNEXPECTED = "unexpected"  # a recording without a call
    NOT_EXPECTED = "not-expected"  # no recording is due: unanswered, zero duration, policy
    SOURCE_GONE = "source-gone"  # its recording was listed, and its audio is gone at the source
    PENDING = "pending"  # its recording is not archived yet, or may still be listed


NEEDS_A_PERSON = (Status.MISSING, Status.SOURCE_GONE, Status.DURATION_MISMATCH)
INCOMPLETE = (Status.AMBIGUOUS, Status.PENDING)
_UNSETTLED = {
    State.UNAVAILABLE: (Status.SOURCE_GONE, "the audio is gone at the source"),
    State.DISCOVERED: (Status.PENDING, "not archived yet"),
    State.STORED: (Status.PENDING, "not sealed yet"),
    State.FAILED: (Status.PENDING, "failed: attempts spent"),
    State.QUARANTINED: (Status.PENDING, "quarantined"),
    State.SKIPPED: (Status.NOT_EXPECTED, "policy: the recording was skipped"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One call with what belongs to it, or one recording without a call."""

    status: Status
    day: date
    """UTC day of the call's start, or of the recording where there is no call."""
    call_id: str | None
    recording_ids: tuple[str, ...] = ()
    reason: str = ""
    lag: float | None = None
    """Seconds from the call's anchor to the recording's created_at."""
    delta: float | None = None
    """Seconds: the recordings' duration minus the call's."""
    margin: float | None = None
    """Of an inferred pair: by how much the next best explanation is less likely (natural logarithm)."""
    candidates: tuple[tuple[tuple[str, ...], float], ...] = ()
    """Of an ambiguous call: the recordings of each candidate and its cost, best first."""
    numbers: tuple[str, str] = field(default=("", ""), repr=False)
    """Phone numbers, from and to, as reported: for what the user asks to have written, never for a log."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How inference does on pairs whose key it was not shown: how many there are, are claimed, rightly."""

    pairs: int
    claimed: int
    right: int

    @property
    def precision(self) -> float | None:
        """Share of the claimed ones that is right; None where none was claimed."""
        return self.right / self.claimed if self.claimed else None

    @property
    def recall(self) -> float | None:
        """Share of all that was found; None where there are none."""
        return self.right / self.pairs if self.pairs else None

    def __add__(self, other: HeldOut) -> HeldOut:
        return HeldOut(self.pairs + other.pairs, self.claimed + other.claimed, self.right + other.right)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Every call once, and every recording once, but for candidates of ambiguous calls; of one day, if so asked."""

    findings: tuple[Finding, ...]
    calibration: Calibration
    held_out: HeldOut | None
    """None where there are fewer than HELD_OUT_LEAST keyed pairs."""

    def counts(self) -> dict[Status, int]:
        """Findings by status, all statuses named."""
        found = Counter(finding.status for finding in self.findings)
        return {status: found[status] for status in Status}

    @property
    def exit_code(self) -> ExitCode:
        """4 if a call lacks what it should have, 3 if that is not known, 0 otherwise."""
        return exit_code(self.counts())


def exit_code(counts: Mapping[Status, int]) -> ExitCode:
    """The one that follows from findings by status."""
    if any(counts.get(status) for status in NEEDS_A_PERSON):
        return ExitCode.NEEDS_A_PERSON
    if any(counts.get(status) for status in INCOMPLETE):
        return ExitCode.INCOMPLETE
    return ExitCode.COMPLETE


@dataclass(slots=True)
class _Pairing:
    """Recordings of each call, and how they came to it."""

    parts: dict[str, list[RecordingFacts]] = field(default_factory=dict)
    by_key: set[str] = field(default_factory=set)
    margins: dict[str, float] = field(default_factory=dict)
    ambiguous: dict[str, list[tuple[Unit, float]]] = field(default_factory=dict)
    rest: list[RecordingFacts] = field(default_factory=list)


def reconcile(
    calls: Iterable[Call],
    recordings: Iterable[Known],
    *,
    settled: datetime,
    policy: Policy = EVERY_ANSWERED_CALL,
    day: date | None = None,
) -> Reconciliation:
    """Reconcile, and tell what was found of ``day`` (None: of all). The order of what comes in does not matter.

    A call that ended at ``settled`` or later and has no recording is pending: it may still be listed. Give it the
    days before and after those of interest, too: calls cross midnight, and clocks differ.
    """
    call_facts, recording_facts = facts_of(calls, recordings, NumberReader())
    keys = keyed(call_facts, recording_facts)
    calibration = _calibrate(call_facts, recording_facts, keys)
    pairing = _pair(call_facts, recording_facts, keys, calibration)
    judge = _Judge(calibration, policy, settled.timestamp())
    findings = [judge.call(call, pairing) for call in call_facts]
    candidates = {rec.id for each in pairing.ambiguous.values() for unit, _ in each for rec in unit.recordings}
    findings += [judge.recording(each) for each in pairing.rest if each.id not in candidates]
    if day is not None:
        findings = [finding for finding in findings if finding.day == day]
    return Reconciliation(tuple(findings), calibration, _held_out(call_facts, recording_facts, keys, day))


def _calibrate(
    calls: Sequence[CallFacts], recordings: Sequence[RecordingFacts], keys: Mapping[str, str]
) -> Calibration:
    by_id = {call.id: call for call in calls}
    pairs = [(by_id[keys[recording.id]], recording) for recording in recordings if recording.id in keys]
    return learn(pairs) or learn_without_keys(calls, recordings) or BLIND


def _pair(
    calls: Sequence[CallFacts],
    recordings: Sequence[RecordingFacts],
    keys: Mapping[str, str],
    calibration: Calibration,
) -> _Pairing:
    pairing = _Pairing(by_key=set(keys.values()))
    parts: defaultdict[str, list[RecordingFacts]] = defaultdict(list)
    for recording in recordings:
        if recording.id in keys:
            parts[keys[recording.id]].append(recording)
    free = [call for call in calls if call.id not in parts and call.seconds != 0]
    inferred = infer(free, [each for each in recordings if each.id not in keys], calibration)
    for found in inferred.matches:
        parts[found.call.id] = list(found.unit.recordings)
        pairing.margins[found.call.id] = round(found.margin, 2)
    pairing.ambiguous = inferred.ambiguous
    _place_rest(calls, inferred.rest, parts, pairing, calibration)
    pairing.parts = {call_id: sorted(found, key=lambda each: (each.at, each.id)) for call_id, found in parts.items()}
    return pairing


def _place_rest(
    calls: Sequence[CallFacts],
    rest: Sequence[RecordingFacts],
    parts: defaultdict[str, list[RecordingFacts]],
    pairing: _Pairing,
    calibration: Calibration,
) -> None:
    """Give what is left over to the one call during which it was made, if that lacks something; else it has none.

    To a call that has nothing yet, only parts that are several and name both parties are given: it is ambiguous else.
    """
    lacking = [call for call in calls if call.seconds != 0 and _lacks(call, parts.get(call.id, []), calibration)]
    held = containing(lacking, rest, calibration)
    pieces: defaultdict[str, list[RecordingFacts]] = defaultdict(list)
    for recording in rest:
        holder = held.get(recording.id)
        if holder is None or holder.id in pairing.ambiguous:
            pairing.rest.append(recording)
        else:
            pieces[holder.id].append(recording)
    for call_id, found in pieces.items():
        named = all(agreement(held[each.id].parties, each.parties) == 0 for each in found)
        if named and (call_id in parts or len(found) > 1):
            parts[call_id].extend(found)
        elif call_id in parts:
            pairing.rest.extend(found)
        else:
            pairing.ambiguous[call_id] = [(Unit.of(each), TOO_FAR) for each in found]


def infer(calls: Sequence[CallFacts], recordings: Sequence[RecordingFacts], calibration: Calibration) -> Matching:
    """Match without keys. Both in the order of time."""
    alone = [Unit.of(recording) for recording in recordings]
    units = units_of(calls, recordings, costs_of(calls, alone, calibration), calibration)
    return challenged(calls, recordings, match(calls, units, calibration), calibration)


def _lacks(call: CallFacts, parts: Sequence[RecordingFacts], calibration: Calibration) -> bool:
    """True if the recordings that a call has are shorter than it was."""
    delta = _delta(call, parts)
    return not parts or (delta is not None and delta < calibration.delta.low)


def _delta(call: CallFacts, parts: Sequence[RecordingFacts]) -> float | None:
    lengths = [part.seconds for part in parts if part.seconds is not None]
    if call.seconds is None or not lengths or len(lengths) < len(parts):
        return None
    return sum(lengths) - call.seconds


@dataclass(frozen=True, slots=True)
class _Judge:
    """Gives each call, and each recording without one, its status."""

    calibration: Calibration
    policy: Policy
    settled: float

    def call(self, call: CallFacts, pairing: _Pairing) -> Finding:
        parts = pairing.parts.get(call.id, [])
        numbers = _raw(call.row.get("call_from")), _raw(call.row.get("call_to"))
        day = _day(call.start)
        if parts:
            status, reason = self._of_parts(call, parts, by_key=call.id in pairing.by_key)
            anchor_part = parts[-1] if self.calibration.ends else parts[0]
            lag, delta = self.calibration.lag_of(call, anchor_part.at), _delta(call, parts)
            ids = tuple(part.id for part in parts)
            return Finding(status, day, call.id, ids, reason, lag, delta, pairing.margins.get(call.id), numbers=numbers)
        if call.id in pairing.ambiguous:
            found = sorted(pairing.ambiguous[call.id], key=lambda each: (each[1], each[0].recordings[0].id))
            candidates = tuple((tuple(rec.id for rec in unit.recordings), round(cost, 2)) for unit, cost in found)
            one = "1 candidate, which does not stand out"
            reason = one if len(found) == 1 else f"{len(found)} candidates, none of which stands out"
            return Finding(Status.AMBIGUOUS, day, call.id, (), reason, candidates=candidates, numbers=numbers)
        if excuse := self.policy.excuse(call):
            return Finding(Status.NOT_EXPECTED, day, call.id, reason=excuse, numbers=numbers)
        if call.end >= self.settled:
            return Finding(Status.PENDING, day, call.id, reason="may still be listed", numbers=numbers)
        return Finding(Status.MISSING, day, call.id, reason="no recording was listed for it", numbers=numbers)

    def _of_parts(self, call: CallFacts, parts: Sequence[RecordingFacts], *, by_key: bool) -> tuple[Status, str]:
        for state, (status, reason) in _UNSETTLED.items():
            if any(part.state is state for part in parts):
                return status, f"its recording: {reason}"
        delta, bounds = _delta(call, parts), self.calibration.delta
        room = len(parts) - 1  # every part is rounded, and a transfer takes its time
        if delta is not None and not bounds.low - 15 * room <= delta <= bounds.high + 3 * room:
            return Status.DURATION_MISMATCH, f"{'by key' if by_key else 'inferred'}, {delta:+.0f} s"
        return (Status.MATCHED_KEY if by_key else Status.MATCHED_INFERRED), ""

    def recording(self, recording: RecordingFacts) -> Finding:
        return Finding(
            Status.UNEXPECTED, _day(recording.at), None, (recording.id,), "no call of the log can be its call"
        )


def _held_out(
    calls: Sequence[CallFacts], recordings: Sequence[RecordingFacts], keys: Mapping[str, str], day: date | None
) -> HeldOut | None:
    """Infer everything without any key, calibrated on one half of the keyed pairs and judged by the other; twice."""
    if len(keys) < HELD_OUT_LEAST:
        return None
    half = {recording_id: crc32(call_id.encode()) & 1 for recording_id, call_id in keys.items()}
    asked = {each.id for each in recordings if each.id in keys and day in (None, _day(each.at))}
    named = set(keys.values())
    candidates = [call for call in calls if call.seconds != 0 or call.id in named]
    claimed = right = 0
    for fold in (0, 1):
        shown = {recording_id: call_id for recording_id, call_id in keys.items() if half[recording_id] != fold}
        for found in infer(candidates, recordings, _calibrate(calls, recordings, shown)).matches:
            mine = [each.id for each in found.unit.recordings if each.id in asked and half[each.id] == fold]
            claimed += len(mine)
            right += sum(keys[recording_id] == found.call.id for recording_id in mine)
    return HeldOut(len(asked), claimed, right)


def _day(seconds: float) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()


def _raw(value: object) -> str:
    return str(value) if isinstance(value, str | int) else ""

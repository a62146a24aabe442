"""Each status once by itself; what holds whatever comes in; and that nothing is guessed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.errors import ExitCode
from archiver.model import Call
from archiver.rules.calibration import Anchor
from archiver.rules.evidence import Known, Policy
from archiver.rules.lifecycle import State
from archiver.rules.parties import NumberReader, agreement
from archiver.rules.reconcile import Finding, Reconciliation, Status, reconcile

NOON = datetime(2026, 9, 22, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=30)
ALICE, BOB, LINE = "32470111222", "32470333444", "3226543210"


def call(
    name: str, at: int = 0, seconds: int | None = 60, *, ring: int = 0, status: str | None = "ANSWER", **row: Any
) -> Call:
    """``at`` is seconds after noon; ``ring`` passes before it is answered."""
    start = NOON + timedelta(seconds=at)
    row = {"call_from": ALICE, "call_to": LINE, **row}
    length = None if seconds is None else timedelta(seconds=seconds)
    return Call(name, start, start + timedelta(seconds=ring + (seconds or 0)), length, status, row)


def recording(name: str, at: int = 60, seconds: float | None = 60, state: State = State.ARCHIVED, **row: Any) -> Known:
    """``at`` is its created_at, in seconds after noon."""
    row = {"call_from": ALICE, "call_to": LINE, **row}
    return Known(name, NOON + timedelta(seconds=at), seconds, state, row)


def teachers(lag: int = 0, count: int = 12, *, keys: bool = True) -> tuple[list[Call], list[Known]]:
    """Calls of other parties on the hours before, whose recordings stand ``lag`` seconds behind their end."""
    calls, recordings = [], []
    for number in range(count):
        at, seconds, who = -40_000 + number * 1000, 30 + number * 17, f"3247000{number:04d}"
        calls.append(call(f"t{number}", at, seconds, ring=number * 3, call_from=who))
        key = f"t{number}" if keys else None
        end = at + number * 3 + seconds + lag
        recordings.append(recording(f"T{number}", end, seconds, call_from=who, call_id=key))
    return calls, recordings


def told(calls: Sequence[Call], recordings: Sequence[Known], lag: int = 0, **options: Any) -> list[Finding]:
    """Findings beyond those of the teachers, whose lag is known by key."""
    more_calls, more_recordings = teachers(lag)
    options = {"settled": LATER, **options}
    found = reconcile([*more_calls, *calls], [*more_recordings, *recordings], **options)
    return [each for each in found.findings if not (each.call_id or "").startswith("t")]


def statuses(findings: Sequence[Finding]) -> dict[str, Status]:
    return {each.call_id or each.recording_ids[0]: each.status for each in findings}


@pytest.mark.parametrize(
    ("calls", "recordings", "expected"),
    [
        ([call("c")], [recording("r", call_id="c")], {"c": Status.MATCHED_KEY}),
        ([call("c")], [recording("r")], {"c": Status.MATCHED_INFERRED}),
        ([call("c")], [recording("r", seconds=20)], {"c": Status.DURATION_MISMATCH}),
        ([call("c")], [recording("r", seconds=20, call_id="c")], {"c": Status.DURATION_MISMATCH}),
        ([call("c")], [], {"c": Status.MISSING}),
        ([call("c", seconds=None)], [], {"c": Status.MISSING}),
        ([], [recording("r")], {"r": Status.UNEXPECTED}),
        ([call("c")], [recording("r", call_from=BOB)], {"c": Status.MISSING, "r": Status.UNEXPECTED}),
        ([call("c")], [recording("r", at=900)], {"c": Status.MISSING, "r": Status.UNEXPECTED}),
        ([call("c", status="NOANSWER")], [], {"c": Status.NOT_EXPECTED}),
        ([call("c", seconds=0)], [], {"c": Status.NOT_EXPECTED}),
        ([call("c", seconds=0)], [recording("r", at=0)], {"c": Status.NOT_EXPECTED, "r": Status.UNEXPECTED}),
        ([call("c")], [recording("r", state=State.UNAVAILABLE)], {"c": Status.SOURCE_GONE}),
        ([call("c")], [recording("r", state=State.DISCOVERED)], {"c": Status.PENDING}),
        ([call("c")], [recording("r", state=State.QUARANTINED)], {"c": Status.PENDING}),
        ([call("c")], [recording("r", state=State.FAILED, call_id="c")], {"c": Status.PENDING}),
        ([call("c")], [recording("r", state=State.SKIPPED)], {"c": Status.NOT_EXPECTED}),
        ([call("c"), call("d")], [recording("r")], {"c": Status.AMBIGUOUS, "d": Status.AMBIGUOUS}),
    ],
)
def test_each_status(calls: list[Call], recordings: list[Known], expected: dict[str, Status]) -> None:
    assert statuses(told(calls, recordings)) == expected


def test_a_call_that_may_still_be_listed_is_pending_and_policy_excuses() -> None:
    assert statuses(told([call("c")], [], settled=NOON)) == {"c": Status.PENDING}
    only_in = Policy.of(["service=IN"])
    calls = [call("out", service="OUT"), call("in", 500, service="IN")]
    assert statuses(told(calls, [], policy=only_in)) == {"out": Status.NOT_EXPECTED, "in": Status.MISSING}


@pytest.mark.parametrize(
    ("call_audio", "recording_audio", "joined"),
    [
        ("https://s3.example/rc/abc.mp3", "https://s3.example/rc/abc.mp3", True),
        ("https://s3.example/rc/rec-1.mp3", None, True),
        ("rec-1", None, True),
        ("https://s3.example/rc/other.mp3", "https://s3.example/rc/abc.mp3", False),
        (None, None, False),
    ],
)
def test_ids_and_links_inside_the_calls_audio_are_keys(
    call_audio: str | None, recording_audio: str | None, joined: bool
) -> None:
    calls = [call("c", audio=call_audio)]
    (first, *_) = told(calls, [recording("rec-1", at=3000, audio=recording_audio)])
    assert (first.status is Status.MATCHED_KEY) is joined


def test_a_link_that_the_source_gives_to_recordings_of_others_is_no_key() -> None:
    link = "https://s3.example/rc/190624/c-9180682876012-11061911.mp3"
    found = told([call("c", audio=link)], [recording("r", at=3000, call_from=BOB, audio=link)])
    assert statuses(found) == {"c": Status.MISSING, "r": Status.UNEXPECTED}
    two = told([call("c", audio=link), call("d", 9000, audio=link)], [recording("r", at=9060, audio=link)])
    assert statuses(two) == {"c": Status.MISSING, "d": Status.MATCHED_INFERRED}


def test_a_key_beats_a_better_fit() -> None:
    calls = [call("fits"), call("named", at=-25, seconds=80)]
    found = statuses(told(calls, [recording("r", call_id="named")]))
    assert found["fits"] is Status.MISSING
    assert found["named"] is Status.DURATION_MISMATCH


@pytest.mark.parametrize("keys", [True, False])
@pytest.mark.parametrize("lag", [0, -41, 187, 7200, -19800])
def test_the_offset_of_the_clocks_is_learnt(lag: int, keys: bool) -> None:
    calls, recordings = teachers(lag, 20, keys=keys)
    found = reconcile([*calls, call("c")], [*recordings, recording("r", at=60 + lag)], settled=LATER)
    assert found.calibration.anchors == (Anchor.END,)
    assert found.calibration.lag.middle == lag
    assert found.calibration.by_key is keys
    assert statuses(found.findings)["c"] is Status.MATCHED_INFERRED


def test_created_at_may_be_the_begin() -> None:
    calls, _ = teachers(count=20)
    begun = [
        recording(
            f"T{each.id}", int((each.start_at - NOON).total_seconds()) + 2, each.duration.total_seconds(), **each.row
        )
        for each in calls
        if each.duration
    ]
    found = reconcile(calls, begun, settled=LATER)
    assert found.calibration.anchors == (Anchor.START,)
    assert set(statuses(found.findings).values()) == {Status.MATCHED_INFERRED}


def test_the_parts_of_a_transferred_call_belong_to_it() -> None:
    calls = [call("c", seconds=300, bridge=BOB)]
    parts = [
        recording("first", at=100, seconds=100),
        recording("second", at=202, seconds=100, call_to=BOB),
        recording("third", at=300, seconds=97, call_to=BOB),
    ]
    (found,) = told(calls, parts)
    assert found.status is Status.MATCHED_INFERRED
    assert found.recording_ids == ("first", "second", "third")
    (lost, *others) = told(calls, parts[:2])
    assert lost.status is Status.DURATION_MISMATCH
    assert not others


def test_calls_at_the_same_time_are_told_apart_by_length_or_not_at_all() -> None:
    apart = told([call("c", 0, 60), call("d", 3, 90)], [recording("r", 60, 60), recording("s", 93, 90)])
    assert {each.call_id: each.recording_ids for each in apart} == {"c": ("r",), "d": ("s",)}
    alike = told([call("c", 0, 60), call("d", 1, 60)], [recording("r", 60, 60), recording("s", 61, 60)])
    assert statuses(alike) == {"c": Status.AMBIGUOUS, "d": Status.AMBIGUOUS}
    assert {ids for each in alike for ids, _ in each.candidates} == {("r",), ("s",)}


def test_a_withheld_party_may_be_anybody_but_a_named_one_may_not() -> None:
    found = told([call("c", call_from="anonymous")], [recording("r", call_from=None)])
    assert statuses(found) == {"c": Status.MATCHED_INFERRED}
    found = told([call("c"), call("d", call_from=BOB)], [recording("r", call_from="anonymous")])
    assert statuses(found) == {"c": Status.AMBIGUOUS, "d": Status.AMBIGUOUS}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("32470111222", "+32 470 11 12 22", True),
        ("32470111222", "0032470111222", True),
        ("32470111222", "0470/11.12.22", True),
        (32470111222, "32470111222", True),
        ("470111222", "+32470111222", True),
        ("+32470111222", "+33470111222", False),
        ("201", "201", True),
        ("201", "+32470111201", False),
        ("32470111222", "32470111223", False),
    ],
)
def test_numbers_compare_however_they_are_written(one: object, other: object, same: bool) -> None:
    reader = NumberReader()
    reader.learn(["+32470999888", "3226543210"])
    first, second = reader.read(one), reader.read(other)
    assert first is not None
    assert second is not None
    assert first.same(second) is second.same(first) is same
    assert not same or first.key == second.key


@pytest.mark.parametrize("nobody", [None, "", "anonymous", "+", "0", True, 1.5, "Restricted"])
def test_who_is_withheld(nobody: object) -> None:
    assert NumberReader().read(nobody) is None


def test_the_direction_does_not_matter_and_a_stranger_is_refused() -> None:
    alice, bob, line = (NumberReader().read(each) for each in (ALICE, BOB, LINE))
    assert agreement((alice, line), (line, alice)) == 0.0
    assert agreement((alice, line), (alice, bob)) is None
    assert agreement((alice, line, bob), (alice, bob)) == 0.0


def test_held_out_pairs_measure_inference() -> None:
    calls, recordings = teachers(count=60)
    held_out = reconcile(calls, recordings, settled=LATER).held_out
    assert held_out is not None
    assert (held_out.pairs, held_out.precision, held_out.recall) == (60, 1.0, 1.0)
    assert reconcile(*teachers(count=10), settled=LATER).held_out is None


@pytest.mark.parametrize(
    ("recordings", "code"),
    [
        ([recording("r")], ExitCode.COMPLETE),
        ([], ExitCode.NEEDS_A_PERSON),
        ([recording("r", state=State.STORED)], ExitCode.INCOMPLETE),
    ],
)
def test_exit_codes(recordings: list[Known], code: ExitCode) -> None:
    assert reconcile([call("c")], recordings, settled=LATER).exit_code is code


def test_ambiguous_is_never_complete_and_numbers_do_not_show() -> None:
    found = reconcile([call("c"), call("d")], [recording("r"), recording("s")], settled=LATER)
    assert found.exit_code is ExitCode.INCOMPLETE
    assert ALICE not in repr(found)
    assert found.findings[0].numbers == (ALICE, LINE)


def test_only_the_day_asked_for_is_told() -> None:
    calls, recordings = [call("c"), call("d", 86_400)], [recording("r"), recording("x", -86_400, call_from=BOB)]
    found = reconcile(calls, recordings, settled=LATER, day=NOON.date())
    assert statuses(found.findings) == {"c": Status.MATCHED_INFERRED}


NUMBERS = st.sampled_from([ALICE, BOB, f"+{BOB}", "anonymous", None, LINE])
CALLS = st.lists(
    st.builds(
        lambda at, seconds, who, status: (at, seconds, who, status),
        st.integers(0, 200),
        st.sampled_from([0, 5, 30, 60, None]),
        NUMBERS,
        st.sampled_from(["ANSWER", "BUSY", None]),
    ),
    max_size=8,
)
RECORDINGS = st.lists(
    st.tuples(
        st.integers(0, 260),
        st.sampled_from([5.0, 30.0, 60.0, None]),
        NUMBERS,
        st.sampled_from([None, None, "c0", "c1", "nobody"]),
        st.sampled_from([State.ARCHIVED, State.DISCOVERED, State.UNAVAILABLE]),
    ),
    max_size=8,
)


def _made(calls: list[Any], recordings: list[Any], *, taught: bool) -> tuple[list[Call], list[Known]]:
    made = [
        call(f"c{n}", at, length, call_from=who, status=status) for n, (at, length, who, status) in enumerate(calls)
    ]
    rows = [
        recording(f"r{n}", at, length, state, call_from=who, call_id=key)
        for n, (at, length, who, key, state) in enumerate(recordings)
    ]
    more = teachers() if taught else ([], [])
    return [*made, *more[0]], [*rows, *more[1]]


@settings(max_examples=150, deadline=None)
@given(CALLS, RECORDINGS, st.booleans(), st.randoms(use_true_random=False))
def test_whatever_comes_in(calls: list[Any], recordings: list[Any], taught: bool, rng: random.Random) -> None:
    some_calls, some_recordings = _made(calls, recordings, taught=taught)
    found = reconcile(some_calls, some_recordings, settled=LATER)
    _every_one_once(found, some_calls, some_recordings)
    known = {each.id for each in some_calls}
    for each in some_recordings:  # a key beats inference
        if each.row.get("call_id") in known:
            (owner,) = [finding for finding in found.findings if each.id in finding.recording_ids]
            assert owner.call_id == each.row["call_id"]
    rng.shuffle(some_calls)
    rng.shuffle(some_recordings)
    assert reconcile(some_calls, some_recordings, settled=LATER) == found


def _every_one_once(found: Reconciliation, calls: list[Call], recordings: list[Known]) -> None:
    told_calls = [each.call_id for each in found.findings if each.call_id]
    assert sorted(told_calls) == sorted(each.id for each in calls)
    held = [recording_id for each in found.findings for recording_id in each.recording_ids]
    assert len(held) == len(set(held)), "a recording stands in two findings"
    candidates = {recording_id for each in found.findings for ids, _ in each.candidates for recording_id in ids}
    assert candidates.isdisjoint(held)
    assert candidates | set(held) == {each.id for each in recordings}


def test_a_part_that_happens_to_fit_another_call_is_not_given_to_it() -> None:
    """``whole`` is covered by both; ``other`` by the first of them, and had no recording of its own."""
    calls = [call("whole"), call("other", seconds=40)]
    recordings = [recording("first", 40, 40), recording("second", 60, 20)]
    assert statuses(told(calls, recordings)) == {"whole": Status.AMBIGUOUS, "other": Status.AMBIGUOUS}
    assert statuses(told(calls[:1], recordings)) == {"whole": Status.MATCHED_INFERRED}
    alone = statuses(told(calls, recordings[:1]))
    assert alone["other"] is Status.MATCHED_INFERRED


@pytest.mark.parametrize(("others", "status"), [(0, Status.DURATION_MISMATCH), (150, Status.AMBIGUOUS)])
def test_the_more_calls_of_the_same_parties_the_better_a_pair_has_to_fit(others: int, status: Status) -> None:
    """Lengths and times of the others are far off: they are no rivals, but they make chance likelier."""
    crowd = [call(f"o{number}", 100 + number * 9, 600) for number in range(others)]
    found = told([call("c"), *crowd], [recording("r", seconds=20)])
    assert statuses(found)["c"] is status


def test_parts_are_joined_where_rows_are_written_late() -> None:
    """The recordings' times scatter by twenty seconds: so may the parts of a transfer."""
    late = [0, 3, 20, 9, 14, 1, 6, 17, 11, 5, 19, 2]
    calls, recordings = teachers()
    recordings = [
        Known(each.id, each.created_at + timedelta(seconds=behind), each.duration, each.state, each.row)
        for each, behind in zip(recordings, late, strict=True)
    ]
    parts = [recording("first", 100 + 2, 100), recording("second", 300 + 18, 195)]
    found = reconcile([*calls, call("c", seconds=300)], [*recordings, *parts], settled=LATER).findings
    assert [each.recording_ids for each in found if each.call_id == "c"] == [("first", "second")]

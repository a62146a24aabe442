"""Days as they happen: transfers, twins, calls without recordings, clocks apart; every status once."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from archiver.clock import SystemClock
from archiver.sandbox import CutObject, NoAudioYet, OnAudio, SandboxCall, SandboxRecording, Status, World
from archiver.sandbox.records import Speech, uuid1_at
from tests.stories.conftest import NewOperator
from tests.stories.operator import Destination, Operator, Result
from tests.stories.reconciled import amendments, finding_of, forget_keys, reconciles, statuses


@pytest.fixture
def world() -> World:
    return World.generate(seed=7, recordings=24, days=1)


def answered(world: World, number: int = 5) -> SandboxCall:
    """One of the calls that have a recording, in the order of time."""
    calls = sorted((call for call in world.calls() if call.duration), key=lambda call: (call.end_at, call.id))
    return calls[number]


def recording_of(world: World, call: SandboxCall) -> SandboxRecording:
    (found,) = [
        each for each in world.recordings() if {each.call_from, each.created_at} == {call.call_from, call.end_at}
    ]
    return found


def found_of(someone: Operator, call: SandboxCall, *words: str, **sections: Any) -> tuple[Result, dict[str, Any]]:
    result = reconciles(someone, "--json", *words, **sections)
    return result, finding_of(result, call.id)


@pytest.mark.parametrize(("dialect", "status"), [("flat", "matched-key"), ("resource", "matched-inferred")])
def test_with_and_without_a_call_id(
    dialect: str, status: str, operator: NewOperator, world: World, directory: Destination
) -> None:
    world.insert_calls(*(replace(call, audio_key=None) for call in world.calls()))
    someone = operator(world, directory, dialect=dialect)
    someone.runs()
    result = reconciles(someone, "--json")
    assert result.exit_code == 0
    assert statuses(result)[status] == 24


def test_a_recording_of_another_length(operator: NewOperator, world: World, directory: Destination) -> None:
    call = answered(world)
    recording = recording_of(world, call)
    world.insert_calls(replace(call, duration=90, billing=90, start_at=call.end_at - timedelta(seconds=90)))
    assert recording.duration < 60
    someone = operator(world, directory, dialect="flat")
    someone.runs()
    result, found = found_of(someone, call)
    assert result.exit_code == 4
    assert found["status"] == "duration-mismatch"
    assert found["delta_seconds"] == recording.duration - 90


Change = Callable[[World, SandboxCall], None]


def without_recording(world: World, call: SandboxCall) -> None:
    world.remove(recording_of(world, call).id)


def and_unanswered(world: World, call: SandboxCall) -> None:
    without_recording(world, call)
    world.insert_calls(replace(call, status="NOANSWER"))


def and_of_no_length(world: World, call: SandboxCall) -> None:
    without_recording(world, call)
    world.insert_calls(replace(call, duration=0))


def and_of_another_service(world: World, call: SandboxCall) -> None:
    without_recording(world, call)
    world.insert_calls(replace(call, service="OUT", extra={"agent": "bot"}))


def quarantined(world: World, call: SandboxCall) -> None:
    world.replace(recording_of(world, call).evolve(faults=(CutObject(0.3),)))


def not_there_yet(world: World, call: SandboxCall) -> None:
    world.replace(recording_of(world, call).evolve(faults=(NoAudioYet(),)))


@pytest.mark.parametrize(
    ("change", "section", "status", "reason", "code"),
    [
        (without_recording, {}, "missing", "no recording was listed for it", 4),
        (and_unanswered, {}, "not-expected", "unanswered", 0),
        (and_of_no_length, {}, "not-expected", "zero duration", 0),
        (and_of_another_service, {"expected": ["service=IN"]}, "not-expected", "policy: service", 0),
        (and_of_another_service, {"excluded": ["agent=bot"]}, "not-expected", "policy: excluded by agent", 0),
        (without_recording, {"minimum_seconds": 9.5}, "not-expected", "policy: shorter than 9.5 s", 0),
        (and_of_another_service, {"expected": ["service=IN", "service=OUT"]}, "missing", "no recording was", 4),
        (quarantined, {}, "pending", "its recording: quarantined", 3),
        (not_there_yet, {}, "pending", "its recording: not archived yet", 3),
    ],
)
def test_what_became_of_a_call(
    change: Change,
    section: dict[str, Any],
    status: str,
    reason: str,
    code: int,
    operator: NewOperator,
    world: World,
    directory: Destination,
) -> None:
    call = answered(world)
    change(world, call)
    forget_keys(world)
    someone = operator(world, directory)
    someone.runs()
    result, found = found_of(someone, call, reconcile=section)
    assert (found["status"], found["reason"][: len(reason)]) == (status, reason)
    assert result.exit_code == code
    assert result.events[-1]["complete"] is (code == 0)


def test_audio_that_is_gone_at_the_source(operator: NewOperator, world: World, directory: Destination) -> None:
    call = answered(world)
    forget_keys(world)
    someone = operator(world, directory)
    someone.sandbox.inject(OnAudio(Status(404), recording_of(world, call).id))
    someone.runs()
    result, found = found_of(someone, call)
    assert (result.exit_code, found["status"]) == (4, "source-gone")


def test_a_call_whose_recording_may_still_be_listed(operator: NewOperator, directory: Destination) -> None:
    yesterday = (SystemClock().now() - timedelta(days=1)).date()
    world = World.generate(seed=9, recordings=12, days=1, start_day=yesterday)
    call = answered(world)
    without_recording(world, call)
    forget_keys(world)
    someone = operator(world, directory)
    someone.runs()
    result, found = found_of(someone, call)
    assert (result.exit_code, found["status"], found["reason"]) == (3, "pending", "may still be listed")


def test_a_recording_without_a_call(operator: NewOperator, world: World, directory: Destination) -> None:
    call = answered(world)
    recording = recording_of(world, call)
    forget_keys(world)
    world.remove_calls(call.id)
    someone = operator(world, directory)
    someone.runs()
    result = reconciles(someone, "--json")
    (found,) = [each for each in result.of("finding") if each["status"] == "unexpected"]
    assert (found["recording_ids"], found["call_id"]) == ([recording.id], None)
    assert result.exit_code == 0


@pytest.mark.parametrize("keyed", [True, False])
def test_a_transferred_call_has_several_recordings(
    keyed: bool, operator: NewOperator, world: World, directory: Destination
) -> None:
    """One call of 62 s, recorded in three parts; each part is told the call."""
    call = answered(world)
    first = recording_of(world, call)
    begin = call.end_at - timedelta(seconds=62)
    world.insert_calls(replace(call, start_at=begin, duration=62, billing=62, audio_key=None))
    parts = []
    for number, (until, seconds) in enumerate([(20, 20), (41, 20), (62, 20)]):
        at = begin + timedelta(seconds=until)
        rng = random.Random(number)
        recording_id = first.id if number == 2 else uuid1_at(at, rng)
        audio = Speech(seconds + 0.3, 100 + number)
        key = f"rc/part-{number}.mp3"
        parts.append(
            first.evolve(id=recording_id, created_at=at, duration=seconds, audio=audio, audio_key=key, call_id=call.id)
        )
    world.insert(*parts)
    if not keyed:
        forget_keys(world)
    someone = operator(world, directory, dialect="flat")
    assert someone.runs().exit_code == 0
    result, found = found_of(someone, call)
    assert found["recording_ids"] == [part.id for part in parts]
    assert found["status"] == ("matched-key" if keyed else "matched-inferred")
    assert result.exit_code == 0
    told = [
        each["facts"]["call_id"]
        for each in amendments(directory).values()
        if each["recording_id"] in found["recording_ids"]
    ]
    assert told == ([] if keyed else [call.id] * 3), "with a key the sidecars name it"


def test_two_calls_at_once_between_the_same_parties(
    operator: NewOperator, world: World, directory: Destination
) -> None:
    """Of different lengths they are told apart; of the same nobody can."""
    call = answered(world)
    recording = recording_of(world, call)
    begin = call.end_at - timedelta(seconds=50)
    other = replace(call, id=uuid1_at(begin, random.Random(5)), start_at=begin, duration=50, billing=50, audio_key=None)
    world.insert_calls(other)
    second = recording.evolve(
        id=uuid1_at(call.end_at, random.Random(6)), duration=50, audio=Speech(50.2, 9), audio_key="rc/second.mp3"
    )
    world.insert(second)
    forget_keys(world)
    someone = operator(world, directory)
    someone.runs()
    result, found = found_of(someone, call)
    assert result.exit_code == 0
    assert found["recording_ids"] == [recording.id]
    assert finding_of(result, other.id)["recording_ids"] == [second.id]

    world.insert_calls(replace(other, start_at=call.start_at, duration=call.duration, billing=call.billing))
    world.remove(second.id)
    someone.runs()
    result, found = found_of(someone, call)
    assert found["status"] == "ambiguous"
    assert result.exit_code == 3
    assert [each["recording_ids"] for each in found["candidates"]]


def apart(world: World, seconds: int) -> None:
    """The recordings' clock is ahead by so much."""
    later = [each.evolve(created_at=each.created_at + timedelta(seconds=seconds)) for each in world.recordings()]
    world.remove(*(each.id for each in later))
    world.insert(*later)


def test_clocks_that_are_minutes_apart(operator: NewOperator, world: World, directory: Destination) -> None:
    forget_keys(world)
    apart(world, 187)
    someone = operator(world, directory)
    someone.runs()
    result = reconciles(someone, "--json")
    assert result.exit_code == 0, result.stdout
    assert statuses(result)["matched-inferred"] == 24
    (day,) = result.of("day")
    assert day["calibration"]["lag_seconds"] == pytest.approx(187, abs=2)
    assert "created_at is +187 s from end_at" in reconciles(someone).stdout


@pytest.mark.parametrize("keyed", [True, False])
def test_a_report_in_another_time_zone_is_said(
    keyed: bool, operator: NewOperator, world: World, directory: Destination
) -> None:
    """An hour is no delay: what follows from it is shown, and nothing inferred by it is written down."""
    if not keyed:
        forget_keys(world)
    apart(world, 3600)
    someone = operator(world, directory, dialect="flat")
    someone.runs()
    result = reconciles(someone, "--json")
    assert result.exit_code == 3
    (day, *_) = result.of("day")
    assert day["doubt"] == "created_at is +1 h from end_at: is one report in another time zone?"
    assert day["calibration"]["zone_offset_seconds"] == 3600
    assert not amendments(directory)

"""What ``archiver reconcile`` leaves in the bucket: the call of each recording, and what the day came to."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from archiver.clock import SystemClock
from archiver.model import Digest
from archiver.sandbox import OnListing, World, WrongTotal
from tests.stories.conftest import NewOperator, put_behind_the_back
from tests.stories.operator import Destination, Operator
from tests.stories.reconciled import amendments, documents, forget_keys, reconciles

FIRST = "periods/dt=2026-09-22/reconciliation.json"
SECOND = "periods/dt=2026-09-22/reconciliation-0002.json"


@pytest.fixture
def world() -> World:
    return World.generate(seed=7, recordings=20, days=1, unanswered=6)


def schema(name: str) -> Any:
    return json.loads(files("archiver").joinpath(f"schemas/{name}.schema.json").read_text())


def archived(operator: NewOperator, world: World, destination: Destination, **settings: Any) -> Operator:
    someone = operator(world, destination, **settings)
    assert someone.runs().exit_code == 0
    return someone


def test_recordings_are_told_an_inferred_call_once(
    operator: NewOperator, world: World, destination: Destination
) -> None:
    truth = {each.id: each.call_id for each in world.recordings()}
    forget_keys(world)
    someone = archived(operator, world, destination)
    before = destination.objects()
    result = reconciles(someone, "--json")
    assert result.exit_code == 0, result.stderr
    assert result.events[-1]["amended"] == 20
    told = amendments(destination)
    assert {each["recording_id"]: each["facts"]["call_id"] for each in told.values()} == truth
    calls = {call.id: call for call in world.calls()}
    for key, document in told.items():
        jsonschema.validate(document, schema("amendment"))
        sidecar = key.partition(".")[0] + ".vcon.json"
        assert document["sidecar"] == str(Digest.sha256_of(before[sidecar]))
        facts, call = document["facts"], calls[document["facts"]["call_id"]]
        assert (facts["start_at"], facts["hangup_by"]) == (call.start_at.isoformat(), "caller")
        assert facts["matched"] == "inferred"
        assert 0.99 < facts["evidence"]["confidence"] < 1
        assert not {call.call_from, call.call_to} & set(json.dumps(document).split('"'))
    assert before.items() <= destination.objects().items()

    puts = destination.puts()
    again = reconciles(someone, "--json")
    assert again.exit_code == 0
    assert (again.events[-1]["amended"], again.events[-1]["recorded"]) == (0, 0)
    assert destination.puts() == puts
    assert someone.types("audit").exit_code == 0


def test_a_sidecar_that_names_its_call_is_not_amended(
    operator: NewOperator, world: World, directory: Destination
) -> None:
    someone = archived(operator, world, directory, dialect="flat")
    assert reconciles(someone, "--json").events[-1]["amended"] == 0
    assert not amendments(directory)


def test_a_call_that_the_log_learns_of_later(operator: NewOperator, world: World, directory: Destination) -> None:
    late = next(call for call in world.calls() if call.audio_key)
    world.remove_calls(late.id)
    someone = archived(operator, world, directory, dialect="flat")
    world.insert_calls(late)
    assert someone.runs().exit_code == 0
    assert reconciles(someone, "--json").exit_code == 0
    (document,) = amendments(directory).values()
    assert (document["facts"]["call_id"], document["facts"]["matched"]) == (late.id, "key")
    assert document["facts"]["evidence"] == {"key": "call_id"}


def test_a_corrected_call_is_told_by_a_further_amendment(
    operator: NewOperator, world: World, directory: Destination
) -> None:
    someone = archived(operator, world, directory)
    assert reconciles(someone).exit_code == 0
    first = amendments(directory)
    corrected = next(call for call in world.calls() if call.audio_key)
    world.insert_calls(replace(corrected, hangup_by="callee"))
    assert someone.runs().exit_code == 0
    assert reconciles(someone).exit_code == 0
    ((key, document),) = [each for each in amendments(directory).items() if each[0] not in first]
    assert key.endswith(".amendment-0002.json")
    assert document["facts"]["hangup_by"] == "callee"
    before = key.replace("0002", "0001")
    assert document["previous"] == str(Digest.sha256_of(directory.objects()[before]))
    assert list(documents(directory)) == [FIRST], "the result is the same, though a row is not"


def test_a_dry_run_writes_nothing(operator: NewOperator, world: World, destination: Destination) -> None:
    someone = archived(operator, world, destination)
    before, puts = destination.objects(), destination.puts()
    result = reconciles(someone, "--json", "--dry-run")
    assert result.exit_code == 0
    assert (result.events[-1]["amended"], result.events[-1]["recorded"]) == (20, 1)
    assert destination.objects() == before
    assert destination.puts() == puts


def test_what_the_day_came_to(operator: NewOperator, world: World, destination: Destination) -> None:
    forget_keys(world)
    gone = world.recordings()[3]
    world.remove(gone.id)
    someone = archived(operator, world, destination)
    assert reconciles(someone).exit_code == 4
    (document,) = documents(destination).values()
    jsonschema.validate(document, schema("reconciliation"))
    assert (document["day"], document["complete"], document["doubt"]) == ("2026-09-22", False, "")
    assert document["counts"]["missing"] == 1
    assert document["counts"]["matched-inferred"] == 19
    assert {each["id"] for each in document["calls"]} == {call.id for call in world.calls()}
    assert {each["id"] for each in document["recordings"]} == {each.id for each in world.recordings()}
    assert document["policy"] == {"expected": {}, "excluded": {}, "minimum_seconds": 1.0}
    part = "calls/dt=2026-09-22/part-0001.ndjson.gz"
    assert document["inputs"]["call_parts"] == {part: str(Digest.sha256_of(destination.objects()[part]))}
    assert document["inputs"]["recordings"] == 19
    numbers = {number for call in world.calls() for number in (call.call_from, call.call_to)}
    text = json.dumps(document)
    assert not [number for number in numbers if number in text]


def test_held_out_figures_stand_in_the_document(operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=8, recordings=40, days=1)
    someone = archived(operator, world, directory, dialect="flat")
    assert reconciles(someone).exit_code == 0
    held_out = documents(directory)[FIRST]["held_out"]
    assert (held_out["pairs"], held_out["precision"], held_out["recall"]) == (40, 1.0, 1.0)


def test_a_later_result_is_a_further_document(operator: NewOperator, world: World, destination: Destination) -> None:
    forget_keys(world)
    gone = world.recordings()[3]
    world.remove(gone.id, keep_audio=True)
    someone = archived(operator, world, destination)
    assert reconciles(someone).exit_code == 4
    first = destination.objects()[FIRST]
    assert reconciles(someone).exit_code == 4
    assert list(documents(destination)) == [FIRST]
    world.insert(gone)
    assert someone.runs().exit_code == 0
    assert reconciles(someone).exit_code == 0
    found = documents(destination)
    assert sorted(found) == sorted([FIRST, SECOND])
    assert (found[FIRST]["complete"], found[SECOND]["complete"]) == (False, True)
    assert destination.objects()[FIRST] == first


def test_another_policy_is_another_result(operator: NewOperator, world: World, directory: Destination) -> None:
    someone = archived(operator, world, directory)
    reconciles(someone)
    reconciles(someone, "--expect", "service=OUT")
    assert documents(directory)[SECOND]["policy"]["expected"] == {"service": ["OUT"]}


def test_a_damaged_document_is_said_and_left(operator: NewOperator, world: World, directory: Destination) -> None:
    someone = archived(operator, world, directory)
    put_behind_the_back(directory, FIRST, b"{}")
    result = reconciles(someone)
    assert result.exit_code == 3
    assert FIRST in result.stderr
    assert list(documents(directory)) == [FIRST]
    assert directory.objects()[FIRST] == b"{}"


def test_a_day_within_the_lookback_is_not_recorded(operator: NewOperator, directory: Destination) -> None:
    """Its recordings may still be listed: only what a key says is told."""
    yesterday = (SystemClock().now() - timedelta(days=1)).date()
    world = World.generate(seed=9, recordings=10, days=1, start_day=yesterday)
    forget_keys(world)
    someone = archived(operator, world, directory)
    result = reconciles(someone)
    assert result.exit_code == 0, result.stdout
    assert f"not recorded yet: {yesterday}" in result.stdout
    assert not documents(directory)
    assert not amendments(directory)


def test_nothing_inferred_is_told_from_a_listing_in_doubt(
    operator: NewOperator, world: World, directory: Destination
) -> None:
    forget_keys(world)
    someone = operator(world, directory)
    someone.sandbox.inject(OnListing(WrongTotal(1), "calls"))
    someone.runs()
    assert reconciles(someone).exit_code == 3
    assert not amendments(directory)
    assert documents(directory)[FIRST]["complete"] is False
    assert documents(directory)[FIRST]["doubt"] == "26 distinct ids were seen, 27 are stated"

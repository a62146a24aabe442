"""After runs, ``archiver reconcile`` says of each call whether it has its recording."""

from __future__ import annotations

import csv
import importlib.util
import json
import random
import stat
from datetime import timedelta
from typing import Any

import pytest

from archiver.sandbox import OnListing, SandboxCall, World, WrongTotal
from archiver.sandbox.records import uuid1_at
from tests.stories.conftest import NewOperator
from tests.stories.operator import Destination
from tests.stories.reconciled import forget_keys, reconciles, statuses


@pytest.fixture
def world() -> World:
    return World.generate(seed=7, recordings=40, days=2, unanswered=10)


def test_every_call_has_its_recording_by_key(operator: NewOperator, world: World, destination: Destination) -> None:
    someone = operator(world, destination, dialect="flat")
    assert someone.runs().exit_code == 0
    result = reconciles(someone, "--json")
    assert result.exit_code == 0, result.stdout + result.stderr
    assert statuses(result) == {"matched-key": 40, "not-expected": 10}
    last = result.events[-1]
    assert last["type"] == "summary"
    assert last["complete"] is True


def test_without_keys_the_pairs_are_those_of_the_keys(
    operator: NewOperator, world: World, directory: Destination
) -> None:
    truth = {(each.call_id, each.id) for each in world.recordings()}
    forget_keys(world)
    someone = operator(world, directory)
    assert someone.runs().exit_code == 0
    result = reconciles(someone, "--json")
    found = {(each["call_id"], each["recording_ids"][0]) for each in result.of("finding") if each["recording_ids"]}
    assert found == truth
    assert statuses(result) == {"matched-inferred": 40, "not-expected": 10}


def test_a_call_without_its_recording_is_missing_and_exits_4(
    operator: NewOperator, world: World, directory: Destination
) -> None:
    forget_keys(world)
    gone = world.recordings()[5]
    world.remove(gone.id)
    (call,) = [each for each in world.calls() if each.end_at == gone.created_at and each.call_from == gone.call_from]
    someone = operator(world, directory)
    assert someone.runs().exit_code == 0
    result = reconciles(someone)
    assert result.exit_code == 4
    assert f"missing            {call.start_at.date()}  call {call.id}: no recording was listed for it" in result.stdout


def test_calls_that_cannot_be_told_apart_are_ambiguous_and_exit_3(
    operator: NewOperator, world: World, directory: Destination
) -> None:
    forget_keys(world)
    call = world.calls()[-1]
    assert call.duration
    twin: dict[str, Any] = {**vars(call), "id": uuid1_at(call.start_at, random.Random(1))}
    world.insert_calls(SandboxCall(**twin))
    someone = operator(world, directory)
    someone.runs()
    result = reconciles(someone, "--json")
    assert result.exit_code == 3
    twins = [each for each in result.of("finding") if each["status"] == "ambiguous"]
    assert {each["call_id"] for each in twins} == {call.id, twin["id"]}
    assert all(each["candidates"] for each in twins)
    assert result.events[-1]["complete"] is False


def test_phone_numbers_stand_in_the_csv_alone(operator: NewOperator, world: World, directory: Destination) -> None:
    forget_keys(world)
    world.remove(world.recordings()[0].id)
    someone = operator(world, directory)
    someone.runs()
    target = someone.home / "found.csv"
    result = reconciles(someone, "--csv", str(target), "-vv")
    numbers = {number for call in world.calls() for number in (call.call_from, call.call_to)}
    assert not any(number in result.stdout + result.stderr for number in numbers)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["call_from"] for row in rows} | {row["call_to"] for row in rows} >= numbers
    assert len(rows) == len(world.calls())
    printed = reconciles(someone, "--csv", "-")
    assert printed.stdout.splitlines() == target.read_text().splitlines()
    assert printed.exit_code == 4


def test_a_day_without_a_call_log_is_not_complete(operator: NewOperator, world: World, directory: Destination) -> None:
    someone = operator(world, directory)
    someone.runs(calls={"archive": False})
    result = reconciles(someone)
    assert result.exit_code == 3
    assert "no call log was archived" in result.stdout


@pytest.mark.parametrize(("report", "words"), [("calls", ""), ("recordings", "recordings: ")])
def test_a_listing_that_did_not_agree_is_not_complete(
    operator: NewOperator, world: World, directory: Destination, report: Any, words: str
) -> None:
    someone = operator(world, directory, dialect="paged")
    someone.sandbox.inject(OnListing(WrongTotal(1), report))
    someone.runs()
    result = reconciles(someone)
    assert result.exit_code == 3
    assert f"not to be relied on: {someone.days()[1]}: {words}" in result.stdout


def test_policy_and_days(operator: NewOperator, world: World, directory: Destination) -> None:
    forget_keys(world)
    world.remove(*(each.id for each in world.recordings()))
    someone = operator(world, directory)
    first = min(call.end_at for call in world.calls()).date()
    days = ("--from", str(first), "--to", str(first + timedelta(days=1)))
    assert someone.types("run", "--json", *days).exit_code == 0
    result = someone.types("reconcile", *days, "--json", "--expect", "service=OUT", "--expect", "service=NONE")
    assert result.exit_code == 0
    assert statuses(result) == {"not-expected": 50}
    assert statuses(someone.types("reconcile", *days, "--json", "--expect", "service=IN"))["missing"] == 40


@pytest.mark.parametrize(
    "words",
    [("--expect", "service"), ("--from", "2026-09-24", "--to", "2026-09-22"), ("--json", "--csv", "-")],
)
def test_wrong_usage(operator: NewOperator, world: World, directory: Destination, words: tuple[str, ...]) -> None:
    assert operator(world, directory).types("reconcile", *words).exit_code == 2


def test_a_missing_library_is_named_with_what_to_install(
    operator: NewOperator, world: World, directory: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "scipy" else found(name))
    result = operator(world, directory).types("reconcile", "--json")
    assert result.exit_code == 2
    assert "reconcile needs scipy" in result.stderr
    assert "recording-archiver[reconcile]" in result.stderr
    assert not [json.loads(line) for line in result.stdout.splitlines()]

"""The source changes its mind after a recording was archived: a corrected length, a field filled in, a row gone."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from archiver.sandbox import World
from tests.stories.conftest import NewOperator
from tests.stories.operator import Destination, Operator


@pytest.fixture
def start() -> date:
    return datetime.now(UTC).date() - timedelta(days=10)


def status(someone: Operator) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(someone.types("status", "--json").stdout)
    return facts


def test_a_corrected_duration_that_does_not_fit_is_said_loudly(
    start: date, operator: NewOperator, directory: Destination
) -> None:
    world = World.generate(seed=401, recordings=4, days=1, start_day=start)
    someone = operator(world, directory, dialect="flat")
    assert someone.runs().exit_code == 0
    fits, misfit, *_ = world.recordings()
    world.replace(fits.evolve(call_id="c-77"))
    world.replace(misfit.evolve(duration=misfit.duration + 60))

    result = someone.runs()

    assert result.exit_code == 4, "a person must look"
    assert (result.summary["changed"], result.summary["misfits"]) == (2, 1)
    told = {event["recording_id"]: event for event in result.of("changed")}
    assert told[fits.id]["fields"] == ["call_id"]
    assert told[misfit.id]["duration"] == [misfit.duration, misfit.duration + 60]
    assert result.of("misfit")[0]["recording_id"] == misfit.id
    assert someone.archived() == someone.truth(), "it stays archived"
    (doubted,) = status(someone)["in_doubt"]
    assert doubted["recording_id"] == misfit.id
    assert "in doubt" in someone.types("status").stdout

    world.replace(misfit)
    assert someone.runs().exit_code == 0
    assert status(someone)["in_doubt"] == []


def test_a_row_that_vanishes_is_remembered_and_may_come_back(
    start: date, operator: NewOperator, directory: Destination
) -> None:
    world = World.generate(seed=402, recordings=5, days=2, start_day=start)
    someone = operator(world, directory)
    days = someone.days()
    assert someone.runs().exit_code == 0
    gone = world.recordings()[2]
    world.remove(gone.id, keep_audio=True)

    result = someone.types("run", "--json", *days)

    assert result.exit_code == 0
    assert [event["recording_id"] for event in result.of("unnamed")] == [gone.id]
    assert result.summary["unnamed"] == 1
    assert someone.types("run", "--json", *days).of("unnamed") == [], "told once"
    (vanished,) = status(someone)["vanished"]
    assert vanished["recording_id"] == gone.id
    assert vanished["state"] == "archived"
    assert vanished["last_seen"] <= vanished["vanished_at"]
    assert gone.id in someone.types("status").stdout
    assert gone.id in someone.archived()

    world.insert(gone)
    assert someone.types("run", "--json", *days).of("returned")[0]["recording_id"] == gone.id
    assert status(someone)["vanished"] == []


def test_the_backlog_is_taken_oldest_first(operator: NewOperator, directory: Destination) -> None:
    """What the source will forget first is fetched first, whatever it lists first."""
    today = datetime.now(UTC).date()
    world = World.generate(seed=403, recordings=40, days=5, start_day=today - timedelta(days=50))
    someone = operator(world, directory, audio_latency=0.02)
    result = someone.runs("--limit", "8", days=False, limits={"concurrency": 1})
    assert result.exit_code == 13
    fetched = [world[record.recording_id].created_at for record in someone.sandbox.downloads() if record.recording_id]
    oldest = sorted(recording.created_at for recording in world.recordings())
    assert sorted(fetched) == oldest[:8]
    facts = status(someone)
    assert facts["oldest_open"]["created_at"][:10] == min(moment for moment in oldest[8:]).date().isoformat()
    assert facts["oldest_open"]["lost_at"][:10] == (oldest[8] + timedelta(days=60)).date().isoformat()
    assert f"first loss:   {(oldest[8] + timedelta(days=60)).date()}" in someone.types("status").stdout

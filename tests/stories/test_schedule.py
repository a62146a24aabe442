"""A scheduled run without dates does the right thing, every time: watermark, lookback, late arrivals."""

from __future__ import annotations

import json
import sqlite3
import time
from datetime import UTC, date, datetime, timedelta

from archiver.sandbox import NoAudioYet, OnAudio, Status, World, new_recording
from tests.stories.conftest import NewOperator
from tests.stories.operator import Destination, Operator


def status(someone: Operator) -> dict[str, object]:
    result = someone.types("status", "--json")
    assert result.exit_code == 0, result.stderr
    facts: dict[str, object] = json.loads(result.stdout)
    return facts


def test_first_run_starts_at_since_and_later_ones_at_the_watermark(
    today: date, operator: NewOperator, directory: Destination
) -> None:
    world = World.generate(seed=51, recordings=30, days=10, start_day=today - timedelta(days=9))
    someone = operator(world, directory)
    someone.settings = {"windows": {"since": today - timedelta(days=9), "lookback_days": 3}}

    first = someone.runs(days=False)

    assert first.exit_code == 0, first.stderr
    assert first.summary["windows"] == 10
    assert someone.archived() == someone.truth()
    assert status(someone)["watermark"] == f"{today - timedelta(days=3)}T00:00:00+00:00"

    second = someone.runs(days=False)
    assert second.exit_code == 0
    assert second.summary["windows"] == 4, "three days of lookback, and today"


def test_a_late_arrival_inside_the_lookback_is_archived(
    today: date, operator: NewOperator, directory: Destination
) -> None:
    world = World.generate(seed=52, recordings=10, days=5, start_day=today - timedelta(days=6))
    someone = operator(world, directory)
    someone.settings = {"windows": {"since": today - timedelta(days=6)}}
    assert someone.runs(days=False).exit_code == 0
    late = new_recording(datetime.combine(today - timedelta(days=2), datetime.min.time(), UTC), seed=9)
    world.insert(late)
    result = someone.runs(days=False)
    assert result.exit_code == 0
    assert result.summary["archived"] == 1
    assert late.id in someone.archived()


def test_a_window_with_something_open_stays_open(today: date, operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=53, recordings=12, days=8, start_day=today - timedelta(days=8))
    waiting = world.recordings()[-1]
    world.replace(waiting.evolve(faults=(NoAudioYet(),)))
    someone = operator(world, directory)
    someone.settings = {"windows": {"since": today - timedelta(days=8)}}
    assert someone.runs(days=False).exit_code == 3
    facts = status(someone)
    assert str(facts["watermark"])[:10] <= waiting.created_at.date().isoformat()
    assert facts["oldest_open"]["recording_id"] == waiting.id  # type: ignore[index]
    assert facts["oldest_open"]["seconds_to_loss"] > 0  # type: ignore[index]

    world.replace(waiting)
    assert someone.runs(days=False).exit_code == 0
    assert someone.archived() == someone.truth()
    assert str(status(someone)["watermark"])[:10] == (today - timedelta(days=3)).isoformat()


def test_without_since_it_goes_back_as_far_as_the_source(
    today: date, operator: NewOperator, directory: Destination
) -> None:
    world = World.generate(seed=54, recordings=4, days=1, start_day=today - timedelta(days=59))
    someone = operator(world, directory, dialect="flat")
    result = someone.runs(days=False)
    assert result.exit_code == 0
    assert result.summary["windows"] == 61
    assert result.summary["archived"] == 4


def test_open_and_forgotten_by_the_source(operator: NewOperator, directory: Destination) -> None:
    """Named without audio, never archived, and past the source's 60 days: said, and a person must look."""
    world = World.generate(seed=55, recordings=3, days=1, start_day=date(2026, 1, 5))
    victim = world.recordings()[0]
    world.replace(victim.evolve(faults=(NoAudioYet(),)))
    someone = operator(world, directory)
    days = someone.days()
    assert someone.runs().exit_code == 3
    world.remove(victim.id)
    result = someone.types("run", "--json", *days)
    assert result.exit_code == 4
    assert result.summary["forgotten"] == 1
    assert result.of("forgotten")[0]["recording_id"] == victim.id


def test_a_window_is_not_closed_on_a_listing_from_before_its_end(
    today: date, operator: NewOperator, directory: Destination
) -> None:
    """Listed while it lasted, then nothing for days, then a run that never gets as far as listing it again."""
    world = World.generate(seed=57, recordings=5, days=1, start_day=today)
    someone = operator(world, directory)
    someone.settings = {"windows": {"since": today}}
    assert someone.runs(days=False).exit_code == 0
    with sqlite3.connect(someone.manifest) as database:  # six days pass
        for table, column in (("windows", "start_at"), ("windows", "end_at"), ("recordings", "created_at")):
            database.execute(f"update {table} set {column} = datetime({column}, '-6 days') || '.000000'")
        database.execute("update recordings set day = date(day, '-6 days')")
    database.close()
    someone.settings = {"windows": {"since": today - timedelta(days=6)}}
    refused = someone.runs(days=False, source={"token": "wrong-but-long-enough"})
    assert refused.exit_code == 12
    assert refused.summary["complete"] is False
    assert str(status(someone)["watermark"])[:10] <= (today - timedelta(days=6)).isoformat()


def test_a_trial_of_one_old_day_hides_no_other_day(today: date, operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=58, recordings=20, days=10, start_day=today - timedelta(days=9))
    someone = operator(world, directory)
    someone.settings = {"windows": {"since": today - timedelta(days=9)}}
    trial = (today - timedelta(days=5)).isoformat()
    assert someone.types("run", "--from", trial, "--to", trial).exit_code == 0
    assert someone.runs(days=False).exit_code == 0
    assert someone.archived() == someone.truth()


def test_an_open_recording_older_than_since_is_not_dropped(
    today: date, operator: NewOperator, directory: Destination
) -> None:
    world = World.generate(seed=59, recordings=3, days=1, start_day=today - timedelta(days=20))
    waiting = world.recordings()[0]
    world.replace(waiting.evolve(faults=(NoAudioYet(),)))
    someone = operator(world, directory)
    someone.settings = {"windows": {"since": today - timedelta(days=4)}}
    assert someone.runs().exit_code == 3
    assert someone.runs(days=False).exit_code == 3
    world.replace(waiting)
    assert someone.runs(days=False).exit_code == 0
    assert someone.archived() == someone.truth()


def test_a_failed_recording_keeps_its_window_open(today: date, operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=60, recordings=3, days=1, start_day=today - timedelta(days=10))
    someone = operator(world, directory)
    someone.settings = {"windows": {"since": today - timedelta(days=10)}, "limits": {"attempts_per_recording": 1}}
    someone.sandbox.inject(OnAudio(Status(500), world.recordings()[0].id))
    assert someone.runs(days=False).summary["failed"] == 1
    assert someone.runs(days=False).exit_code == 3, "until somebody has decided"


def test_status_as_a_probe(today: date, operator: NewOperator, directory: Destination) -> None:
    someone = operator(World.generate(seed=56, recordings=2, days=1, start_day=today), directory)
    assert someone.types("status").exit_code == 10, "no manifest yet"
    assert someone.runs().exit_code == 0
    assert someone.types("status", "--max-age", "26h").exit_code == 0
    time.sleep(1.1)
    assert someone.types("status", "--max-age", "0.4s").exit_code == 3
    assert someone.runs(source={"token": "wrong-but-long-enough"}).exit_code == 12
    assert someone.types("manifest", "rebuild").exit_code == 0
    assert someone.types("status", "--max-age", "1s").exit_code == 3, "neither of them did a run's work"
    assert "2 recordings: 2 archived" in someone.types("status").stdout

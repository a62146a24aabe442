"""The voice API misbehaves: what is listed is still archived, and what cannot be relied on is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from archiver.sandbox import (
    CutBody,
    DataIs,
    DuplicatedRow,
    EmptyPage,
    ErrorStatus,
    HtmlPage,
    LastPage,
    NumbersAsIntegers,
    OnListing,
    RepeatedPage,
    RowsInserted,
    RowsRemoved,
    Status,
    WithField,
    WithoutField,
    World,
    WrongTotal,
)
from tests.stories.conftest import NewOperator
from tests.stories.operator import Destination


@pytest.fixture
def world() -> World:
    return World.generate(seed=21, recordings=50, days=1)


def test_rows_inserted_between_pages(world: World, operator: NewOperator, directory: Destination) -> None:
    someone = operator(world, directory)
    someone.sandbox.inject(OnListing(RowsInserted(3), "recordings", page=2))
    result = someone.runs()
    assert result.exit_code == 0, result.stderr
    assert result.summary["listed"] == 53
    assert someone.archived() == someone.truth()


def test_rows_removed_between_pages(world: World, operator: NewOperator, directory: Destination) -> None:
    """Others move up past the reader. Those removed were named by the source, so they are archived as well."""
    someone = operator(world, directory)
    before = {recording.id for recording in world.recordings()}
    someone.sandbox.inject(OnListing(RowsRemoved(2), "recordings", page=1))
    result = someone.runs()
    assert result.exit_code == 0, result.stderr
    assert result.summary["listed"] == 50
    assert someone.archived().keys() == before


def test_a_total_that_is_never_right_is_said(world: World, operator: NewOperator, directory: Destination) -> None:
    someone = operator(world, directory)
    someone.sandbox.inject(OnListing(WrongTotal(5)))
    result = someone.runs()
    assert result.exit_code == 3
    assert result.summary["archived"] == 50
    assert result.summary["complete"] is False
    (said,) = result.of("window_disagreed")
    assert "50 distinct ids" in said["reason"]
    assert "55" in said["reason"]
    assert len(someone.sandbox.listings("recordings")) < 30


@pytest.mark.parametrize(
    "fault",
    [
        RepeatedPage(1),
        LastPage(10**9),
        EmptyPage(times=1),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_pages_that_lie_end_the_listing_in_bounded_time(
    fault: object, world: World, operator: NewOperator, directory: Destination
) -> None:
    someone = operator(world, directory)
    someone.sandbox.inject(OnListing(fault, "recordings", page=2))  # type: ignore[arg-type]
    result = someone.runs(source={"requests_per_minute": 1000})
    assert result.exit_code in (0, 3)
    assert result.summary["complete"] is (result.exit_code == 0)
    assert len(someone.sandbox.listings("recordings")) <= 60
    archived = someone.archived()
    assert archived == {each: audio for each, audio in someone.truth().items() if each in archived}
    if result.exit_code == 0:
        assert archived == someone.truth()


def test_an_id_that_stands_in_two_rows(world: World, operator: NewOperator, directory: Destination) -> None:
    """The first row counts, the other is told; the total, which counts both, can never be agreed with."""
    someone = operator(world, directory)
    someone.sandbox.inject(OnListing(DuplicatedRow(), "recordings", page=2))
    result = someone.runs()
    assert result.exit_code == 3
    assert result.summary["listed"] == 50
    (told,) = result.of("bad_row")
    assert "rows that differ" in told["reason"]
    assert someone.archived() == someone.truth()


@pytest.mark.parametrize(
    "fault",
    [
        Status(429, retry_after="1", times=2),
        Status(429, times=1),
        Status(503, times=2),
        HtmlPage(times=1),
        ErrorStatus(times=1),
        CutBody(0.5, times=1),
        DataIs(None, times=1),
        DataIs({}, times=1),
    ],
    ids=lambda fault: f"{type(fault).__name__}-{getattr(fault, 'code', '')}",
)
def test_passing_trouble_of_a_listing_is_retried(
    fault: object, world: World, operator: NewOperator, directory: Destination
) -> None:
    someone = operator(world, directory)
    someone.sandbox.inject(OnListing(fault, "recordings", page=2))  # type: ignore[arg-type]
    result = someone.runs()
    assert result.exit_code == 0, result.stderr
    assert someone.archived() == someone.truth()


def test_retry_after_is_waited_for(world: World, operator: NewOperator, directory: Destination) -> None:
    someone = operator(world, directory)
    someone.sandbox.inject(OnListing(Status(429, retry_after="2", times=1), "recordings", page=1))
    assert someone.runs().exit_code == 0
    first, second, *_ = [record.at for record in someone.sandbox.listings("recordings")]
    assert second - first >= 2


@pytest.mark.parametrize("code", [401, 403])
def test_token_refused_in_mid_run(code: int, world: World, operator: NewOperator, directory: Destination) -> None:
    someone = operator(world, directory)
    someone.sandbox.inject(OnListing(Status(code), "recordings", page=3))
    result = someone.runs()
    assert result.exit_code == 12
    assert f"HTTP {code}" in result.stderr
    assert someone.sandbox.token not in result.stderr + result.stdout
    archived = someone.archived()
    assert len(archived) < 50
    assert archived.items() <= someone.truth().items()
    someone.sandbox.clear_faults()
    assert someone.runs().exit_code == 0
    assert someone.archived() == someone.truth()


def test_wrong_token(world: World, operator: NewOperator, directory: Destination) -> None:
    someone = operator(world, directory)
    result = someone.runs(source={"token": "wrong-but-long-enough"})
    assert result.exit_code == 12
    assert directory.objects() == {}


def test_bad_rows_never_cost_the_others(operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=22, recordings=20, days=1)
    nameless, timeless, lengthless, numeric, hostile, *_ = world.recordings()
    world.replace(nameless.evolve(faults=(WithoutField("id"),)))
    world.replace(timeless.evolve(faults=(WithField("created_at", "yesterday"),)))
    world.replace(lengthless.evolve(faults=(WithField("duration", "a while"),)))
    world.replace(numeric.evolve(faults=(NumbersAsIntegers(),)))
    world.replace(hostile.evolve(faults=(WithField("id", "../../etc/passwd\x00"),)))
    someone = operator(world, directory)

    result = someone.runs()

    assert result.exit_code == 4
    assert result.summary["archived"] == 19
    assert result.summary["rows_unreadable"] == 1
    assert result.summary["rows_odd"] == 2
    assert {event["reason"] for event in result.of("bad_row")} == {
        "the row has no id",
        "created_at cannot be read",
        "duration cannot be read",
    }
    archived = someone.archived()
    assert archived["../../etc/passwd\x00"] == world.audio_bytes(hostile.id)
    assert archived[timeless.id] == world.audio_bytes(timeless.id)
    assert all(".." not in key for key in directory.objects())


def test_times_are_read_in_the_tenants_zone(operator: NewOperator, directory: Destination) -> None:
    """Kolkata is 5:30 ahead: what happens at 22:00 UTC stands under the next day there, and belongs to this one."""
    kolkata = ZoneInfo("Asia/Kolkata")
    world = World.generate(seed=23, recordings=30, days=2)
    someone = operator(world, directory, row_zone=kolkata, filter_zone=kolkata, last_day_included=False)
    late = world.recordings()[0]
    world.replace(
        late.evolve(created_at=datetime.combine(late.created_at.date(), datetime.min.time(), UTC) + timedelta(hours=23))
    )
    result = someone.runs(source={"timezone": "Asia/Kolkata"})
    assert result.exit_code == 0
    assert result.summary["archived"] == 30
    days = {key.split("/")[1] for key in directory.objects()}
    assert days == {f"dt={recording.created_at.date()}" for recording in world.recordings()}


def test_a_source_that_is_down_is_not_hammered(operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=24, recordings=5, days=1)
    someone = operator(world, directory)
    someone.sandbox.inject(OnListing(Status(404)))
    result = someone.runs()
    assert result.exit_code == 3
    assert result.summary["windows_disagreed"] == 1
    assert directory.objects() == {}

"""Settled days that touch are listed together; one that makes trouble is listed as if it had no neighbours."""

from __future__ import annotations

import signal
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

import pytest

from archiver.sandbox import OnListing, RowsInserted, RowsRemoved, SandboxRecording, Status, WithoutField, World
from tests.stories.conftest import NewOperator
from tests.stories.operator import Destination, Operator, kill
from tests.stories.test_periods import assert_pages, document, lines, verify

DAYS = 24
A_DAY = 15
"""A page: alone a day costs three of them and the first once more, of each report."""


@pytest.fixture
def start() -> date:
    return datetime.now(UTC).date() - timedelta(days=50)


@pytest.fixture
def world(start: date) -> World:
    return World.generate(seed=601, recordings=DAYS * A_DAY, days=DAYS, start_day=start, unanswered=0)


def spans(someone: Operator, report: Any = "recordings") -> list[str]:
    """What was asked of a report, pages aside, in order."""
    asked = (dict(each.query) for each in someone.sandbox.listings(report))
    filters = (next(value for name, value in query.items() if name.startswith("datetime")) for query in asked)
    return [span for span, _ in groupby(filters)]


def of_day(world: World, day: date) -> list[SandboxRecording]:
    begin = datetime.combine(day, datetime.min.time(), UTC)
    return list(world.recordings(begin, begin + timedelta(days=1)))


def assert_all_closed(someone: Operator, start: date) -> None:
    """Every day has its statement, whose pages name the recordings of the day."""
    for day in (start + timedelta(days=n) for n in range(DAYS)):
        said = document(someone, day)
        mine = {each.id for each in of_day(someone.sandbox.world, day)}
        assert {line["id"] for line in lines(someone, said["recordings"]["ids"])} == mine
        for report in ("recordings", "calls"):
            listing = said["listings"][report]
            assert listing["pages"]["count"] == listing["pages"]["kept"] == len(listing["pages"]["stated"])
            counted = None if listing["dialects"] == ["flat"] else listing["unique"]
            assert listing["total"] == {"before": counted, "after": counted}
        kept = {row["id"] for row in lines(someone, said["listings"]["recordings"]["archive"]) if "id" in row}
        assert mine <= kept
        assert_pages(someone, said["listings"]["recordings"], kept)
    assert verify(someone) == (0, [])


def test_a_long_stretch_of_days_is_asked_for_about_once(
    start: date, world: World, operator: NewOperator, directory: Destination
) -> None:
    someone = operator(world, directory, dialect="paged")
    result = someone.runs()
    assert result.exit_code == 0, result.stderr
    assert result.summary["windows"] == result.summary["statements"] == DAYS
    assert [event["window"] for event in result.of("window")] == [str(start + timedelta(days=n)) for n in range(DAYS)]
    assert result.summary["calls_listed"] == len(world.calls())
    assert someone.archived() == someone.truth()
    for report in ("recordings", "calls"):
        assert len(someone.sandbox.listings(report)) < 1.6 * DAYS, "alone, each day takes four"
        assert len(spans(someone, report)) < DAYS / 4
    assert_all_closed(someone, start)

    shared = [document(someone, start + timedelta(days=n))["listings"]["recordings"] for n in range(1, 5)]
    assert len({str(each["query"]) for each in shared}) == 1
    together = {row["id"] for each in shared for row in lines(someone, each["archive"]) if "id" in row}
    assert len(together) == shared[0]["unique"], "what one day has not kept a neighbour has: all of it can be counted"


def test_a_day_without_recordings_between_others(
    start: date, world: World, operator: NewOperator, directory: Destination
) -> None:
    """It keeps the page behind the place where its rows would stand."""
    empty = [start + timedelta(days=3), start + timedelta(days=DAYS - 4)]
    world.remove(*(each.id for day in empty for each in of_day(world, day)))
    world.remove(*(each.id for each in of_day(world, start + timedelta(days=DAYS - 1))))
    someone = operator(world, directory, dialect="resource")
    result = someone.types("run", "--json", "--from", start.isoformat(), "--to", str(start + timedelta(days=DAYS - 1)))
    assert result.exit_code == 0, result.stderr
    assert result.summary["statements"] == DAYS
    assert len(spans(someone)) < DAYS / 4
    for day in empty:
        listing = document(someone, day)["listings"]["recordings"]
        days = {row["created_at"][:10] for row in lines(someone, listing["archive"]) if "id" in row}
        assert str(day - timedelta(days=1)) in days
    assert verify(someone) == (0, [])
    assert someone.archived() == someone.truth()


@pytest.mark.parametrize("fault", [RowsInserted(2), RowsRemoved(2)], ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("report", ["recordings", "calls"])
def test_rows_that_move_end_the_sharing(
    report: Any, fault: Any, start: date, world: World, operator: NewOperator, directory: Destination
) -> None:
    """The days of that listing are asked for one by one, as if each had no neighbours."""
    someone = operator(world, directory, dialect="paged")
    someone.sandbox.inject(OnListing(fault, report, page=7))
    result = someone.runs()
    assert result.exit_code == 0, result.stderr
    assert result.of("window_disagreed") == result.of("calls_unsettled") == []
    assert result.summary["windows"] == result.summary["statements"] == DAYS
    assert someone.truth().keys() <= someone.archived().keys()
    assert result.summary["calls_listed"] == len(world.calls())
    alone = f"{start + timedelta(days=4):%b %d, %Y} - {start + timedelta(days=6):%b %d, %Y}"
    assert alone in spans(someone, report)
    assert verify(someone) == (0, [])


def test_a_row_that_cannot_be_read_keeps_its_own_day_open(
    start: date, world: World, operator: NewOperator, directory: Destination
) -> None:
    day = start + timedelta(days=10)
    world.replace(of_day(world, day)[0].evolve(faults=(WithoutField("id"),)))
    someone = operator(world, directory, dialect="paged")
    result = someone.runs()
    assert result.exit_code == 4, result.stderr
    assert result.summary["rows_unreadable"] == 1
    assert result.summary["archived"] == DAYS * A_DAY - 1
    closed = {event["window"] for event in result.of("window_closed")}
    assert closed == {str(start + timedelta(days=n)) for n in range(DAYS)} - {str(day)}


def test_a_listing_that_fails_halfway_costs_no_day(world: World, operator: NewOperator, directory: Destination) -> None:
    someone = operator(world, directory, dialect="paged")
    someone.sandbox.inject(OnListing(Status(404, times=1), "recordings", page=6))
    result = someone.runs()
    assert result.exit_code == 0, result.stderr
    assert result.summary["windows_disagreed"] == 0
    assert someone.archived() == someone.truth()


def test_recent_days_are_listed_one_by_one(operator: NewOperator, directory: Destination) -> None:
    """Their lists may move, and nothing is closed on them."""
    today = datetime.now(UTC).date()
    world = World.generate(seed=602, recordings=60, days=6, start_day=today - timedelta(days=5), unanswered=0)
    someone = operator(world, directory, dialect="paged")
    result = someone.runs()
    assert result.exit_code == 0, result.stderr
    assert result.summary["statements"] == 2
    assert len(spans(someone)) == 6


def test_a_list_of_everything_is_asked_for_by_day(world: World, operator: NewOperator, directory: Destination) -> None:
    """Its links begin to die together: no day's may wait for another's."""
    someone = operator(world, directory, dialect="flat")
    assert someone.runs().exit_code == 0
    assert len(spans(someone)) == DAYS
    assert someone.archived() == someone.truth()


def test_a_tenant_that_changes_its_dialect_meanwhile(
    start: date, world: World, operator: NewOperator, directory: Destination
) -> None:
    someone = operator(world, directory, dialect="paged", audio_latency=0.02)
    process = someone.starts(limits={"concurrency": 4})
    process.until(lambda: len(someone.sandbox.downloads()) > 2 * A_DAY)
    someone.sandbox.dialect = "flat"
    process.communicate(timeout=120)
    assert process.returncode == 0
    last = start + timedelta(days=DAYS - 1)
    alone = f"{last - timedelta(days=1):%b %d, %Y} - {last + timedelta(days=1):%b %d, %Y}"
    assert alone in spans(someone, "recordings")
    assert alone in spans(someone, "calls")
    assert someone.archived() == someone.truth()
    assert_all_closed(someone, start)


def test_links_do_not_wait_for_other_days(world: World, operator: NewOperator, directory: Destination) -> None:
    """Pages are asked for as the queue empties, whichever days they are of."""
    someone = operator(world, directory, dialect="paged", link_life=20, audio_latency=0.05)
    result = someone.runs(limits={"concurrency": 4})
    assert result.exit_code == 0, result.stderr
    assert result.summary["links_refreshed"] == 0
    assert someone.archived() == someone.truth()
    listings = [record.at for record in someone.sandbox.listings("recordings")]
    downloads = sorted(record.at for record in someone.sandbox.downloads())
    assert max(listings) > downloads[len(downloads) // 2]


def test_killed_in_the_middle_of_it(start: date, world: World, operator: NewOperator, directory: Destination) -> None:
    someone = operator(world, directory, dialect="paged", audio_latency=0.02)
    process = someone.starts(limits={"concurrency": 4})
    process.until(lambda: len(someone.sandbox.downloads()) > 8 * A_DAY)
    assert kill(process)[0] == -signal.SIGKILL
    result = someone.runs()
    assert result.exit_code == 0, result.stderr
    assert result.summary["already_archived"] > 0
    assert result.summary["archived"] + result.summary["already_archived"] == DAYS * A_DAY
    assert someone.archived() == someone.truth()
    assert_all_closed(someone, start)

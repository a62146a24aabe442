"""Which days a run lists, and before which day everything is closed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model import Window
from archiver.rules import windows

NOW = datetime(2026, 11, 21, 22, 30, tzinfo=UTC)
LOOKBACK = 3
RETAINED = [str(window) for window in windows.days(date(2026, 9, 22), date(2026, 11, 21))]


def days(found: list[Window]) -> list[str]:
    return [str(window) for window in found]


def november(*numbers: int) -> list[str]:
    return [f"2026-11-{number:02}" for number in numbers]


def shut(closed: Collection[str]) -> set[Window]:
    return {Window.of_day(date.fromisoformat(day)) for day in closed}


def moments(unsettled: Collection[str]) -> set[date]:
    return {date.fromisoformat(day) for day in unsettled}


def due(
    since: str | None, closed: Collection[str] = (), unsettled: Collection[str] = (), lookback: int = LOOKBACK
) -> list[str]:
    start = None if since is None else date.fromisoformat(since)
    return days(windows.due(NOW, start, lookback, shut(closed), moments(unsettled)))


def mark(since: str | None, closed: Collection[str] = (), unsettled: Collection[str] = ()) -> str:
    start = None if since is None else date.fromisoformat(since)
    found = windows.watermark(NOW, start, shut(closed), moments(unsettled))
    assert found == Window.of_day(found.date()).start, "the start of a UTC day"
    return found.date().isoformat()


@pytest.mark.parametrize(
    ("since", "closed", "unsettled", "expected"),
    [
        pytest.param("2026-11-16", (), (), november(*range(16, 22)), id="nothing was ever listed"),
        pytest.param(None, (), (), RETAINED, id="nor is a first day given"),
        pytest.param(
            "2026-11-10", november(*range(10, 18)), (), november(18, 19, 20, 21), id="all closed: the lookback"
        ),
        pytest.param(
            "2026-11-10", november(*range(10, 22)), (), november(18, 19, 20, 21), id="the lookback, closed or not"
        ),
        pytest.param(
            "2026-11-10", november(*range(10, 17)), (), november(*range(17, 22)), id="the day before it is open"
        ),
        pytest.param(
            "2026-11-10", november(10, 11, 13, 14, 15, 16, 17), (), november(12, 18, 19, 20, 21), id="a day in between"
        ),
        pytest.param(
            "2026-11-10", november(*range(12, 18)), (), november(10, 11, 18, 19, 20, 21), id="days before the first one"
        ),
        pytest.param(
            None, RETAINED[1:], (), [RETAINED[0], *november(18, 19, 20, 21)], id="the last day that the source has"
        ),
        pytest.param(
            "2026-11-10",
            november(*range(11, 18)),
            november(10),
            november(10, 18, 19, 20, 21),
            id="a requeue far back: its day, and not every day since",
        ),
        pytest.param(
            "2026-11-10",
            november(*range(10, 18)),
            november(12),
            november(12, 18, 19, 20, 21),
            id="an unsettled day in a closed window",
        ),
        pytest.param(
            "2026-11-10",
            november(*range(10, 18)),
            ["2019-02-28", "2026-01-01"],
            ["2019-02-28", "2026-01-01", *november(18, 19, 20, 21)],
            id="unsettled days before the first one and past retention",
        ),
        pytest.param(
            None,
            RETAINED,
            ["2026-09-21"],
            ["2026-09-21", *november(18, 19, 20, 21)],
            id="unsettled, a day past retention",
        ),
        pytest.param("2026-11-19", (), november(19, 20, 21), november(19, 20, 21), id="unsettled days are listed once"),
        pytest.param(
            "2026-11-10",
            november(*range(10, 18)),
            ["2026-11-22", "2031-01-01"],
            november(18, 19, 20, 21),
            id="a day to come is not listed yet",
        ),
        pytest.param("2026-11-20", (), (), november(20, 21), id="a first day within the lookback cuts it"),
        pytest.param("2026-11-21", (), (), november(21), id="today as the first day"),
        pytest.param("2027-01-01", (), (), november(21), id="a first day to come"),
        pytest.param(
            "2026-11-10", ["2026-11-09"], (), november(*range(10, 22)), id="closed before the first day is no matter"
        ),
    ],
)
def test_due(since: str | None, closed: list[str], unsettled: list[str], expected: list[str]) -> None:
    assert due(since, closed, unsettled) == expected


@pytest.mark.parametrize(
    ("lookback", "expected"), [(0, november(21)), (1, november(20, 21)), (7, november(*range(14, 22)))]
)
def test_the_lookback_is_listed_whatever_is_closed(lookback: int, expected: list[str]) -> None:
    everything = november(*range(1, 22))
    assert due("2026-11-01", everything, (), lookback) == expected


def test_a_window_that_is_no_day_closes_none() -> None:
    both = Window(Window.of_day(date(2026, 11, 10)).start, Window.of_day(date(2026, 11, 11)).end)
    found = windows.due(NOW, date(2026, 11, 10), LOOKBACK, {both}, set())
    assert days(found) == november(*range(10, 22))


def test_today_is_a_utc_day() -> None:
    india = datetime(2026, 11, 22, 3, 0, tzinfo=timezone(timedelta(hours=5, minutes=30)))  # 21:30 the day before
    assert days(windows.due(india, date(2026, 11, 1), 0, shut(november(*range(1, 21))), set())) == november(21)
    assert windows.first_day(india, None) == date(2026, 9, 22)
    assert windows.first_day(india, date(2026, 11, 22)) == date(2026, 11, 21)
    assert windows.watermark(india, date(2026, 11, 21), (), ()) == datetime(2026, 11, 21, tzinfo=UTC)
    assert windows.closable_before(india, 0) == datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (None, "2026-09-22"),
        ("2026-11-20", "2026-11-20"),
        ("2026-11-21", "2026-11-21"),
        ("2026-11-22", "2026-11-21"),
        ("2027-01-01", "2026-11-21"),
        ("2026-09-21", "2026-09-21"),
        ("2019-02-28", "2019-02-28"),
    ],
)
def test_first_day(since: str | None, expected: str) -> None:
    start = None if since is None else date.fromisoformat(since)
    assert windows.first_day(NOW, start) == date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("since", "closed", "unsettled", "expected"),
    [
        pytest.param("2026-11-10", (), (), "2026-11-10", id="nothing is closed"),
        pytest.param(None, (), (), "2026-09-22", id="nor is a first day given"),
        pytest.param("2026-11-10", november(*range(10, 18)), (), "2026-11-18", id="closed up to the lookback"),
        pytest.param("2026-11-10", november(10), (), "2026-11-11", id="one is closed"),
        pytest.param("2026-11-10", november(11, 12), (), "2026-11-10", id="the first is not"),
        pytest.param("2026-11-10", november(10, 11, 13, 14), (), "2026-11-12", id="never listed, or open: a gap"),
        pytest.param("2026-11-10", november(*range(10, 18)), november(14), "2026-11-14", id="an unsettled day"),
        pytest.param(
            "2026-11-10", november(*range(10, 18)), november(16, 14, 15), "2026-11-14", id="the oldest of them counts"
        ),
        pytest.param("2026-11-10", november(10, 12), november(14), "2026-11-11", id="a gap before an unsettled day"),
        pytest.param(
            "2026-11-10", november(10, 11, 12), november(11), "2026-11-11", id="an unsettled day before a gap"
        ),
        pytest.param(
            "2026-11-10", november(*range(10, 18)), ["2019-02-28"], "2019-02-28", id="unsettled before the first day"
        ),
        pytest.param("2026-11-10", november(*range(10, 22)), (), "2026-11-21", id="never past the start of today"),
        pytest.param(
            "2026-11-10", november(*range(10, 22)), ["2031-01-01"], "2026-11-21", id="nor for an unsettled day to come"
        ),
        pytest.param("2027-01-01", (), (), "2026-11-21", id="a first day to come"),
        pytest.param("2026-11-10", november(1, 2, 9), (), "2026-11-10", id="closed before the first day is no matter"),
        pytest.param(None, RETAINED[:30], (), RETAINED[30], id="from as far back as the source goes"),
    ],
)
def test_watermark(since: str | None, closed: list[str], unsettled: list[str], expected: str) -> None:
    assert mark(since, closed, unsettled) == expected


DAYS = st.dates(date(2026, 9, 1), date(2026, 11, 25))


@given(st.none() | DAYS, st.integers(0, 10), st.sets(DAYS), st.sets(DAYS))
def test_due_and_watermark_agree(since: date | None, lookback: int, closed: set[date], unsettled: set[date]) -> None:
    """Nothing that has to be listed is left out, and nothing before the watermark is anything but closed."""
    today, first = NOW.date(), windows.first_day(NOW, since)
    shut = {Window.of_day(day) for day in closed}
    listed = [window.day for window in windows.due(NOW, since, lookback, shut, unsettled)]
    assert listed == sorted(set(listed)), "oldest first, each once"
    recent = {day for n in range(lookback + 1) if (day := today - timedelta(days=n)) >= first}
    wanted = {window.day for window in windows.days(first, today)} - closed
    assert set(listed) == wanted | recent | {day for day in unsettled if day <= today}
    before = windows.watermark(NOW, since, shut, unsettled).date()
    assert before <= today
    assert not [day for day in unsettled if day < before]
    assert closed.issuperset(window.day for window in windows.days(first, before - timedelta(days=1)))
    assert before == today or before in unsettled or before not in closed


def test_days_include_both_ends() -> None:
    assert days(windows.days(date(2026, 2, 28), date(2026, 3, 1))) == ["2026-02-28", "2026-03-01"]
    assert windows.days(date(2026, 3, 1), date(2026, 2, 28)) == []


def test_a_window_is_half_open() -> None:
    window = Window.of_day(date(2026, 11, 21))
    assert window.start in window
    assert window.end not in window
    assert window.end - timedelta(microseconds=1) in window


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("UTC", date(2026, 11, 20), date(2026, 11, 22)),
        ("Asia/Kolkata", date(2026, 11, 20), date(2026, 11, 23)),
        ("America/Los_Angeles", date(2026, 11, 19), date(2026, 11, 22)),
    ],
)
def test_asked_a_day_wider_on_both_sides(zone: str, first: date, last: date) -> None:
    assert windows.asked_days(Window.of_day(date(2026, 11, 21)), ZoneInfo(zone)) == (first, last)


def test_settled_when_the_lookback_is_over() -> None:
    assert windows.closable_before(NOW, 3) == datetime(2026, 11, 18, tzinfo=UTC)


def together(first: str, count: int, most: int, lookback: int = LOOKBACK) -> list[str]:
    start = date.fromisoformat(first)
    stretch = windows.days(start, start + timedelta(days=count - 1))
    return days(list(windows.listed_together(stretch, most, NOW, lookback)))


def test_settled_days_are_listed_together() -> None:
    assert together("2026-11-01", 9, most=4) == november(1, 2, 3, 4)
    assert together("2026-11-01", 3, most=31) == november(1, 2, 3)
    assert together("2026-11-01", 9, most=1) == november(1)


@pytest.mark.parametrize(("lookback", "last"), [(3, 17), (1, 19), (0, 19)])
def test_days_that_may_still_move_are_not(lookback: int, last: int) -> None:
    """Neither those of the lookback nor those of which a neighbour, which is asked for too, is not over."""
    assert together("2026-11-12", 10, most=31, lookback=lookback) == november(*range(12, last + 1))
    assert together(f"2026-11-{last + 1}", 3, most=31, lookback=lookback) == november(last + 1)


def test_days_with_a_gap_between_them_are_not() -> None:
    stretch = [Window.of_day(date(2026, 11, number)) for number in (1, 2, 4, 5)]
    assert days(list(windows.listed_together(stretch, 31, NOW, LOOKBACK))) == november(1, 2)


def test_days_about_to_be_lost_are_not() -> None:
    """Several days come newest first."""
    lost = (NOW - windows.SOURCE_RETENTION).date()
    alone = [str(lost + timedelta(days=n)) for n in range(4)]
    assert [together(day, 9, most=31) for day in alone] == [[day] for day in alone]
    assert len(together(str(lost + timedelta(days=4)), 9, most=31)) == 9


def test_as_many_days_as_have_rows_that_fit() -> None:
    assert windows.most_together(1, 0) == 4, "what the next days have is only guessed at"
    assert windows.most_together(4, 3000) == 16
    assert windows.most_together(16, 9000) == windows.DAYS_TOGETHER
    assert windows.most_together(1, 30_000) == 3, "10,000 a day, and two days more than are listed"
    assert windows.most_together(3, 50_000) == 3
    assert windows.most_together(1, 3 * windows.ROWS_TOGETHER) == 1


@given(listed=st.integers(1, 31), rows=st.integers(0, 10**7))
def test_a_listing_of_that_many_has_no_more_rows_if_days_stay_alike(listed: int, rows: int) -> None:
    most = windows.most_together(listed, rows)
    assert 1 <= most <= windows.DAYS_TOGETHER
    assert most == 1 or (most + 2) * rows <= windows.ROWS_TOGETHER * (listed + 2)

"""Which days a run lists."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from archiver.model import Window
from archiver.rules import windows

NOW = datetime(2026, 11, 21, 22, 30, tzinfo=UTC)


def days(found: list[Window]) -> list[str]:
    return [str(window) for window in found]


def due(watermark: datetime | None, since: date | None = None, closed: tuple[str, ...] = ()) -> list[str]:
    first = windows.first_due(NOW, watermark, since, 3)
    shut = {Window.of_day(date.fromisoformat(day)) for day in closed}
    return days(windows.scheduled(NOW, first, shut, 3))


def test_from_the_watermark_if_that_is_earlier_than_the_lookback() -> None:
    watermark = datetime(2026, 11, 16, tzinfo=UTC)
    assert due(watermark) == [f"2026-11-{day}" for day in range(16, 22)]


def test_from_the_lookback_if_everything_is_closed() -> None:
    watermark = datetime(2026, 11, 20, tzinfo=UTC)
    assert due(watermark) == [f"2026-11-{day}" for day in range(18, 22)]


def test_from_since_without_a_watermark() -> None:
    assert due(None, date(2026, 11, 20)) == ["2026-11-20", "2026-11-21"]
    assert due(None, date(2027, 1, 1)) == ["2026-11-21"]


def test_as_far_as_the_source_goes_back_without_either() -> None:
    found = due(None)
    assert len(found) == 61
    assert found[0] == "2026-09-22"


def test_closed_windows_are_left_out_but_for_the_lookback() -> None:
    """As after a requeue far back: its day is listed again, and not every day since."""
    watermark = datetime(2026, 11, 10, tzinfo=UTC)
    closed = tuple(f"2026-11-{day}" for day in range(11, 20))
    assert due(watermark, None, closed) == ["2026-11-10", *(f"2026-11-{day}" for day in range(18, 22))]


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
    assert windows.settled_before(NOW, 3) == datetime(2026, 11, 18, tzinfo=UTC)

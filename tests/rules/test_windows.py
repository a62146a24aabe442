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


def test_from_the_watermark_if_that_is_earlier_than_the_lookback() -> None:
    watermark = datetime(2026, 11, 16, tzinfo=UTC)
    assert days(windows.scheduled(NOW, watermark, None, 3)) == [f"2026-11-{day}" for day in range(16, 22)]


def test_from_the_lookback_if_everything_is_closed() -> None:
    watermark = datetime(2026, 11, 20, tzinfo=UTC)
    assert days(windows.scheduled(NOW, watermark, None, 3)) == [f"2026-11-{day}" for day in range(18, 22)]


def test_from_since_without_a_watermark() -> None:
    assert days(windows.scheduled(NOW, None, date(2026, 11, 20), 3)) == ["2026-11-20", "2026-11-21"]
    assert days(windows.scheduled(NOW, None, date(2027, 1, 1), 3)) == ["2026-11-21"]


def test_as_far_as_the_source_goes_back_without_either() -> None:
    found = windows.scheduled(NOW, None, None, 3)
    assert len(found) == 61
    assert str(found[0]) == "2026-09-22"


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

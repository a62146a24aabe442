"""Which windows a run lists: UTC days, from the watermark or the lookback, whichever is earlier, to today."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta, tzinfo

from archiver.model import Window

SOURCE_RETENTION = timedelta(days=60)
"""How long the source keeps recordings within reach (provider documentation)."""


def days(first: date, last: date) -> list[Window]:
    """The UTC days from ``first`` to ``last``, both included, oldest first; none if ``last`` is before ``first``."""
    return [Window.of_day(first + timedelta(days=n)) for n in range((last - first).days + 1)]


def first_due(now: datetime, watermark: datetime | None, since: date | None, lookback_days: int) -> date:
    """The first day that a run without dates may have to list.

    ``since`` counts while there is no watermark; without either, the run goes back as far as the source does.
    """
    today = now.astimezone(UTC).date()
    lookback = today - timedelta(days=lookback_days)
    if watermark is not None:
        return min(watermark.astimezone(UTC).date(), lookback)
    return today - SOURCE_RETENTION if since is None else min(since, today)


def scheduled(now: datetime, first: date, closed: Collection[Window], lookback_days: int) -> list[Window]:
    """The windows of a run without dates, oldest first: those nearest to being lost at the source come first.

    Everything from ``first`` to today that is not closed, and the lookback, closed or not.
    """
    today = now.astimezone(UTC).date()
    settled = settled_before(now, lookback_days)
    return [window for window in days(first, today) if window.start >= settled or window not in closed]


def settled_before(now: datetime, lookback_days: int) -> datetime:
    """Windows that ended by this time have been listed for the whole lookback: they may close."""
    return Window.of_day(now.astimezone(UTC).date() - timedelta(days=lookback_days)).start


def lost_at(created_at: datetime) -> datetime:
    """When the source will no longer have a recording of this time."""
    return created_at + SOURCE_RETENTION


def asked_days(window: Window, zone: tzinfo) -> tuple[date, date]:
    """First and last day to ask the source for, as its filter takes them.

    A day wider than the window on both sides, seen from ``zone``: nobody has said in which zone the filter's days
    begin, or whether the last one is included. What lies outside is left out by its timestamp.
    """
    first = window.start.astimezone(zone).date()
    last = (window.end - timedelta(microseconds=1)).astimezone(zone).date()
    return first - timedelta(days=1), last + timedelta(days=1)

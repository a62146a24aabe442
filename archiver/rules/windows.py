"""Which windows a run lists: UTC days that are not closed, the lookback, and days with something open in them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise

from archiver.model import Window

SOURCE_RETENTION = timedelta(days=60)
"""How long the source keeps recordings within reach (provider documentation)."""


ROWS_TOGETHER = 50_000
"""Rows that one listing of several windows may have: three minutes of the limit, and what tells them apart 20 MB."""
DAYS_TOGETHER = 31
URGENT = timedelta(days=3)
"""This close to being lost at the source, a day is listed by itself: several come newest first."""


def days(first: date, last: date) -> list[Window]:
    """The UTC days from ``first`` to ``last``, both included, oldest first; none if ``last`` is before ``first``."""
    return [Window.of_day(first + timedelta(days=n)) for n in range((last - first).days + 1)]


def due(
    now: datetime, since: date | None, lookback_days: int, closed: Collection[Window], unsettled: Collection[date]
) -> list[Window]:
    """The windows of a run without dates, oldest first: those nearest to being lost at the source come first.

    Every day since ``since`` (None: since the source can still tell) that is not closed, or that lies in the lookback;
    and each day of ``unsettled``, however old.
    """
    today = now.astimezone(UTC).date()
    settled = closable_before(now, lookback_days)
    listed = {
        window for window in days(first_day(now, since), today) if window.start >= settled or window not in closed
    }
    return sorted(listed | {Window.of_day(day) for day in unsettled if day <= today})


def first_day(now: datetime, since: date | None) -> date:
    """The first day that has to be archived: ``since``, or else as far back as the source goes."""
    today = now.astimezone(UTC).date()
    return today - SOURCE_RETENTION if since is None else min(since, today)


def watermark(now: datetime, since: date | None, closed: Collection[Window], unsettled: Collection[date]) -> datetime:
    """Before it every window is closed."""
    today = now.astimezone(UTC).date()
    open_days = [window.day for window in days(first_day(now, since), today) if window not in closed]
    return Window.of_day(min([*open_days, *unsettled, today])).start


def closable_before(now: datetime, lookback_days: int) -> datetime:
    """Windows that ended by this time have been listed for the whole lookback: they may close."""
    return Window.of_day(now.astimezone(UTC).date() - timedelta(days=lookback_days)).start


def listed_together(windows: Sequence[Window], most: int, now: datetime, lookback_days: int) -> Sequence[Window]:
    """The first of ``windows`` (oldest first), with those behind it that one listing can serve: up to ``most``, without
    a gap between them.

    None that may still move: they can be closed by ``now``, and so are over with the day after them, which is asked for
    as well.
    """
    still = min(closable_before(now, lookback_days), closable_before(now, 1))
    together = 1
    if windows[0].end <= still and lost_at(windows[0].start) > now + URGENT:
        for before, window in pairwise(windows[:most]):
            if window.start != before.end or window.end > still:
                break
            together += 1
    return windows[:together]


def most_together(listed: int, rows: int) -> int:
    """How many windows the next listing may serve, as far as can be known from one of ``listed`` windows: its ``rows``
    are of two days more.
    """
    days_of_rows = ROWS_TOGETHER * (listed + 2) // max(1, rows)
    return max(1, min(days_of_rows - 2, 4 * listed, DAYS_TOGETHER))


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

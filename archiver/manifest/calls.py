"""What of each day's call log the bucket holds: an index of its parts, so that an unchanged day costs no read."""

from __future__ import annotations

from datetime import date, datetime

from archiver.manifest import windows
from archiver.manifest.columns import Connection, Values, moment, replacement, words
from archiver.manifest.interface import CallDay
from archiver.model import Window

_ALL = "SELECT day, parts, row_count, listing, union_digest, agreed, reason FROM call_days ORDER BY day"
_ONE = "SELECT day, parts, row_count, listing, union_digest, agreed, reason FROM call_days WHERE day = :day"
_KEEP = replacement(
    "call_days", "day", ("day", "parts", "row_count", "listing", "union_digest", "agreed", "reason", "noted_at")
)


def note(connection: Connection, at: datetime, call_day: CallDay) -> None:
    """Keep what is known of a day's calls, in place of what was; one that did not agree reopens its closed window."""
    values: Values = {
        "day": call_day.day.isoformat(),
        "parts": call_day.parts,
        "row_count": call_day.rows,
        "listing": call_day.listing,
        "union_digest": call_day.union,
        "agreed": call_day.agreed,
        "reason": words(call_day.reason),
        "noted_at": moment(at),
    }
    connection.execute(_KEEP, values)
    if not call_day.agreed:
        windows.reopen_for(connection, [Window.of_day(call_day.day).start], at)


def one(connection: Connection, day: date) -> CallDay | None:
    """A day, or None."""
    row = connection.execute(_ONE, {"day": day.isoformat()}).fetchone()
    return None if row is None else _call_day(*row)


def every(connection: Connection) -> list[CallDay]:
    """All days, oldest first."""
    return [_call_day(*row) for row in connection.execute(_ALL)]


def _call_day(day: str, parts: int, rows: int, listing: str, union: str, agreed: int, reason: str) -> CallDay:
    return CallDay(date.fromisoformat(day), parts, rows, listing, union, bool(agreed), reason)

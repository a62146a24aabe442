"""What of each day's call log the bucket holds: an index of its parts, so that an unchanged day costs no read."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from archiver.manifest import windows
from archiver.manifest.interface import CallDay
from archiver.manifest.schema import call_days
from archiver.model import Window

_ALL = select(call_days).order_by(call_days.c.day)
_ONE = select(call_days).where(call_days.c.day == bindparam("wanted"))
_CHANGE = update(call_days).where(call_days.c.day == bindparam("of"))
_ADD = insert(call_days).inline()


def note(connection: Connection, at: datetime, call_day: CallDay) -> None:
    """Keep what is known of a day's calls, in place of what was; one that did not agree reopens its closed window."""
    values = {
        "parts": call_day.parts,
        "row_count": call_day.rows,
        "listing": call_day.listing,
        "union_digest": call_day.union,
        "agreed": call_day.agreed,
        "reason": call_day.reason,
        "noted_at": at,
    }
    if not connection.execute(_CHANGE, {"of": call_day.day, **values}).rowcount:
        connection.execute(_ADD, {"day": call_day.day, **values})
    if not call_day.agreed:
        windows.reopen_for(connection, [Window.of_day(call_day.day).start], at)


def one(connection: Connection, day: date) -> CallDay | None:
    """A day, or None."""
    row = connection.execute(_ONE, {"wanted": day}).first()
    return None if row is None else _call_day(row)


def every(connection: Connection) -> list[CallDay]:
    """All days, oldest first."""
    return [_call_day(row) for row in connection.execute(_ALL)]


def _call_day(row: Row[tuple[object, ...]]) -> CallDay:
    return CallDay(row.day, row.parts, row.row_count, row.listing, row.union_digest, row.agreed, row.reason)

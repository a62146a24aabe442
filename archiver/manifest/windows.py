"""Windows: what their last listing ended with, which are closed, how far everything is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime

from sqlalchemy import Connection, Row, and_, bindparam, exists, func, insert, not_, or_, select, update

from archiver.manifest.interface import Entry, ListedWindow
from archiver.manifest.rows import ENTRY, entry_of
from archiver.manifest.schema import IS_OPEN, IS_UNFINISHED, recordings, windows
from archiver.model import Window

_THIS = and_(windows.c.start_at == bindparam("from_"), windows.c.end_at == bindparam("to"))
_OPEN_INSIDE = exists().where(
    IS_OPEN, recordings.c.created_at >= windows.c.start_at, recordings.c.created_at < windows.c.end_at
)
UNFINISHED_INSIDE = exists().where(
    IS_UNFINISHED, recordings.c.created_at >= windows.c.start_at, recordings.c.created_at < windows.c.end_at
)
COMPLETE = and_(windows.c.agreed, windows.c.rows_unreadable == 0)
"""What the last listing of a window must have been for it to be closed."""

_RELIST = (
    update(windows)
    .where(_THIS)
    .values(whole_at=func.coalesce(windows.c.whole_at, bindparam("now", type_=windows.c.whole_at.type)))
)
_ADD = insert(windows).inline()
_UNCLOSE = update(windows).where(windows.c.closed_at.is_not(None))
_REOPEN = _UNCLOSE.where(
    windows.c.start_at <= bindparam("last"), windows.c.end_at > bindparam("first"), _OPEN_INSIDE
).values(closed_at=None, reopened_at=bindparam("now"))
_REOPEN_AT = _UNCLOSE.where(windows.c.start_at <= bindparam("moment"), windows.c.end_at > bindparam("moment")).values(
    closed_at=None, reopened_at=bindparam("now")
)
_LISTED_WHOLE = select(windows.c.start_at, windows.c.end_at).where(
    windows.c.whole_at.is_not(None), windows.c.start_at <= bindparam("last"), windows.c.end_at > bindparam("first")
)
_REOPEN_DOUBTED = _UNCLOSE.where(_THIS, not_(COMPLETE)).values(closed_at=None, reopened_at=bindparam("now"))
_CLOSE = (
    update(windows)
    .where(_THIS, windows.c.closed_at.is_(None), COMPLETE, not_(UNFINISHED_INSIDE))
    .values(closed_at=bindparam("now"))
)
_UNCLOSED = select(windows.c.start_at).where(windows.c.closed_at.is_(None))
_OPEN_DAYS = select(recordings.c.day).where(IS_OPEN).distinct()
_CLOSED = select(windows.c.start_at, windows.c.end_at).where(
    windows.c.start_at >= bindparam("first"), windows.c.closed_at.is_not(None)
)
_UNAGREED = (
    select(windows)
    .where(or_(not_(windows.c.agreed), windows.c.rows_unreadable > 0))
    .order_by(windows.c.start_at, windows.c.end_at)
)
_OPEN_ENTRIES = (
    select(*ENTRY)
    .where(IS_OPEN, recordings.c.created_at >= bindparam("from_"), recordings.c.created_at < bindparam("to"))
    .order_by(recordings.c.created_at, recordings.c.id)
)


def note(connection: Connection, run_id: str, at: datetime, listed: ListedWindow) -> None:
    """Keep how the listing ended; a closed window of which it leaves doubts is reopened."""
    this = {"from_": listed.window.start, "to": listed.window.end}
    values = {
        "last_listed_at": at,
        "last_listed_run": run_id,
        "agreed": listed.agreed,
        "reason": listed.reason,
        "unique_rows": listed.unique,
        "rows_unreadable": listed.rows_unreadable,
    }
    whole_at = at if listed.whole and listed.agreed else None
    if connection.execute(_RELIST, this | values | {"now": whole_at}).rowcount:
        connection.execute(_REOPEN_DOUBTED, {**this, "now": at})
        return
    first = {"start_at": listed.window.start, "end_at": listed.window.end, "first_listed_at": at}
    connection.execute(_ADD, {**first, "whole_at": whole_at, **values})


def reopen(connection: Connection, first: datetime, last: datetime, at: datetime) -> None:
    """Reopen each closed window between these source times in which something is open."""
    connection.execute(_REOPEN, {"first": first, "last": last, "now": at})


def reopen_for(connection: Connection, moments: Collection[datetime], at: datetime) -> None:
    """Reopen the closed windows in which these source times lie: what is said of them is not true any more."""
    if moments:
        connection.execute(_REOPEN_AT, [{"moment": moment, "now": at} for moment in sorted(set(moments))])


def listed_whole(connection: Connection, first: datetime, last: datetime) -> list[Window]:
    """Windows between these source times that were listed with agreement after their end."""
    return [Window(start, end) for start, end in connection.execute(_LISTED_WHOLE, {"first": first, "last": last})]


def close(connection: Connection, candidates: Sequence[Window], at: datetime) -> list[Window]:
    """Close what can be closed; the windows closed now, in the order given."""
    return [
        window
        for window in candidates
        if connection.execute(_CLOSE, {"from_": window.start, "to": window.end, "now": at}).rowcount
    ]


def unsettled(connection: Connection) -> set[date]:
    """Days of unclosed windows and of open recordings."""
    days = {start.date() for (start,) in connection.execute(_UNCLOSED)}
    return days | {day for (day,) in connection.execute(_OPEN_DAYS)}


def closed(connection: Connection, first: datetime) -> set[Window]:
    """Closed windows that start at ``first`` or later."""
    return {Window(start, end) for start, end in connection.execute(_CLOSED, {"first": first})}


def unagreed(connection: Connection) -> list[ListedWindow]:
    """Windows whose last listing leaves doubts, oldest first."""
    return [_listed(row) for row in connection.execute(_UNAGREED)]


def _listed(row: Row[tuple[object, ...]]) -> ListedWindow:
    return ListedWindow(Window(row.start_at, row.end_at), row.agreed, row.reason, row.unique_rows, row.rows_unreadable)


def open_entries(connection: Connection, window: Window) -> list[Entry]:
    """Open entries of the window, oldest first."""
    return [entry_of(row) for row in connection.execute(_OPEN_ENTRIES, {"from_": window.start, "to": window.end})]

"""Windows: what their last listing ended with, which are closed, how far everything is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime

from archiver.manifest.columns import Connection, Values, assignments, insertion, moment, moment_of, one_of, words
from archiver.manifest.interface import Entry, ListedWindow
from archiver.manifest.rows import ENTRY, IS_OPEN, entry_of
from archiver.model import Window
from archiver.rules.lifecycle import State

_IS_UNFINISHED = one_of("state", (state for state in State if state.is_open or state is State.FAILED))
"""What keeps its window from being closed."""
_INSIDE = (
    "EXISTS (SELECT * FROM recordings WHERE {} AND created_at >= windows.start_at AND created_at < windows.end_at)"
)
_OPEN_INSIDE = _INSIDE.format(IS_OPEN)
UNFINISHED_INSIDE = _INSIDE.format(_IS_UNFINISHED)
COMPLETE = "(agreed AND rows_unreadable = 0)"
"""What the last listing of a window must have been for it to be closed."""
THIS = "start_at = :start_at AND end_at = :end_at"

_AS_LISTED = ("last_listed_at", "last_listed_run", "agreed", "reason", "unique_rows", "rows_unreadable")
_RELIST = f"UPDATE windows SET {assignments(_AS_LISTED)}, whole_at = coalesce(whole_at, :whole_at) WHERE {THIS}"
_ADD = insertion("windows", ("start_at", "end_at", "first_listed_at", "whole_at", *_AS_LISTED))
_REOPEN_IF = "UPDATE windows SET closed_at = NULL, reopened_at = :now WHERE closed_at IS NOT NULL AND {}"
_REOPEN = _REOPEN_IF.format(f"start_at <= :last AND end_at > :first AND {_OPEN_INSIDE}")
_REOPEN_AT = _REOPEN_IF.format("start_at <= :moment AND end_at > :moment")
_REOPEN_DOUBTED = _REOPEN_IF.format(f"{THIS} AND NOT {COMPLETE}")
_LISTED_WHOLE = (
    "SELECT start_at, end_at FROM windows WHERE whole_at IS NOT NULL AND start_at <= :last AND end_at > :first"
)
_CLOSE = f"""
    UPDATE windows SET closed_at = :now
    WHERE {THIS} AND closed_at IS NULL AND {COMPLETE} AND NOT {UNFINISHED_INSIDE}
"""
_UNCLOSED = "SELECT start_at FROM windows WHERE closed_at IS NULL"
_OPEN_DAYS = f"SELECT DISTINCT day FROM recordings WHERE {IS_OPEN}"
_CLOSED = "SELECT start_at, end_at FROM windows WHERE start_at >= :first AND closed_at IS NOT NULL"
_UNAGREED = f"""
    SELECT start_at, end_at, agreed, reason, unique_rows, rows_unreadable FROM windows
    WHERE NOT {COMPLETE} ORDER BY start_at, end_at
"""
_OPEN_ENTRIES = f"""
    SELECT {ENTRY} FROM recordings
    WHERE {IS_OPEN} AND created_at >= :start_at AND created_at < :end_at ORDER BY created_at, id
"""


def span(window: Window) -> Values:
    """What names a window in a statement."""
    return {"start_at": moment(window.start), "end_at": moment(window.end)}


def window_of(start_at: str, end_at: str) -> Window:
    """The window of a row."""
    return Window(moment_of(start_at), moment_of(end_at))


def note(connection: Connection, run_id: str, at: datetime, listed: ListedWindow) -> None:
    """Keep how the listing ended; a closed window of which it leaves doubts is reopened."""
    this = span(listed.window)
    values = {
        **this,
        "last_listed_at": moment(at),
        "last_listed_run": run_id,
        "agreed": listed.agreed,
        "reason": words(listed.reason),
        "unique_rows": listed.unique,
        "rows_unreadable": listed.rows_unreadable,
        "whole_at": moment(at) if listed.whole and listed.agreed else None,
    }
    if connection.execute(_RELIST, values).rowcount:
        connection.execute(_REOPEN_DOUBTED, {**this, "now": moment(at)})
        return
    connection.execute(_ADD, {**values, "first_listed_at": moment(at)})


def reopen(connection: Connection, first: datetime, last: datetime, at: datetime) -> None:
    """Reopen each closed window between these source times in which something is open."""
    connection.execute(_REOPEN, {"first": moment(first), "last": moment(last), "now": moment(at)})


def reopen_for(connection: Connection, moments: Collection[datetime], at: datetime) -> None:
    """Reopen the closed windows in which these source times lie: what is said of them is not true any more."""
    now = moment(at)
    connection.executemany(_REOPEN_AT, [{"moment": moment(each), "now": now} for each in sorted(set(moments))])


def listed_whole(connection: Connection, first: datetime, last: datetime) -> list[Window]:
    """Windows between these source times that were listed with agreement after their end."""
    return [
        window_of(*row) for row in connection.execute(_LISTED_WHOLE, {"first": moment(first), "last": moment(last)})
    ]


def close(connection: Connection, candidates: Sequence[Window], at: datetime) -> list[Window]:
    """Close what can be closed; the windows closed now, in the order given."""
    return [window for window in candidates if connection.execute(_CLOSE, {**span(window), "now": moment(at)}).rowcount]


def unsettled(connection: Connection) -> set[date]:
    """Days of unclosed windows and of open recordings."""
    days = {moment_of(start).date() for (start,) in connection.execute(_UNCLOSED)}
    return days | {date.fromisoformat(day) for (day,) in connection.execute(_OPEN_DAYS)}


def closed(connection: Connection, first: datetime) -> set[Window]:
    """Closed windows that start at ``first`` or later."""
    return {window_of(*row) for row in connection.execute(_CLOSED, {"first": moment(first)})}


def unagreed(connection: Connection) -> list[ListedWindow]:
    """Windows whose last listing leaves doubts, oldest first."""
    return [
        ListedWindow(window_of(start_at, end_at), bool(agreed), reason, unique, unreadable)
        for start_at, end_at, agreed, reason, unique, unreadable in connection.execute(_UNAGREED)
    ]


def open_entries(connection: Connection, window: Window) -> list[Entry]:
    """Open entries of the window, oldest first."""
    return [entry_of(row) for row in connection.execute(_OPEN_ENTRIES, span(window))]

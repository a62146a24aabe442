"""Days as they close: the standings of their recordings, and the documents that were written of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Connection, Row, bindparam, insert, not_, select, update

from archiver.manifest.interface import WindowRecord
from archiver.manifest.schema import periods, recordings, windows
from archiver.manifest.windows import COMPLETE, UNFINISHED_INSIDE
from archiver.model import Digest, Window
from archiver.rules.lifecycle import State
from archiver.rules.period import Filed, Reference, Standing

PAGE = 500

_STANDINGS = (
    select(
        recordings.c.id,
        recordings.c.created_at,
        recordings.c.duration,
        recordings.c.state,
        recordings.c.reason,
        recordings.c.first_listed_at,
        recordings.c.last_listed_at,
        recordings.c.last_listed_run,
        recordings.c.listed_day,
        recordings.c.late,
        recordings.c.vanished_at,
        recordings.c.row_changed_at,
        recordings.c.doubt,
    )
    .where(recordings.c.day == bindparam("on"), recordings.c.id > bindparam("after"))
    .order_by(recordings.c.id)
    .limit(PAGE)
)
_WINDOWS = select(windows).order_by(windows.c.start_at, windows.c.end_at)
_CLOSABLE = select(windows).where(
    windows.c.start_at == bindparam("from_"), windows.c.end_at == bindparam("to"), COMPLETE, not_(UNFINISHED_INSIDE)
)
_FILED = select(periods).order_by(periods.c.number, periods.c.key)
_FILED_OF = _FILED.where(periods.c.day == bindparam("on"))
_REFILE = update(periods).where(periods.c.key == bindparam("of"))
_FILE = insert(periods).inline()
_ADD_WINDOW = insert(windows).inline()
_RESTORE_STANDING = update(recordings).where(
    recordings.c.id == bindparam("of"),
    recordings.c.state == bindparam("expected"),
    recordings.c.first_listed_at.is_(None),
)


def standings(connection: Connection, day: date, after: str) -> list[Standing]:
    """The next ``PAGE`` recordings of the day, behind the id ``after``."""
    return [
        Standing(row[0], row[1], row[2], State(row[3]), *row[4:])
        for row in connection.execute(_STANDINGS, {"on": day, "after": after})
    ]


def records(connection: Connection) -> list[WindowRecord]:
    """Every window that was ever listed, oldest first."""
    return [_record(row) for row in connection.execute(_WINDOWS)]


def closable(connection: Connection, candidates: Sequence[Window]) -> list[WindowRecord]:
    """Those that are closed, or can be; in the order given."""
    found = []
    for window in candidates:
        row = connection.execute(_CLOSABLE, {"from_": window.start, "to": window.end}).first()
        found += [] if row is None else [_record(row)]
    return found


def filed(connection: Connection, day: date | None) -> list[Filed]:
    """The documents of a day, or all; in the order of the chain."""
    rows = connection.execute(_FILED) if day is None else connection.execute(_FILED_OF, {"on": day})
    return [_filed(row) for row in rows]


def file(connection: Connection, documents: Sequence[Filed]) -> None:
    """Take documents in that lie in the bucket."""
    for document in documents:
        values = {
            "day": document.day,
            "number": document.number,
            "digest": str(document.digest),
            "previous": [reference.to_json() for reference in document.previous],
            "account": document.account,
            "closed_at": document.closed_at,
            "run_id": document.run_id,
        }
        if not connection.execute(_REFILE, {"of": document.key, **values}).rowcount:
            connection.execute(_FILE, {"key": document.key, **values})


def restore_window(connection: Connection, record: WindowRecord, unique: int, run_id: str) -> None:
    """Take a window in that is not known."""
    values = {
        "start_at": record.window.start,
        "end_at": record.window.end,
        "first_listed_at": record.first_listed_at,
        "last_listed_at": record.last_listed_at,
        "last_listed_run": run_id,
        "agreed": record.agreed,
        "reason": record.reason,
        "unique_rows": unique,
        "rows_unreadable": record.rows_unreadable,
        "whole_at": record.whole_at,
        "closed_at": record.closed_at,
    }
    connection.execute(_ADD_WINDOW, values)


def restore_standings(connection: Connection, standings: Sequence[Standing]) -> None:
    """What was noticed of recordings that were restored and not listed since; nothing for any other."""
    values = [
        {
            "of": standing.id,
            "expected": standing.state.value,
            "duration": standing.duration,
            "first_listed_at": standing.first_seen,
            "last_listed_at": standing.last_seen,
            "late": standing.late,
            "vanished_at": standing.vanished_at,
            "row_changed_at": standing.changed_at,
            "doubt": standing.doubt,
        }
        for standing in standings
    ]
    if values:
        connection.execute(_RESTORE_STANDING, values)


def _record(row: Row[tuple[object, ...]]) -> WindowRecord:
    return WindowRecord(
        window=Window(row.start_at, row.end_at),
        first_listed_at=row.first_listed_at,
        whole_at=row.whole_at,
        last_listed_at=row.last_listed_at,
        agreed=row.agreed,
        reason=row.reason,
        rows_unreadable=row.rows_unreadable,
        closed_at=row.closed_at,
    )


def _filed(row: Row[tuple[object, ...]]) -> Filed:
    previous = tuple(Reference(each["key"], Digest("sha256", each["sha256"])) for each in row.previous)
    return Filed(
        row.key, row.day, row.number, Digest.parse(row.digest), previous, row.account, row.closed_at, row.run_id
    )

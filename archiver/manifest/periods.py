"""Days as they close: the standings of their recordings, and the documents that were written of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from archiver.manifest.columns import (
    Connection,
    Value,
    identifier,
    identifier_of,
    insertion,
    json_of,
    moment,
    moment_of,
    moment_or_none,
    replacement,
    to_json,
    words,
)
from archiver.manifest.interface import WindowRecord
from archiver.manifest.windows import COMPLETE, THIS, UNFINISHED_INSIDE, span, window_of
from archiver.model import Digest, Window
from archiver.rules.lifecycle import State
from archiver.rules.period import Filed, Reference, Standing

PAGE = 500

_STANDINGS = """
    SELECT id, created_at, duration, state, reason, first_listed_at, last_listed_at, last_listed_run, listed_day, late,
        vanished_at, row_changed_at, doubt
    FROM recordings WHERE day = :day AND id > :after ORDER BY id LIMIT :size
"""
_WINDOW = "start_at, end_at, first_listed_at, whole_at, last_listed_at, agreed, reason, rows_unreadable, closed_at"
_WINDOWS = f"SELECT {_WINDOW} FROM windows ORDER BY start_at, end_at"
_CLOSABLE = f"SELECT {_WINDOW} FROM windows WHERE {THIS} AND {COMPLETE} AND NOT {UNFINISHED_INSIDE}"
_DOCUMENT = ("key", "day", "number", "digest", "previous", "account", "closed_at", "run_id")
_FILED = f"SELECT {', '.join(_DOCUMENT)} FROM periods ORDER BY number, key"
_FILED_OF = f"SELECT {', '.join(_DOCUMENT)} FROM periods WHERE day = :day ORDER BY number, key"
_FILE = replacement("periods", "key", _DOCUMENT)
_RESTORE_STANDING = """
    UPDATE recordings SET
        duration = :duration, first_listed_at = :first_listed_at, last_listed_at = :last_listed_at, late = :late,
        vanished_at = :vanished_at, row_changed_at = :row_changed_at, doubt = :doubt
    WHERE id = :of AND state = :expected AND first_listed_at IS NULL
"""


def standings(connection: Connection, day: date, after: str) -> list[Standing]:
    """The next ``PAGE`` recordings of the day, behind the id ``after``."""
    found = connection.execute(_STANDINGS, {"day": day.isoformat(), "after": identifier(after), "size": PAGE})
    return [_standing(row) for row in found]


def _standing(row: Sequence[Any]) -> Standing:
    (
        recording_id, created_at, duration, state, reason, first_seen, last_seen, last_run, listed_day, late,
        vanished_at, changed_at, doubt,
    ) = row  # fmt: skip
    return Standing(
        identifier_of(recording_id),
        moment_of(created_at),
        duration,
        State(state),
        reason,
        moment_or_none(first_seen),
        moment_or_none(last_seen),
        last_run,
        None if listed_day is None else date.fromisoformat(listed_day),
        bool(late),
        moment_or_none(vanished_at),
        moment_or_none(changed_at),
        doubt,
    )


def records(connection: Connection) -> list[WindowRecord]:
    """Every window that was ever listed, oldest first."""
    return [_record(*row) for row in connection.execute(_WINDOWS)]


def closable(connection: Connection, candidates: Sequence[Window]) -> list[WindowRecord]:
    """Those that are closed, or can be; in the order given."""
    found = (connection.execute(_CLOSABLE, span(window)).fetchone() for window in candidates)
    return [_record(*row) for row in found if row is not None]


def filed(connection: Connection, day: date | None) -> list[Filed]:
    """The documents of a day, or all; in the order of the chain."""
    rows = connection.execute(_FILED) if day is None else connection.execute(_FILED_OF, {"day": day.isoformat()})
    return [_filed(*row) for row in rows]


def file(connection: Connection, documents: Sequence[Filed]) -> None:
    """Take documents in that lie in the bucket."""
    values = [
        {
            "key": document.key,
            "day": document.day.isoformat(),
            "number": document.number,
            "digest": str(document.digest),
            "previous": to_json([reference.to_json() for reference in document.previous]),
            "account": document.account,
            "closed_at": moment(document.closed_at),
            "run_id": document.run_id,
        }
        for document in documents
    ]
    connection.executemany(_FILE, values)


def restore_window(connection: Connection, record: WindowRecord, unique: int, run_id: str) -> None:
    """Take a window in that is not known."""
    values = {
        **span(record.window),
        "first_listed_at": moment(record.first_listed_at),
        "last_listed_at": moment(record.last_listed_at),
        "last_listed_run": run_id,
        "agreed": record.agreed,
        "reason": words(record.reason),
        "unique_rows": unique,
        "rows_unreadable": record.rows_unreadable,
        "whole_at": moment(record.whole_at),
        "closed_at": moment(record.closed_at),
    }
    connection.execute(insertion("windows", values), values)


def restore_standings(connection: Connection, standings: Sequence[Standing]) -> None:
    """What was noticed of recordings that were restored and not listed since; nothing for any other."""
    values: list[dict[str, Value]] = [
        {
            "of": identifier(standing.id),
            "expected": standing.state.value,
            "duration": standing.duration,
            "first_listed_at": moment(standing.first_seen),
            "last_listed_at": moment(standing.last_seen),
            "late": standing.late,
            "vanished_at": moment(standing.vanished_at),
            "row_changed_at": moment(standing.changed_at),
            "doubt": None if standing.doubt is None else words(standing.doubt),
        }
        for standing in standings
    ]
    connection.executemany(_RESTORE_STANDING, values)


def _record(
    start_at: str,
    end_at: str,
    first_listed_at: str,
    whole_at: str | None,
    last_listed_at: str,
    agreed: int,
    reason: str,
    rows_unreadable: int,
    closed_at: str | None,
) -> WindowRecord:
    return WindowRecord(
        window=window_of(start_at, end_at),
        first_listed_at=moment_of(first_listed_at),
        whole_at=moment_or_none(whole_at),
        last_listed_at=moment_of(last_listed_at),
        agreed=bool(agreed),
        reason=reason,
        rows_unreadable=rows_unreadable,
        closed_at=moment_or_none(closed_at),
    )


def _filed(
    key: str, day: str, number: int, digest: str, previous: str, account: str, closed_at: str, run_id: str
) -> Filed:
    before = tuple(Reference(each["key"], Digest("sha256", each["sha256"])) for each in json_of(previous))
    return Filed(
        key, date.fromisoformat(day), number, Digest.parse(digest), before, account, moment_of(closed_at), run_id
    )

"""What a report asks of the manifest: runs, and recordings counted by what was measured of them."""

from __future__ import annotations

from datetime import date

from sqlalchemy import ColumnElement, Connection, Row, bindparam, case, func, select

from archiver.manifest.interface import Measured, RunRecord
from archiver.manifest.reports import IS_RUN
from archiver.manifest.schema import recordings, runs

EDGES = (1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 270, 400, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200)
"""Classes of reported durations, in seconds, by their lower ends; the first one begins at 0."""
FURTHEST = 10
"""Seconds: differences beyond are counted as this."""


def _class_of(duration: ColumnElement[float | None]) -> ColumnElement[float]:
    return case((duration.is_(None), None), *((duration >= edge, edge) for edge in reversed(EDGES)), else_=0)


_DIFFERENCE = recordings.c.length - recordings.c.duration
_TENTHS = func.round(
    case((_DIFFERENCE > FURTHEST, FURTHEST), (_DIFFERENCE < -FURTHEST, -FURTHEST), else_=_DIFFERENCE) * 10
)
_KEYS = (recordings.c.grade, _class_of(recordings.c.duration).label("reported"), _TENTHS.label("tenths"))
_THESE = recordings.c.day.between(bindparam("first"), bindparam("last"))
_MEASURED = select(*_KEYS, func.count().label("number")).where(_THESE, recordings.c.grade.is_not(None)).group_by(*_KEYS)
_LATE = (
    select(recordings.c.day, func.count().label("number"))
    .where(_THESE, recordings.c.late)
    .group_by(recordings.c.day)
    .order_by(recordings.c.day)
)
_LATEST = select(runs).where(IS_RUN).order_by(runs.c.started_at.desc(), runs.c.run_id.desc()).limit(bindparam("most"))
_ONE = select(runs).where(runs.c.run_id == bindparam("wanted"))


def measured(connection: Connection, first: date, last: date) -> list[Measured]:
    """Judged recordings of these days, counted."""
    return [
        Measured(grade, reported, None if tenths is None else float(tenths) / 10, number)
        for grade, reported, tenths, number in connection.execute(_MEASURED, {"first": first, "last": last})
    ]


def late(connection: Connection, first: date, last: date) -> dict[date, int]:
    """Recordings named after their day had been listed whole, by day."""
    found = connection.execute(_LATE, {"first": first, "last": last})
    return {row.day: row.number for row in found}


def latest(connection: Connection, most: int) -> list[RunRecord]:
    """The latest runs, oldest first."""
    return [record(row) for row in connection.execute(_LATEST, {"most": most})][::-1]


def one(connection: Connection, run_id: str) -> RunRecord | None:
    """A run."""
    row = connection.execute(_ONE, {"wanted": run_id}).first()
    return None if row is None else record(row)


def record(row: Row[tuple[object, ...]]) -> RunRecord:
    """A row of ``runs``."""
    return RunRecord(row.run_id, row.started_at, row.ended_at, row.exit_code, row.summary or {})

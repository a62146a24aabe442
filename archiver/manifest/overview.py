"""What a report asks of the manifest: runs, and recordings counted by what was measured of them."""

from __future__ import annotations

from datetime import date

from archiver.manifest.columns import Connection, Values, json_of, moment_of, moment_or_none
from archiver.manifest.interface import Measured, RunRecord

EDGES = (1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 270, 400, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200)
"""Classes of reported durations, in seconds, by their lower ends; the first one begins at 0."""
FURTHEST = 10
"""Seconds: differences beyond are counted as this."""


NO_RUNS = ("audit-%", "rebuild-%", "dispose-%")
"""How the ids of what holds the lock and archives nothing look."""
IS_RUN = " AND ".join(f"run_id NOT LIKE '{pattern}'" for pattern in NO_RUNS)
RUN = "run_id, started_at, ended_at, exit_code, summary"
"""The columns of a run, in the order ``record`` takes them."""

_CLASSES = " ".join(f"WHEN duration >= {edge} THEN {edge}" for edge in reversed(EDGES))
_MEASURED = f"""
    SELECT grade,
        CASE WHEN duration IS NULL THEN NULL {_CLASSES} ELSE 0 END AS reported,
        round(min(max(length - duration, -{FURTHEST}), {FURTHEST}) * 10) AS tenths,
        count(*)
    FROM recordings WHERE day BETWEEN :first AND :last AND grade IS NOT NULL GROUP BY grade, reported, tenths
"""
_LATE = "SELECT day, count(*) FROM recordings WHERE day BETWEEN :first AND :last AND late GROUP BY day ORDER BY day"
_LATEST = f"SELECT {RUN} FROM runs WHERE {IS_RUN} ORDER BY started_at DESC, run_id DESC LIMIT :most"
_ONE = f"SELECT {RUN} FROM runs WHERE run_id = :run_id"


def measured(connection: Connection, first: date, last: date) -> list[Measured]:
    """Judged recordings of these days, counted."""
    return [
        Measured(grade, reported, None if tenths is None else tenths / 10, number)
        for grade, reported, tenths, number in connection.execute(_MEASURED, _between(first, last))
    ]


def late(connection: Connection, first: date, last: date) -> dict[date, int]:
    """Recordings named after their day had been listed whole, by day."""
    found = connection.execute(_LATE, _between(first, last))
    return {date.fromisoformat(day): number for day, number in found}


def _between(first: date, last: date) -> Values:
    return {"first": first.isoformat(), "last": last.isoformat()}


def latest(connection: Connection, most: int) -> list[RunRecord]:
    """The latest runs, oldest first."""
    return [record(*row) for row in connection.execute(_LATEST, {"most": most})][::-1]


def one(connection: Connection, run_id: str) -> RunRecord | None:
    """A run."""
    row = connection.execute(_ONE, {"run_id": run_id}).fetchone()
    return None if row is None else record(*row)


def record(run_id: str, started_at: str, ended_at: str | None, exit_code: int | None, summary: str | None) -> RunRecord:
    """A row of ``runs``."""
    return RunRecord(run_id, moment_of(started_at), moment_or_none(ended_at), exit_code, json_of(summary) or {})

"""What a run asks of a million rows is answered by an index."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql import ClauseElement

from archiver.manifest import reports, steps, windows
from archiver.manifest.sql import SqlManifest
from archiver.manifest.writer import Kind
from archiver.rules.lifecycle import State

from .build import DAY, NOW, RUN

pytestmark = pytest.mark.anyio

WINDOW = {"from_": DAY.start, "to": DAY.end}
HOT: list[tuple[str, Any, dict[str, Any], list[str], bool]] = [
    # name, statement, parameters, what the plan must say, whether it may sort
    ("counts", reports._COUNTS, {**WINDOW, "run": RUN}, ["COVERING INDEX ix_recordings_window"], True),
    ("days", reports._DAYS, {}, ["COVERING INDEX ix_recordings_day"], False),
    ("oldest open", reports._OLDEST_OPEN, {}, ["INDEX ix_recordings_open"], False),
    (
        "open entries",
        windows._OPEN_ENTRIES,
        WINDOW,
        ["INDEX ix_recordings_open (created_at>? AND created_at<?)"],
        False,
    ),
    (
        "closable",
        windows._CLOSABLE,
        {"before": NOW},
        ["INDEX ix_recordings_open (created_at>? AND created_at<?)"],
        False,
    ),
    (
        "reopen",
        windows._REOPEN,
        {"first": NOW, "last": NOW, "now": NOW},
        ["INDEX ix_recordings_open (created_at>? AND created_at<?)"],
        False,
    ),
    ("advance", steps._ADVANCE.values(reason="x"), {"of": "a", "expected": "stored"}, ["_recordings_1 (id=?)"], False),
    ("wait", steps._WAIT.values(reason="x"), {"of": "a"}, ["_recordings_1 (id=?)"], False),
    (
        "first page",
        reports.page_query([State.FAILED], None),
        {},
        ["COVERING INDEX ix_recordings_state (state=?)", "_recordings_1 (id=?)"],
        True,
    ),
    (
        "next page",
        reports.page_query([State.FAILED, State.ARCHIVED], (NOW, "a")),
        {},
        ["COVERING INDEX ix_recordings_state (state=? AND (created_at,id)>(?,?))", "_recordings_1 (id=?)"],
        True,  # of a few pages, never of the table
    ),
]


@pytest.mark.parametrize(("name", "statement", "values", "expected", "may_sort"), HOT, ids=[each[0] for each in HOT])
async def test_hot_queries_use_their_index(
    manifest: SqlManifest,
    name: str,
    statement: ClauseElement,
    values: dict[str, Any],
    expected: list[str],
    may_sort: bool,
) -> None:
    def explain(connection: Connection) -> str:
        compiled = statement.compile(dialect=sqlite.dialect(), compile_kwargs={"render_postcompile": True})
        sql = f"EXPLAIN QUERY PLAN {compiled}"
        bound = compiled.construct_params(values, _check=False)
        assert compiled.positiontup is not None
        rows = connection.exec_driver_sql(sql, tuple(str(bound[key]) for key in compiled.positiontup))
        return "\n".join(str(row[3]) for row in rows)

    plan = await manifest._writer.do(explain, Kind.READ)
    for part in expected:
        assert part in plan, plan
    assert "SCAN recordings\n" not in plan + "\n"
    if not may_sort:
        assert "TEMP B-TREE" not in plan, plan

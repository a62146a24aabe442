"""What a run asks of a million rows is answered by an index."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, Executable, event

from archiver.manifest import periods, reports, steps, windows
from archiver.manifest.sql import SqlManifest
from archiver.manifest.writer import Kind
from archiver.rules.lifecycle import State

from .build import DAY, NOW, RUN, SHA256

pytestmark = pytest.mark.anyio

WINDOW = {"from_": DAY.start, "to": DAY.end}
OF_DAY = {"on": DAY.day, "after": "a"}
RANGE = "INDEX ix_recordings_state (state=? AND created_at>? AND created_at<?)"
READ_WHOLE = ("days",)
"""What reads all of an index, and only that."""
HOT: list[tuple[str, Any, dict[str, Any], list[str], bool]] = [
    # name, statement, parameters, what the plan must say, whether it may sort (a window's or a page's rows at most)
    ("counts", reports._COUNTS, {"run": RUN}, ["COVERING INDEX ix_recordings_run (last_listed_run=?)"], False),
    (
        "same content",
        reports._SAME_CONTENT,
        {"digest": str(SHA256), "other_than": "a"},
        ["COVERING INDEX ix_recordings_content (content=?)"],
        False,
    ),
    ("days", reports._DAYS, {}, ["COVERING INDEX ix_recordings_day"], False),
    (
        "oldest open",
        reports.page_query(reports.OPEN_STATES, None, 1),
        {},
        ["COVERING INDEX ix_recordings_state (state=?)", "_recordings_1 (id=?)"],
        True,
    ),
    ("open entries", windows._OPEN_ENTRIES, WINDOW, [RANGE], True),
    ("close", windows._CLOSE, {**WINDOW, "now": NOW}, ["windows_1 (start_at=? AND end_at=?)", RANGE], False),
    ("open days", windows._OPEN_DAYS, {}, ["INDEX ix_recordings_state (state=?)"], True),
    ("closed", windows._CLOSED, {"first": NOW}, ["windows_1 (start_at>?)"], False),
    ("reopen", windows._REOPEN, {"first": NOW, "last": NOW, "now": NOW}, [RANGE], False),
    ("advance", steps._ADVANCE, {"of": "a", "expected": "stored", "reason": "x"}, ["_recordings_1 (id=?)"], False),
    ("wait", steps._WAIT, {"of": "a", "reason": "x"}, ["_recordings_1 (id=?)"], False),
    ("claims", reports._CLAIMS, OF_DAY, ["INDEX ix_recordings_key (day=? AND audio_key>?)"], False),
    ("listed", reports._LISTED, OF_DAY, ["INDEX ix_recordings_id (day=? AND id>?)"], False),
    ("kept", reports._KEPT, OF_DAY, ["INDEX ix_recordings_id (day=? AND id>?)"], False),
    ("standings", periods._STANDINGS, OF_DAY, ["INDEX ix_recordings_id (day=? AND id>?)"], False),
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
        True,
    ),
]


@pytest.mark.parametrize(("name", "statement", "values", "expected", "may_sort"), HOT, ids=[each[0] for each in HOT])
async def test_hot_queries_use_their_index(
    manifest: SqlManifest,
    name: str,
    statement: Executable,
    values: dict[str, Any],
    expected: list[str],
    may_sort: bool,
) -> None:
    def explain(connection: Connection) -> str:
        said: list[tuple[str, Any]] = []
        event.listen(connection, "before_cursor_execute", lambda _c, _k, sql, bound, *_: said.append((sql, bound)))
        connection.execute(statement, values)
        sql, bound = said[0]
        return "\n".join(str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", bound))

    plan = await manifest._writer.do(explain, Kind.WRITE)
    for part in expected:
        assert part in plan, plan
    assert "SCAN recordings\n" not in plan + "\n"
    assert name in READ_WHOLE or "SCAN recordings" not in plan, plan
    assert "MULTI-INDEX" not in plan, plan
    if not may_sort:
        assert "TEMP B-TREE" not in plan, plan

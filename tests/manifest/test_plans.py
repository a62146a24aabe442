"""What a run asks of a million rows is answered by an index."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from archiver.manifest import copies, listing, periods, reports, rows, sightings, steps, windows
from archiver.manifest.columns import assignments
from archiver.manifest.sql import SqlManifest
from archiver.manifest.writer import Kind
from archiver.rules.lifecycle import State

from .build import RUN, SHA256

pytestmark = pytest.mark.anyio

AT = "2026-09-22 12:00:00.000000"
WINDOW = {"start_at": AT, "end_at": AT}
OF_DAY = {"day": "2026-09-17", "after": "a", "size": 500}
RANGE = "INDEX ix_recordings_state (state=? AND created_at>? AND created_at<?)"
READ_WHOLE = ("days", "flagged")
"""What reads all of an index, and only that."""
HOT: list[tuple[str, str, dict[str, Any], list[str], bool]] = [
    # name, statement, parameters, what the plan must say, whether it may sort (a window's or a page's rows at most)
    ("counts", reports._COUNTS, {"run": RUN}, ["COVERING INDEX ix_recordings_run (last_listed_run=?)"], False),
    (
        "same content",
        reports._SAME_CONTENT,
        {"digest": str(SHA256), "other_than": "a"},
        ["INDEX ix_recordings_content (content=?)"],
        False,
    ),
    ("days", reports._DAYS, {}, ["COVERING INDEX ix_recordings_day"], False),
    (
        "oldest open",
        reports.page_query(reports.OPEN_STATES, begun=False),
        {"size": 1},
        ["COVERING INDEX ix_recordings_state (state=?)", "_recordings_1 (id=?)"],
        True,
    ),
    ("open entries", windows._OPEN_ENTRIES, WINDOW, [RANGE], True),
    ("close", windows._CLOSE, {**WINDOW, "now": AT}, ["windows_1 (start_at=? AND end_at=?)", RANGE], False),
    ("open days", windows._OPEN_DAYS, {}, ["INDEX ix_recordings_state (state=?)"], True),
    ("closed", windows._CLOSED, {"first": AT}, ["windows_1 (start_at>?)"], False),
    ("reopen", windows._REOPEN, {"first": AT, "last": AT, "now": AT}, [RANGE], False),
    (
        "advance",
        steps._ADVANCE.format(assignments(["reason"])),
        {"of": "a", "expected": "stored", "reason": "x"},
        ["_recordings_1 (id=?)"],
        False,
    ),
    ("entry", rows._ONE, {"of": "a"}, ["_recordings_1 (id=?)"], False),
    ("known", listing._KNOWN, {"of": "a"}, ["_recordings_1 (id=?)"], False),
    ("seen", listing._SEEN, {"of": "a", "now": AT, "run": RUN, "day": "2026-09-17"}, ["_recordings_1 (id=?)"], False),
    ("unnamed", sightings._ADD_VANISHED, {**WINDOW, "reach": AT, "run": RUN, "now": AT}, [RANGE], True),
    ("vanished", sightings._MARK_VANISHED, {**WINDOW, "reach": AT, "run": RUN, "now": AT}, [RANGE], False),
    (
        "observed",
        sightings._OBSERVED,
        {"run": RUN, "after": 0, "size": 500},
        ["ix_events_observed (run_id=? AND id>?)"],
        False,
    ),
    ("flagged", sightings._FLAGGED, {}, ["ix_recordings_flagged"], False),
    ("touched", copies._TOUCHED, {"since": AT}, ["INDEX ix_recordings_run (last_listed_run=?)"], True),
    ("wait", steps._WAIT, {"of": "a", "reason": "x"}, ["_recordings_1 (id=?)"], False),
    ("claims", reports._CLAIMS, OF_DAY, ["INDEX ix_recordings_key (day=? AND audio_key>?)"], False),
    ("listed", reports._LISTED, OF_DAY, ["INDEX ix_recordings_id (day=? AND id>?)"], False),
    ("kept", reports._KEPT, OF_DAY, ["INDEX ix_recordings_id (day=? AND id>?)"], False),
    ("standings", periods._STANDINGS, OF_DAY, ["INDEX ix_recordings_id (day=? AND id>?)"], False),
    (
        "first page",
        reports.page_query([State.FAILED], begun=False),
        {"size": 500},
        ["COVERING INDEX ix_recordings_state (state=?)", "_recordings_1 (id=?)"],
        True,
    ),
    (
        "next page",
        reports.page_query([State.FAILED, State.ARCHIVED], begun=True),
        {"size": 500, "created_at": AT, "id": "a"},
        ["COVERING INDEX ix_recordings_state (state=? AND (created_at,id)>(?,?))", "_recordings_1 (id=?)"],
        True,
    ),
]


@pytest.mark.parametrize(("name", "statement", "values", "expected", "may_sort"), HOT, ids=[each[0] for each in HOT])
async def test_hot_queries_use_their_index(
    manifest: SqlManifest,
    name: str,
    statement: str,
    values: dict[str, Any],
    expected: list[str],
    may_sort: bool,
) -> None:
    def explain(connection: sqlite3.Connection) -> str:
        return "\n".join(str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values))

    plan = await manifest._writer.do(explain, Kind.WRITE)
    for part in expected:
        assert part in plan, plan
    assert "SCAN recordings\n" not in plan + "\n"
    assert name in READ_WHOLE or "SCAN recordings" not in plan, plan
    assert "MULTI-INDEX" not in plan, plan
    if not may_sort:
        assert "TEMP B-TREE" not in plan, plan

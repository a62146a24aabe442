"""What is asked of the manifest as a whole, and streams of it page by page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, case, func, select, tuple_, union_all

from archiver.errors import ExitCode
from archiver.manifest.interface import Entry, RunCounts, RunRecord
from archiver.manifest.rows import ENTRY, entry_of
from archiver.manifest.schema import recordings, runs
from archiver.model import Digest, Row
from archiver.rules.evidence import Known
from archiver.rules.lifecycle import State

PAGE = 500
NO_RUNS = ("audit-%", "rebuild-%", "dispose-%")
"""How the ids of what holds the lock and archives nothing look."""
USEFUL = (ExitCode.COMPLETE, ExitCode.INCOMPLETE, ExitCode.NEEDS_A_PERSON, ExitCode.INTEGRITY, ExitCode.BUDGET)
"""With these a run has listed and archived what it could; with others it was kept from its work."""
SAME_CONTENT = 10
"""Other recordings with the same audio that are named at most."""
OPEN_STATES = tuple(state for state in State if state.is_open)

_COUNTS = (
    select(
        recordings.c.state,
        func.count(),
        func.sum(case((recordings.c.archived_run == bindparam("run"), 1), else_=0)),
    )
    .where(recordings.c.last_listed_run == bindparam("run"))
    .group_by(recordings.c.state)
)
_SAME_CONTENT = (
    select(recordings.c.id)
    .where(
        recordings.c.content == bindparam("digest"),
        recordings.c.id != bindparam("other_than"),
        recordings.c.state.in_([State.STORED.value, State.ARCHIVED.value]),
    )
    .order_by(recordings.c.created_at, recordings.c.id)
    .limit(SAME_CONTENT)
)
_DAYS = select(recordings.c.day, recordings.c.state, func.count()).group_by(recordings.c.day, recordings.c.state)
IS_RUN = and_(*(runs.c.run_id.not_like(pattern) for pattern in NO_RUNS))
_RUNS = select(runs).where(IS_RUN)
_ENDED = _RUNS.where(runs.c.ended_at.is_not(None)).order_by(runs.c.ended_at.desc()).limit(1)
_USEFUL = _ENDED.where(runs.c.exit_code.in_([int(code) for code in USEFUL]))
_UNENDED = _RUNS.where(runs.c.ended_at.is_(None)).order_by(runs.c.started_at.desc()).limit(1)
_CLAIMS = (
    select(*ENTRY)
    .where(recordings.c.day == bindparam("on"), recordings.c.audio_key > bindparam("after"))
    .order_by(recordings.c.audio_key, recordings.c.id)
    .limit(PAGE)
)

_LISTED = (
    select(recordings.c.id, recordings.c.created_at, recordings.c.duration, recordings.c.state, recordings.c.source_row)
    .where(recordings.c.day == bindparam("on"), recordings.c.id > bindparam("after"))
    .order_by(recordings.c.id)
    .limit(PAGE)
)

_KEPT = (
    select(*ENTRY, recordings.c.source_row)
    .where(recordings.c.day == bindparam("on"), recordings.c.id > bindparam("after"))
    .order_by(recordings.c.id)
    .limit(PAGE)
)


def counts(connection: Connection, run_id: str) -> RunCounts:
    """By state, of the recordings that the run has listed."""
    states: dict[State, int] = {}
    mine = 0
    for state, count, own in connection.execute(_COUNTS, {"run": run_id}):
        states[State(state)] = count
        if state == State.ARCHIVED:
            mine = int(own)
    return RunCounts(states, mine)


def days(connection: Connection) -> dict[date, dict[State, int]]:
    """Every day, by state; oldest first."""
    found: dict[date, dict[State, int]] = {}
    for day, state, count in connection.execute(_DAYS.order_by(recordings.c.day, recordings.c.state)):
        found.setdefault(day, {})[State(state)] = count
    return found


def oldest_open(connection: Connection) -> Entry | None:
    """The open entry with the earliest source time."""
    row = connection.execute(page_query(OPEN_STATES, None, 1)).first()
    return None if row is None else entry_of(row)


def last_run(connection: Connection, *, useful: bool) -> RunRecord | None:
    """The run that ended last, else (not if a useful one is asked for) the latest that began."""
    if useful:
        row = connection.execute(_USEFUL).first()
    else:
        row = connection.execute(_ENDED).first() or connection.execute(_UNENDED).first()
    if row is None:
        return None
    return RunRecord(row.run_id, row.started_at, row.ended_at, row.exit_code, row.summary or {})


def same_content(connection: Connection, digest: Digest, other_than: str) -> list[str]:
    """Other accepted recordings with this audio."""
    found = connection.execute(_SAME_CONTENT, {"digest": str(digest), "other_than": other_than})
    return [recording_id for (recording_id,) in found]


def page(connection: Connection, states: Sequence[State], after: tuple[datetime, str] | None) -> list[Entry]:
    """The next ``PAGE`` entries in one of ``states`` behind ``after``, oldest first."""
    return [entry_of(row) for row in connection.execute(page_query(states, after))]


def claims(connection: Connection, day: date, after: str) -> list[Entry]:
    """The next ``PAGE`` entries of the day that name audio, behind the key ``after``."""
    return [entry_of(row) for row in connection.execute(_CLAIMS, {"on": day, "after": after})]


def listed(connection: Connection, day: date, after: str) -> list[Known]:
    """The next ``PAGE`` recordings of the day, behind the id ``after``."""
    return [
        Known(recording_id, created_at, duration, State(state), row or {})
        for recording_id, created_at, duration, state, row in connection.execute(_LISTED, {"on": day, "after": after})
    ]


def kept(connection: Connection, day: date, after: str) -> list[tuple[Entry, Row]]:
    """The next ``PAGE`` entries of the day with their rows, behind the id ``after``."""
    found = connection.execute(_KEPT, {"on": day, "after": after})
    return [(entry_of(row), row.source_row or {}) for row in found]


def page_query(states: Sequence[State], after: tuple[datetime, str] | None, size: int = PAGE) -> Select[Any]:
    """One walk of the index per state, each cut at a page, then merged.

    Asked for all states in one walk, a database would sort everything that is left for every page.
    """
    walks = [select(_walk(state, after, size).subquery()) for state in dict.fromkeys(states)]
    keys = union_all(*walks).subquery("keys")
    merged = select(keys.c.created_at, keys.c.id).order_by(keys.c.created_at, keys.c.id).limit(size).subquery("page")
    return (
        select(*ENTRY).join(merged, merged.c.id == recordings.c.id).order_by(recordings.c.created_at, recordings.c.id)
    )


def _walk(state: State, after: tuple[datetime, str] | None, size: int) -> Select[Any]:
    key = tuple_(recordings.c.created_at, recordings.c.id)
    walk = select(recordings.c.created_at, recordings.c.id).where(recordings.c.state == state.value)
    if after is not None:
        walk = walk.where(key > after)
    return walk.order_by(recordings.c.created_at, recordings.c.id).limit(size)

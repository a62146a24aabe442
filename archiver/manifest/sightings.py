"""What the source no longer names, what it has changed, and what of that somebody should look at."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, insert, literal, or_, select, update

from archiver.manifest import windows
from archiver.manifest.interface import Flagged, Observed
from archiver.manifest.schema import IS_FLAGGED, IS_OBSERVATION, events, recordings
from archiver.model import Window
from archiver.rules.lifecycle import Observation, State

PAGE = 500
MOST_FLAGGED = 1000
"""Flagged recordings that are handed out at most."""

_UNNAMED = and_(
    recordings.c.created_at >= bindparam("from_"),
    recordings.c.created_at < bindparam("to"),
    recordings.c.created_at > bindparam("reach"),
    recordings.c.vanished_at.is_(None),
    recordings.c.state.in_([state.value for state in State]),  # walks the index of states and times
    or_(recordings.c.last_listed_run.is_(None), recordings.c.last_listed_run != bindparam("run")),
)
_ADD_VANISHED = insert(events).from_select(
    ["recording_id", "at", "run_id", "event", "from_state", "to_state", "reason"],
    select(
        recordings.c.id,
        bindparam("now", type_=events.c.at.type),
        bindparam("run"),
        literal(Observation.VANISHED.value),
        recordings.c.state,
        recordings.c.state,
        literal(""),
    )
    .where(_UNNAMED)
    .order_by(recordings.c.created_at, recordings.c.id),
)
_MARK_VANISHED = update(recordings).where(_UNNAMED).values(vanished_at=bindparam("now"))
_OBSERVED = (
    select(events.c.id, events.c.recording_id, events.c.event, events.c.to_state, events.c.detail)
    .where(IS_OBSERVATION, events.c.run_id == bindparam("run"), events.c.id > bindparam("after"))
    .order_by(events.c.id)
    .limit(PAGE)
)
_DOUBT = update(recordings).where(recordings.c.id == bindparam("of"))
_FLAGGED = (
    select(
        recordings.c.id,
        recordings.c.created_at,
        recordings.c.state,
        recordings.c.last_listed_at,
        recordings.c.vanished_at,
        recordings.c.doubt,
    )
    .where(IS_FLAGGED)
    .order_by(recordings.c.created_at)
    .limit(MOST_FLAGGED)
)


def note_unnamed(connection: Connection, window: Window, run_id: str, at: datetime, reach: datetime) -> int:
    """Mark what the run has not seen of a window that it has listed with agreement; how many that are.

    Nothing as old as ``reach``: the source has forgotten it by rule.
    """
    where = {"from_": window.start, "to": window.end, "run": run_id, "reach": reach}
    found = connection.execute(_ADD_VANISHED, {**where, "now": at}).rowcount
    if found:
        connection.execute(_MARK_VANISHED, {**where, "now": at})
        windows.reopen_for(connection, [window.start], at)
    return found


def observed(connection: Connection, run_id: str, after: int) -> list[Observed]:
    """The next ``PAGE`` observations of a run, behind the event ``after``."""
    return [
        Observed(number, recording_id, Observation(event), State(state), detail or {})
        for number, recording_id, event, state, detail in connection.execute(_OBSERVED, {"run": run_id, "after": after})
    ]


def note_doubt(connection: Connection, recording_id: str, doubt: str | None) -> None:
    """Flag a recording, or take the flag away."""
    connection.execute(_DOUBT, {"of": recording_id, "doubt": doubt})


def flagged(connection: Connection) -> list[Flagged]:
    """Oldest first, at most ``MOST_FLAGGED``."""
    return [
        Flagged(recording_id, created_at, State(state), last_seen, vanished_at, doubt)
        for recording_id, created_at, state, last_seen, vanished_at, doubt in connection.execute(_FLAGGED)
    ]

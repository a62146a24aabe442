"""What the source no longer names, what it has changed, and what of that somebody should look at."""

from __future__ import annotations

from datetime import datetime

from archiver.manifest import windows
from archiver.manifest.columns import (
    Connection,
    identifier,
    identifier_of,
    json_of,
    moment,
    moment_of,
    moment_or_none,
    one_of,
    words,
)
from archiver.manifest.interface import Flagged, Observed
from archiver.model import Window
from archiver.rules.lifecycle import Observation, State

PAGE = 500
MOST_FLAGGED = 1000
"""Flagged recordings that are handed out at most."""

# Every state is named, so that the index of states and times is walked.
_UNNAMED = f"""
    created_at >= :start_at AND created_at < :end_at AND created_at > :reach AND vanished_at IS NULL
    AND {one_of("state", State)} AND last_listed_run IS NOT :run
"""
_ADD_VANISHED = f"""
    INSERT INTO events (recording_id, at, run_id, event, from_state, to_state, reason)
    SELECT id, :now, :run, '{Observation.VANISHED.value}', state, state, '' FROM recordings
    WHERE {_UNNAMED} ORDER BY created_at, id
"""
_MARK_VANISHED = f"UPDATE recordings SET vanished_at = :now WHERE {_UNNAMED}"
_OBSERVED = f"""
    SELECT id, recording_id, event, to_state, detail FROM events
    WHERE {one_of("event", Observation)} AND run_id = :run AND id > :after ORDER BY id LIMIT :size
"""
_DOUBT = "UPDATE recordings SET doubt = :doubt WHERE id = :of"
_FLAGGED = f"""
    SELECT id, created_at, state, last_listed_at, vanished_at, doubt FROM recordings
    WHERE vanished_at IS NOT NULL OR doubt IS NOT NULL ORDER BY created_at LIMIT {MOST_FLAGGED}
"""


def note_unnamed(connection: Connection, window: Window, run_id: str, at: datetime, reach: datetime) -> int:
    """Mark what the run has not seen of a window that it has listed with agreement; how many that are.

    Nothing as old as ``reach``: the source has forgotten it by rule.
    """
    values = {**windows.span(window), "run": run_id, "reach": moment(reach), "now": moment(at)}
    found = connection.execute(_ADD_VANISHED, values).rowcount
    if found:
        connection.execute(_MARK_VANISHED, values)
        windows.reopen_for(connection, [window.start], at)
    return found


def observed(connection: Connection, run_id: str, after: int) -> list[Observed]:
    """The next ``PAGE`` observations of a run, behind the event ``after``."""
    return [
        Observed(number, identifier_of(recording_id), Observation(event), State(state), json_of(detail) or {})
        for number, recording_id, event, state, detail in connection.execute(
            _OBSERVED, {"run": run_id, "after": after, "size": PAGE}
        )
    ]


def note_doubt(connection: Connection, recording_id: str, doubt: str | None) -> None:
    """Flag a recording, or take the flag away."""
    connection.execute(_DOUBT, {"of": identifier(recording_id), "doubt": None if doubt is None else words(doubt)})


def flagged(connection: Connection) -> list[Flagged]:
    """Oldest first, at most ``MOST_FLAGGED``."""
    return [
        Flagged(
            identifier_of(recording_id),
            moment_of(created_at),
            State(state),
            moment_or_none(last_seen),
            moment_or_none(vanished_at),
            doubt,
        )
        for recording_id, created_at, state, last_seen, vanished_at, doubt in connection.execute(_FLAGGED)
    ]

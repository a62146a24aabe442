"""Does the manifest agree with itself? Reads everything; changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from archiver.manifest.columns import Connection, identifier_of, moment_of
from archiver.manifest.windows import COMPLETE, UNFINISHED_INSIDE
from archiver.rules.lifecycle import TRANSITIONS, Event, Observation, State

MOST_PER_KIND = 100

_STRAYED = f"""
    SELECT recordings.id, recordings.state, events.to_state FROM recordings
    LEFT JOIN (SELECT recording_id, max(id) AS id FROM events GROUP BY recording_id) AS last
        ON last.recording_id = recordings.id
    LEFT JOIN events ON events.id = last.id
    WHERE events.to_state IS NOT recordings.state LIMIT {MOST_PER_KIND}
"""
_STEPS = "SELECT DISTINCT from_state, event, to_state FROM events"
_BROKEN = f"""
    SELECT recording_id, id, from_state, before FROM (
        SELECT recording_id, id, from_state,
            lag(to_state) OVER (PARTITION BY recording_id ORDER BY id) AS before
        FROM events
    ) WHERE from_state IS NOT before LIMIT {MOST_PER_KIND}
"""
_UNSOUND = f"""
    SELECT start_at, end_at FROM windows
    WHERE start_at >= end_at OR (closed_at IS NOT NULL AND (NOT {COMPLETE} OR {UNFINISHED_INSIDE}))
    LIMIT {MOST_PER_KIND}
"""


def contradictions(connection: Connection) -> Iterator[str]:
    """What does not agree, in words; at most a hundred of each kind."""
    for recording_id, state, last in connection.execute(_STRAYED):
        said = f"its last event led to {last}" if last else "it has no event"
        yield f"recording {identifier_of(recording_id)!r} is {state}, but {said}"
    for before, event, after in connection.execute(_STEPS):
        if not _is_legal(before, event, after):
            yield f"there are events {event} from {before or 'nothing'} to {after}, which is no legal step"
    for recording_id, event_id, before, seen in connection.execute(_BROKEN):
        name = identifier_of(recording_id)
        yield f"event {event_id} of {name!r} starts from {before or 'nothing'}, after {seen or 'nothing'}"
    for start, end in connection.execute(_UNSOUND):
        span = f"{moment_of(start).isoformat()} to {moment_of(end).isoformat()}"
        yield f"window {span} is closed with something unfinished or doubtful in it"


def _is_legal(before: str | None, event: str, after: str) -> bool:
    if event in {word.value for word in Observation}:
        return before == after
    try:
        return TRANSITIONS.get((None if before is None else State(before), Event(event))) == after
    except ValueError:
        return False

"""Does the manifest agree with itself? Reads everything; changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, and_, func, not_, or_, select

from archiver.manifest.schema import events, recordings, windows
from archiver.manifest.windows import UNFINISHED_INSIDE
from archiver.rules.lifecycle import TRANSITIONS, Event, Observation, State

MOST_PER_KIND = 100

_LAST = select(events.c.recording_id, func.max(events.c.id).label("id")).group_by(events.c.recording_id).subquery()
_STRAYED = (
    select(recordings.c.id, recordings.c.state, events.c.to_state)
    .join(_LAST, _LAST.c.recording_id == recordings.c.id, isouter=True)
    .join(events, events.c.id == _LAST.c.id, isouter=True)
    .where(or_(events.c.to_state.is_(None), events.c.to_state != recordings.c.state))
    .limit(MOST_PER_KIND)
)
_STEPS = select(events.c.from_state, events.c.event, events.c.to_state).distinct()
_CHAINED = select(
    events.c.recording_id,
    events.c.id,
    events.c.from_state,
    func.lag(events.c.to_state).over(partition_by=events.c.recording_id, order_by=events.c.id).label("before"),
).subquery()
_BROKEN = select(_CHAINED).where(_CHAINED.c.from_state.is_distinct_from(_CHAINED.c.before)).limit(MOST_PER_KIND)
_UNSOUND = (
    select(windows.c.start_at, windows.c.end_at)
    .where(
        or_(
            windows.c.start_at >= windows.c.end_at,
            and_(
                windows.c.closed_at.is_not(None),
                or_(not_(windows.c.agreed), windows.c.rows_unreadable > 0, UNFINISHED_INSIDE),
            ),
        )
    )
    .limit(MOST_PER_KIND)
)


def contradictions(connection: Connection) -> Iterator[str]:
    """What does not agree, in words; at most a hundred of each kind."""
    for recording_id, state, last in connection.execute(_STRAYED):
        said = f"its last event led to {last}" if last else "it has no event"
        yield f"recording {recording_id!r} is {state}, but {said}"
    for before, event, after in connection.execute(_STEPS):
        if not _is_legal(before, event, after):
            yield f"there are events {event} from {before or 'nothing'} to {after}, which is no legal step"
    for recording_id, event_id, before, seen in connection.execute(_BROKEN):
        yield f"event {event_id} of {recording_id!r} starts from {before or 'nothing'}, after {seen or 'nothing'}"
    for start, end in connection.execute(_UNSOUND):
        yield f"window {start.isoformat()} to {end.isoformat()} is closed with something unfinished or doubtful in it"


def _is_legal(before: str | None, event: str, after: str) -> bool:
    if event in {word.value for word in Observation}:
        return before == after
    try:
        return TRANSITIONS.get((None if before is None else State(before), Event(event))) == after
    except ValueError:
        return False

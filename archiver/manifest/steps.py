"""One recording moves: advances, attempts, waiting, restoring. Each function is one piece of a transaction."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from archiver.manifest import windows
from archiver.manifest.interface import Change, Entry
from archiver.manifest.rows import ADD_EVENT, one_entry, retention_columns, stored_columns
from archiver.manifest.schema import IS_OPEN, attempts, recordings
from archiver.rules.lifecycle import TRANSITIONS, Event, State, next_state

# Compare-and-set: the state is tested by the statement that changes it. A SELECT before it would let two writers
# both see the old state. The SET clause follows from the parameters given.
_ADVANCE = update(recordings).where(recordings.c.id == bindparam("of"), recordings.c.state == bindparam("expected"))
_COUNT_ATTEMPT = (
    update(recordings)
    .where(recordings.c.id == bindparam("of"))
    .values(attempts=recordings.c.attempts + bindparam("more"), reason=bindparam("why"))
)
_ATTEMPTS = select(recordings.c.attempts).where(recordings.c.id == bindparam("of"))
_WAIT = update(recordings).where(recordings.c.id == bindparam("of"), IS_OPEN)
_KEEP = update(recordings).where(recordings.c.id == bindparam("of"))
_ADD_ATTEMPT = insert(attempts).inline()
_ADD_RECORDING = insert(recordings).inline()


def advance(
    connection: Connection,
    recording_id: str,
    expected: State,
    event: Event,
    *,
    at: datetime,
    run_id: str | None,
    change: Change,
) -> Entry | None:
    """Apply ``event``, write its row, reopen a closed window it opens something in."""
    target = next_state(expected, event)
    values = _changed_columns(event, target, at, run_id, change)
    won = connection.execute(_ADVANCE, {"of": recording_id, "expected": expected.value, **values}).rowcount
    if won != 1:
        return None
    _note(connection, recording_id, expected, event, at=at, run_id=run_id, reason=change.reason, detail=change.detail)
    entry = one_entry(connection, recording_id)
    assert entry is not None
    if not expected.is_open and event is not Event.EXPIRED:
        windows.reopen_for(connection, [entry.created_at], at)
    return entry


def _changed_columns(event: Event, target: State, at: datetime, run_id: str | None, change: Change) -> dict[str, Any]:
    values: dict[str, Any] = {"state": target.value, "reason": change.reason}
    if change.grade is not None:
        values["grade"] = change.grade
    if change.sha512 is not None:
        values["sha512"] = str(change.sha512)
    if change.length is not None:
        values["length"] = change.length
    if change.content is not None:
        values["content"] = str(change.content)
    if target is not State.STORED:
        values["draft"] = None
    elif change.draft is not None:
        values["draft"] = change.draft
    if event is Event.EXPIRED:
        values |= {"source_row": None, "content": None}  # no personal data outlives the recording
    if event is Event.REQUEUED:
        values["attempts"] = 0
    if event is Event.SEALED:
        values["archived_at"] = at
        values["archived_run"] = None if change.detail.get("adopted") else run_id
    values |= retention_columns(change.retention, change.retention_class, change.matters)
    return values | stored_columns("audio", change.audio) | stored_columns("sidecar", change.sidecar)


def _note(
    connection: Connection,
    recording_id: str,
    before: State | None,
    event: Event,
    *,
    at: datetime,
    run_id: str | None,
    reason: str,
    detail: Mapping[str, Any],
) -> None:
    row = {
        "recording_id": recording_id,
        "at": at,
        "run_id": run_id,
        "event": event.value,
        "from_state": None if before is None else before.value,
        "to_state": next_state(before, event).value,
        "reason": reason,
        "detail": dict(detail) or None,
    }
    connection.execute(ADD_EVENT, row)


def note_attempt(
    connection: Connection, recording_id: str, *, at: datetime, run_id: str, stage: str, reason: str, counts: bool
) -> int:
    """Keep its row, and count it if it ``counts``; ValueError for an unknown id."""
    known = connection.execute(_COUNT_ATTEMPT, {"of": recording_id, "why": reason, "more": int(counts)}).rowcount
    if known != 1:
        raise ValueError(f"no recording {recording_id!r} to count an attempt of")
    row = {"recording_id": recording_id, "at": at, "run_id": run_id, "stage": stage, "reason": reason}
    connection.execute(_ADD_ATTEMPT, row)
    count: int = connection.execute(_ATTEMPTS, {"of": recording_id}).scalar_one()
    return count


def note_waiting(connection: Connection, recording_id: str, reason: str) -> None:
    """Change the words of an open recording; nothing for any other."""
    connection.execute(_WAIT, {"of": recording_id, "reason": reason})


def note_kept(connection: Connection, recording_id: str, values: Mapping[str, Any]) -> None:
    """Change what holds it; nothing for an unknown id."""
    if values:
        connection.execute(_KEEP, {"of": recording_id, **values})


def restore(connection: Connection, entry: Entry, row: Mapping[str, Any], at: datetime, run_id: str | None) -> bool:
    """Insert an entry, with the events that lead to its state, each marked as restored."""
    if one_entry(connection, entry.recording_id) is not None:
        return False
    values = {
        "id": entry.recording_id,
        "created_at": entry.created_at,
        "day": entry.day,
        "duration": entry.duration,
        "state": entry.state.value,
        "attempts": entry.attempts,
        "reason": entry.reason,
        "grade": entry.grade,
        "sha512": None if entry.sha512 is None else str(entry.sha512),
        "length": entry.length,
        "content": None if entry.content is None else str(entry.content),
        "draft": entry.draft if entry.state is State.STORED else None,
        "source_row": dict(row),
        "late": False,
    }
    objects = stored_columns("audio", entry.audio) | stored_columns("sidecar", entry.sidecar)
    kept = retention_columns(entry.retention, entry.retention_class, entry.matters)
    connection.execute(_ADD_RECORDING, values | objects | kept)
    before: State | None = None
    for event in path_to(entry.state):
        _note(
            connection,
            entry.recording_id,
            before,
            event,
            at=at,
            run_id=run_id,
            reason=entry.reason,
            detail={"restored": True},
        )
        before = next_state(before, event)
    if entry.state.is_open:
        windows.reopen(connection, entry.created_at, entry.created_at, at)
    return True


def path_to(wanted: State) -> tuple[Event, ...]:
    """The fewest events that lead a recording from nothing to ``wanted``."""
    paths: deque[tuple[State | None, tuple[Event, ...]]] = deque([(None, ())])
    while paths:
        state, events = paths.popleft()
        if state is wanted:
            return events
        paths.extend((after, (*events, event)) for (before, event), after in TRANSITIONS.items() if before is state)
    raise AssertionError(f"nothing leads to {wanted}")

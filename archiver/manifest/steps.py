"""One recording moves: advances, attempts, waiting, restoring. Each function is one piece of a transaction."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from archiver.manifest import windows
from archiver.manifest.columns import (
    Connection,
    Value,
    Values,
    assignments,
    identifier,
    insertion,
    moment,
    to_json,
    words,
)
from archiver.manifest.interface import Change, Entry
from archiver.manifest.rows import ADD_EVENT, IS_OPEN, one_entry, retention_columns, stored_columns
from archiver.rules.lifecycle import TRANSITIONS, Event, State, next_state

# Compare-and-set: the state is tested by the statement that changes it. A SELECT before it would let two writers
# both see the old state.
_ADVANCE = "UPDATE recordings SET {} WHERE id = :of AND state = :expected"
_KEEP = "UPDATE recordings SET {} WHERE id = :of"
_COUNT_ATTEMPT = "UPDATE recordings SET attempts = attempts + :more, reason = :reason WHERE id = :of"
_ATTEMPTS = "SELECT attempts FROM recordings WHERE id = :of"
_WAIT = f"UPDATE recordings SET reason = :reason WHERE id = :of AND {IS_OPEN}"
_ADD_ATTEMPT = insertion("attempts", ("recording_id", "at", "run_id", "stage", "reason"))


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
    now = moment(at)
    values = _changed_columns(event, next_state(expected, event), now, run_id, change)
    this = {"of": identifier(recording_id), "expected": expected.value}
    if connection.execute(_advance(tuple(values)), this | values).rowcount != 1:
        return None
    _note(connection, recording_id, expected, event, now=now, run_id=run_id, reason=change.reason, detail=change.detail)
    entry = one_entry(connection, recording_id)
    assert entry is not None
    if not expected.is_open and event is not Event.EXPIRED:
        windows.reopen_for(connection, [entry.created_at], at)
    return entry


@cache
def _advance(columns: tuple[str, ...]) -> str:
    """The statement; there are as many as changes differ in what they bring, which is a dozen."""
    return _ADVANCE.format(assignments(columns))


def _changed_columns(
    event: Event, target: State, now: str | None, run_id: str | None, change: Change
) -> dict[str, Value]:
    values: dict[str, Value] = {"state": target.value, "reason": words(change.reason)}
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
        values["archived_at"] = now
        values["archived_run"] = None if change.detail.get("adopted") else run_id
    values |= retention_columns(change.retention, change.retention_class, change.matters)
    return values | stored_columns("audio", change.audio) | stored_columns("sidecar", change.sidecar)


def _note(
    connection: Connection,
    recording_id: str,
    before: State | None,
    event: Event,
    *,
    now: str | None,
    run_id: str | None,
    reason: str,
    detail: Mapping[str, Any],
) -> None:
    row = {
        "recording_id": identifier(recording_id),
        "at": now,
        "run_id": run_id,
        "event": event.value,
        "from_state": None if before is None else before.value,
        "to_state": next_state(before, event).value,
        "reason": words(reason),
        "detail": to_json(detail) if detail else None,
    }
    connection.execute(ADD_EVENT, row)


def note_attempt(
    connection: Connection, recording_id: str, *, at: datetime, run_id: str, stage: str, reason: str, counts: bool
) -> int:
    """Keep its row, and count it if it ``counts``; ValueError for an unknown id."""
    this = {"of": identifier(recording_id)}
    told = words(reason)
    if connection.execute(_COUNT_ATTEMPT, {**this, "reason": told, "more": int(counts)}).rowcount != 1:
        raise ValueError(f"no recording {recording_id!r} to count an attempt of")
    row = {"recording_id": this["of"], "at": moment(at), "run_id": run_id, "stage": stage, "reason": told}
    connection.execute(_ADD_ATTEMPT, row)
    count: int = connection.execute(_ATTEMPTS, this).fetchone()[0]
    return count


def note_waiting(connection: Connection, recording_id: str, reason: str) -> None:
    """Change the words of an open recording; nothing for any other."""
    connection.execute(_WAIT, {"of": identifier(recording_id), "reason": words(reason)})


def note_kept(connection: Connection, recording_id: str, values: Values) -> None:
    """Change what holds it; nothing for an unknown id."""
    if values:
        connection.execute(_KEEP.format(assignments(values)), {"of": identifier(recording_id), **values})


def restore(connection: Connection, entry: Entry, row: Mapping[str, Any], at: datetime, run_id: str | None) -> bool:
    """Insert an entry, with the events that lead to its state, each marked as restored."""
    if one_entry(connection, entry.recording_id) is not None:
        return False
    values = {
        "id": identifier(entry.recording_id),
        "created_at": moment(entry.created_at),
        "day": entry.day.isoformat(),
        "duration": entry.duration,
        "state": entry.state.value,
        "attempts": entry.attempts,
        "reason": words(entry.reason),
        "grade": entry.grade,
        "sha512": None if entry.sha512 is None else str(entry.sha512),
        "length": entry.length,
        "content": None if entry.content is None else str(entry.content),
        "draft": entry.draft if entry.state is State.STORED else None,
        "source_row": to_json(row),
        "late": False,
        **stored_columns("audio", entry.audio),
        **stored_columns("sidecar", entry.sidecar),
        **retention_columns(entry.retention, entry.retention_class, entry.matters),
    }
    connection.execute(insertion("recordings", values), values)
    before: State | None = None
    for event in path_to(entry.state):
        _note(
            connection,
            entry.recording_id,
            before,
            event,
            now=moment(at),
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

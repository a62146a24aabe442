"""A page of the source's report comes in: new recordings, known ones seen again, corrected rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from archiver.manifest import windows
from archiver.manifest.columns import Connection, Values, identifier, insertion, json_of, moment, to_json
from archiver.manifest.interface import Entry
from archiver.manifest.rows import ADD_EVENT, BEHIND, ENTRY, entry_of, observed_row
from archiver.model import Recording
from archiver.rules.lifecycle import Event, Observation, State
from archiver.rules.row_changes import changed_fields, detail_of

_KNOWN = f"SELECT {ENTRY}, source_row, vanished_at FROM recordings WHERE id = :of"
_ADD = insertion(
    "recordings",
    (
        *("id", "created_at", "day", "duration", "state", "attempts", "reason", "source_row"),
        *("first_listed_at", "last_listed_at", "last_listed_run", "listed_day", "late"),
    ),
)
_SEEN = """
    UPDATE recordings SET
        first_listed_at = coalesce(first_listed_at, :now), last_listed_at = :now, last_listed_run = :run,
        listed_day = :day, vanished_at = NULL
    WHERE id = :of
"""
_CORRECT = """
    UPDATE recordings SET
        source_row = :source_row, duration = :duration, row_changed_at = coalesce(:changed_at, row_changed_at)
    WHERE id = :of
"""


@dataclass(frozen=True, slots=True)
class _Correction:
    """What the source says differently now."""

    before: Mapping[str, Any]
    row: Mapping[str, Any]
    duration: float | None


def note(connection: Connection, run_id: str, at: datetime, listed: Sequence[Recording]) -> dict[str, Entry]:
    """Bring recordings in; the entries of all. Of an id that comes twice the last row counts."""
    by_id = {recording.id: recording for recording in listed}
    entries: dict[str, Entry] = {}
    seen: list[Values] = []
    noticed: list[Values] = []
    untrue: list[datetime] = []
    new: list[Recording] = []
    now = moment(at)
    for recording in by_id.values():
        this = identifier(recording.id)
        row = connection.execute(_KNOWN, {"of": this}).fetchone()
        if row is None:
            new.append(recording)
            entries[recording.id] = _discovered(recording)
            continue
        entry, (source_row, vanished_at) = entry_of(row), row[BEHIND:]
        seen.append({"of": this, "now": now, "run": run_id, "day": recording.day.isoformat()})
        observations: list[Values] = []
        if vanished_at is not None:
            observations.append(observed_row(recording.id, entry.state, Observation.RETURNED, run_id, at, None))
        corrected = _corrected(entry, source_row, recording)
        if corrected is not None:
            detail = _take_over(connection, entry, corrected, at)
            if detail is not None:
                observations.append(observed_row(recording.id, entry.state, Observation.CHANGED, run_id, at, detail))
            entry = replace(entry, duration=corrected.duration)
        if observations:
            noticed += observations
            untrue.append(entry.created_at)
        entries[recording.id] = entry
    connection.executemany(_SEEN, seen)
    connection.executemany(ADD_EVENT, noticed)
    windows.reopen_for(connection, untrue, at)
    if new:
        _add(connection, run_id, at, new)
    return entries


def _corrected(entry: Entry, source_row: str | None, recording: Recording) -> _Correction | None:
    """What the source says differently now, or None.

    A duration that it no longer gives stays, and ``created_at`` always does: object keys are made of it.
    """
    if entry.state is State.EXPIRED:
        return None  # what was disposed of leaves no row behind, whatever the source still says
    said = to_json(recording.row)
    seconds = _seconds(recording)
    duration = entry.duration if seconds is None else seconds
    if said == source_row and duration == entry.duration:
        return None
    return _Correction(json_of(source_row) or {}, json.loads(said), duration)


def _take_over(connection: Connection, entry: Entry, corrected: _Correction, at: datetime) -> Mapping[str, Any] | None:
    """Keep the row as it is said now; what has changed in it, or None if only the shape of the answer has."""
    seconds = (entry.duration, corrected.duration)
    fields = changed_fields(corrected.before, corrected.row, seconds)
    values = {
        "of": identifier(entry.recording_id),
        "source_row": to_json(corrected.row),
        "duration": corrected.duration,
        "changed_at": moment(at) if fields else None,
    }
    connection.execute(_CORRECT, values)
    return detail_of(fields, seconds) if fields else None


def _add(connection: Connection, run_id: str, at: datetime, new: Sequence[Recording]) -> None:
    times = [recording.created_at for recording in new]
    whole = windows.listed_whole(connection, min(times), max(times))
    now = moment(at)
    connection.executemany(
        _ADD,
        [_columns(each, run_id, now, late=any(each.created_at in window for window in whole)) for each in new],
    )
    connection.executemany(ADD_EVENT, [_listed_event(recording, run_id, now) for recording in new])
    windows.reopen(connection, min(times), max(times), at)


def _columns(recording: Recording, run_id: str, now: str | None, *, late: bool) -> Values:
    day = recording.day.isoformat()
    return {
        "id": identifier(recording.id),
        "created_at": moment(recording.created_at),
        "day": day,
        "duration": _seconds(recording),
        "state": State.DISCOVERED.value,
        "attempts": 0,
        "reason": "",
        "source_row": to_json(recording.row),
        "first_listed_at": now,
        "last_listed_at": now,
        "last_listed_run": run_id,
        "listed_day": day,
        "late": late,
    }


def _listed_event(recording: Recording, run_id: str, now: str | None) -> Values:
    return {
        "recording_id": identifier(recording.id),
        "at": now,
        "run_id": run_id,
        "event": Event.LISTED.value,
        "from_state": None,
        "to_state": State.DISCOVERED.value,
        "reason": "",
        "detail": None,
    }


def _discovered(recording: Recording) -> Entry:
    return Entry(
        recording_id=recording.id,
        created_at=recording.created_at,
        duration=_seconds(recording),
        state=State.DISCOVERED,
        attempts=0,
        reason="",
    )


def _seconds(recording: Recording) -> float | None:
    return None if recording.duration is None else recording.duration.total_seconds()

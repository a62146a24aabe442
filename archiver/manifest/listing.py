"""A page of the source's report comes in: new recordings, known ones seen again, corrected rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from archiver.manifest import windows
from archiver.manifest.interface import Entry
from archiver.manifest.rows import ADD_EVENT, ENTRY, entry_of, observed_row
from archiver.manifest.schema import recordings, to_json
from archiver.model import Recording
from archiver.rules.lifecycle import Event, Observation, State
from archiver.rules.row_changes import changed_fields, detail_of

_KNOWN = select(*ENTRY, recordings.c.source_row, recordings.c.vanished_at).where(
    recordings.c.id.in_(bindparam("wanted", expanding=True))
)
_ADD = insert(recordings).inline()
_SEEN = (
    update(recordings)
    .where(recordings.c.id.in_(bindparam("wanted", expanding=True)))
    .values(
        first_listed_at=func.coalesce(
            recordings.c.first_listed_at, bindparam("now", type_=recordings.c.created_at.type)
        ),
        last_listed_at=bindparam("now", type_=recordings.c.created_at.type),
        last_listed_run=bindparam("run"),
        listed_day=bindparam("on", type_=recordings.c.day.type),
        vanished_at=None,
    )
)
_CORRECT = update(recordings).where(recordings.c.id == bindparam("of"))


def note(connection: Connection, run_id: str, at: datetime, listed: Sequence[Recording]) -> dict[str, Entry]:
    """Bring at most ``rows.CHUNK`` recordings in; the entries of all. Of an id that comes twice the last row counts."""
    by_id = {recording.id: recording for recording in listed}
    known: dict[str, Entry] = {}
    seen: dict[date, list[str]] = {}
    noticed: list[dict[str, Any]] = []
    for row in connection.execute(_KNOWN, {"wanted": list(by_id)}):
        entry, recording = entry_of(row), by_id[row.id]
        seen.setdefault(recording.day, []).append(row.id)
        if row.vanished_at is not None:
            noticed.append(observed_row(row.id, entry.state, Observation.RETURNED, run_id, at, None))
        corrected = _corrected(entry, row.source_row, recording)
        if corrected is not None:
            detail = _take_over(connection, entry, corrected, at)
            if detail is not None:
                noticed.append(observed_row(row.id, entry.state, Observation.CHANGED, run_id, at, detail))
            entry = replace(entry, duration=corrected["duration"])
        known[entry.recording_id] = entry
    for day, ids in seen.items():
        connection.execute(_SEEN, {"wanted": ids, "now": at, "run": run_id, "on": day})
    if noticed:
        connection.execute(ADD_EVENT, noticed)
        windows.reopen_for(connection, [known[each["recording_id"]].created_at for each in noticed], at)
    new = [recording for recording in by_id.values() if recording.id not in known]
    if new:
        _add(connection, run_id, at, new)
    return {recording.id: known.get(recording.id) or _discovered(recording) for recording in by_id.values()}


def _corrected(entry: Entry, row: Mapping[str, Any] | None, recording: Recording) -> dict[str, Any] | None:
    """What the source says differently now, or None.

    A duration that it no longer gives stays, and ``created_at`` always does: object keys are made of it.
    """
    if entry.state is State.EXPIRED:
        return None  # what was disposed of leaves no row behind, whatever the source still says
    said: dict[str, Any] = json.loads(to_json(dict(recording.row)))
    seconds = _seconds(recording)
    duration = entry.duration if seconds is None else seconds
    if said == row and duration == entry.duration:
        return None
    return {"source_row": said, "duration": duration, "before": row or {}}


def _take_over(
    connection: Connection, entry: Entry, corrected: Mapping[str, Any], at: datetime
) -> Mapping[str, Any] | None:
    """Keep the row as it is said now; what has changed in it, or None if only the shape of the answer has."""
    values = {name: value for name, value in corrected.items() if name != "before"}
    seconds = (entry.duration, corrected["duration"])
    fields = changed_fields(corrected["before"], corrected["source_row"], seconds)
    changed = {"row_changed_at": at} if fields else {}
    connection.execute(_CORRECT, {"of": entry.recording_id, **values, **changed})
    return detail_of(fields, seconds) if fields else None


def _add(connection: Connection, run_id: str, at: datetime, new: Sequence[Recording]) -> None:
    times = [recording.created_at for recording in new]
    whole = windows.listed_whole(connection, min(times), max(times))
    connection.execute(
        _ADD,
        [_columns(each, run_id, at, late=any(each.created_at in window for window in whole)) for each in new],
    )
    connection.execute(ADD_EVENT, [_listed_event(recording, run_id, at) for recording in new])
    windows.reopen(connection, min(times), max(times), at)


def _columns(recording: Recording, run_id: str, at: datetime, *, late: bool) -> dict[str, Any]:
    return {
        "id": recording.id,
        "created_at": recording.created_at,
        "day": recording.day,
        "duration": _seconds(recording),
        "state": State.DISCOVERED.value,
        "attempts": 0,
        "reason": "",
        "source_row": dict(recording.row),
        "first_listed_at": at,
        "last_listed_at": at,
        "last_listed_run": run_id,
        "listed_day": recording.day,
        "late": late,
    }


def _listed_event(recording: Recording, run_id: str, at: datetime) -> dict[str, Any]:
    return {
        "recording_id": recording.id,
        "at": at,
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

"""Between table rows and the port's values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from archiver.manifest.columns import (
    Connection,
    Value,
    Values,
    identifier,
    identifier_of,
    insertion,
    json_of,
    moment,
    moment_of,
    one_of,
    to_json,
)
from archiver.manifest.interface import Entry
from archiver.model import Digest, Retention, RetentionMode, StoredObject
from archiver.model import Row as SourceRow
from archiver.rules.lifecycle import Observation, State

T = TypeVar("T")

CHUNK = 500
"""Recordings per transaction: others wait for its end."""

IS_OPEN = one_of("state", (state for state in State if state.is_open))
"""The condition that something is still to be done for a recording."""

_COLUMNS = (
    "id", "created_at", "duration", "state", "attempts", "reason", "grade",
    "audio_key", "audio_size", "audio_digest", "audio_version", "sha512", "length", "content",
    "sidecar_key", "sidecar_size", "sidecar_digest", "sidecar_version",
    "retention_class", "retention_mode", "retain_until", "matters", "draft",
)  # fmt: skip

ENTRY = ", ".join(f"recordings.{name}" for name in _COLUMNS)
"""The columns of an entry, in the order ``entry_of`` takes them; a select may add others behind them."""
BEHIND = len(_COLUMNS)
"""Where those others begin."""

_ONE = f"SELECT {ENTRY} FROM recordings WHERE id = :of"
_ROW = "SELECT source_row FROM recordings WHERE id = :of"

# No statement here asks for RETURNING: SQLite has it since 3.35, and long-lived distributions ship an older one.
ADD_EVENT = insertion("events", ("recording_id", "at", "run_id", "event", "from_state", "to_state", "reason", "detail"))


def entry_of(row: Sequence[Any]) -> Entry:
    """The entry in the first columns of ``row``."""
    (
        recording_id, created_at, duration, state, attempts, reason, grade,
        audio_key, audio_size, audio_digest, audio_version, sha512, length, content,
        sidecar_key, sidecar_size, sidecar_digest, sidecar_version,
        retention_class, retention_mode, retain_until, matters, draft,
    ) = row[:BEHIND]  # fmt: skip
    return Entry(
        recording_id=identifier_of(recording_id),
        created_at=moment_of(created_at),
        duration=duration,
        state=State(state),
        attempts=attempts,
        reason=reason,
        grade=grade,
        audio=_stored(audio_key, audio_size, audio_digest, audio_version),
        sha512=None if sha512 is None else Digest.parse(sha512),
        content=None if content is None else Digest.parse(content),
        sidecar=_stored(sidecar_key, sidecar_size, sidecar_digest, sidecar_version),
        length=length,
        retention=None if retain_until is None else Retention(RetentionMode(retention_mode), moment_of(retain_until)),
        retention_class=retention_class,
        matters=tuple(json_of(matters) or ()),
        draft=draft,
    )


def _stored(key: str | None, size: int, digest: str | None, version: str | None) -> StoredObject | None:
    if key is None:
        return None
    return StoredObject(key, size, None if digest is None else Digest.parse(digest), version)


def stored_columns(prefix: str, stored: StoredObject | None) -> dict[str, Value]:
    """The columns that hold an object of the bucket; none if there is none."""
    if stored is None:
        return {}
    return {
        f"{prefix}_key": stored.key,
        f"{prefix}_size": stored.size,
        f"{prefix}_digest": None if stored.digest is None else str(stored.digest),
        f"{prefix}_version": stored.version_id,
    }


def retention_columns(
    retention: Retention | None, retention_class: str | None, matters: Sequence[str] | None
) -> dict[str, Value]:
    """The columns of what keeps a recording; none for what is None."""
    values: dict[str, Value] = {}
    if retention is not None:
        values |= {"retention_mode": retention.mode.value, "retain_until": moment(retention.until)}
    if retention_class is not None:
        values["retention_class"] = retention_class
    if matters is not None:
        values["matters"] = to_json(list(matters)) if matters else None
    return values


def observed_row(
    recording_id: str,
    state: State,
    observation: Observation,
    run_id: str | None,
    at: datetime,
    detail: Mapping[str, Any] | None,
) -> Values:
    """The event row of what was noticed at the source: it moves nothing."""
    return {
        "recording_id": identifier(recording_id),
        "at": moment(at),
        "run_id": run_id,
        "event": observation.value,
        "from_state": state.value,
        "to_state": state.value,
        "reason": "",
        "detail": None if detail is None else to_json(detail),
    }


def one_entry(connection: Connection, recording_id: str) -> Entry | None:
    """The entry of an id, or None."""
    row = connection.execute(_ONE, {"of": identifier(recording_id)}).fetchone()
    return None if row is None else entry_of(row)


def source_row(connection: Connection, recording_id: str) -> SourceRow:
    """Its row as the source last sent it; empty where none is known."""
    row = connection.execute(_ROW, {"of": identifier(recording_id)}).fetchone()
    return {} if row is None else json_of(row[0]) or {}


def some_entries(connection: Connection, recording_ids: Sequence[str]) -> dict[str, Entry]:
    """The entries of these ids."""
    found = {recording_id: one_entry(connection, recording_id) for recording_id in recording_ids}
    return {recording_id: entry for recording_id, entry in found.items() if entry is not None}


def chunks(items: Sequence[T]) -> Iterator[list[T]]:
    """``items`` in pieces of ``CHUNK``."""
    rest = iter(items)
    while piece := list(islice(rest, CHUNK)):
        yield piece

"""Report rows read into nouns. Fields we do not know are kept; a field we cannot read costs that field, not the row."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from archiver.model import BadRow, Call, Link, Recording, Row
from archiver.rules.numbers import number_of
from archiver.rules.presign import deadline_of

TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
"""As nearly every time is written: ``fromisoformat`` reads it ten times as fast as ``strptime`` does."""
DURATION = re.compile(r"(\d{1,4}):([0-5]?\d):([0-5]?\d)")
UUID_EPOCH = datetime(1582, 10, 15, tzinfo=UTC)
URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20}://)(?:[^\s/@?#]*@)?([^\s?#]*)(?:[?#]\S*)?")
"""Anywhere in a text: scheme, credentials (dropped), host and path, query and fragment (dropped)."""
SIGNED_PARAMETER = re.compile(
    r"(?i)(?:[?&]|%(?:25)?3f|%(?:25)?26)?(?:x-amz-[a-z0-9-]{1,40}|awsaccesskeyid|access_token)(?:=|%(?:25)?3d)\S*"
    r"|(?i:[?&]|%(?:25)?3f|%(?:25)?26)signature(?:=|%(?:25)?3d)\S*"
)
"""What makes a link a credential, should it stand outside of anything that looks like a URL, or percent-encoded."""
ROW_LIMIT = 64 * 2**10
"""Characters of a row as JSON; its longest fields are left out beyond that, and it is said which."""
DEPTH_LIMIT = 32
ID_LIMIT = 2_000
"""Characters: what is longer is no id."""


def read_recording(raw: Mapping[str, Any], zone: tzinfo) -> tuple[Recording | None, list[BadRow]]:
    """A recordings row: the recording, if its id and time can be read, and what could not be."""
    row, problems = kept_row(raw)
    recording_id = _identifier(raw.get("id"))
    if recording_id is None:
        return None, [BadRow(None, "the row has no id", row, lost=True)]
    created_at = read_time(raw.get("created_at"), zone)
    if created_at is None:
        created_at = time_of_uuid(recording_id)
        lost = created_at is None
        problems.append(BadRow(recording_id, "created_at cannot be read", row, lost))
        if created_at is None:
            return None, problems
    duration = read_duration(raw.get("duration"))
    if duration is None and raw.get("duration") is not None:
        problems.append(BadRow(recording_id, "duration cannot be read", row, lost=False))
    audio = raw.get("audio")
    if not (audio is None or isinstance(audio, str)):
        problems.append(BadRow(recording_id, "audio is neither a link nor null", row, lost=False))
    return Recording(
        id=recording_id,
        created_at=created_at,
        duration=duration or None,  # zero seconds is no reference either
        link=Link(audio, deadline_of(audio)) if isinstance(audio, str) and audio else None,
        row=row,
        call_from=number_of(_without_links(raw.get("call_from"), 1)),
        call_to=number_of(_without_links(raw.get("call_to"), 1)),
    ), problems


def read_call(raw: Mapping[str, Any], zone: tzinfo) -> tuple[Call | None, list[BadRow]]:
    """A call log row, likewise."""
    row, problems = kept_row(raw)
    call_id = _identifier(raw.get("id"))
    if call_id is None:
        return None, [BadRow(None, "the row has no id", row, lost=True)]
    start_at = read_time(raw.get("start_at"), zone)
    if start_at is None:
        start_at = time_of_uuid(call_id)
        problems.append(BadRow(call_id, "start_at cannot be read", row, start_at is None))
        if start_at is None:
            return None, problems
    duration = read_duration(raw.get("duration"))
    if duration is None and raw.get("duration") is not None:
        problems.append(BadRow(call_id, "duration cannot be read", row, lost=False))
    status = raw.get("status")
    end_at = read_time(raw.get("end_at"), zone)
    return Call(call_id, start_at, end_at, duration, _text(status) if isinstance(status, str) else None, row), problems


def read_time(value: object, zone: tzinfo) -> datetime | None:
    """``YYYY-MM-DD HH:MM:SS`` in ``zone``, as UTC; None if it is anything else."""
    if not isinstance(value, str):
        return None
    try:
        if TIME.fullmatch(value):
            return datetime.fromisoformat(value).replace(tzinfo=zone).astimezone(UTC)
        return datetime.strptime(value, TIME_FORMAT).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_duration(value: object) -> timedelta | None:
    """``HH:MM:SS`` (hours may pass 99), or whole seconds as a number or a string; None if it is anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.isascii():
        return None
    if parts := DURATION.fullmatch(value.strip()):
        hours, minutes, seconds = map(int, parts.groups())
        return timedelta(seconds=3600 * hours + 60 * minutes + seconds)
    return timedelta(seconds=int(value)) if re.fullmatch(r"\d{1,7}", value.strip()) else None


def time_of_uuid(text: str) -> datetime | None:
    """The time inside a version 1 UUID, to the second, in UTC; None if the id is none."""
    try:
        parsed = uuid.UUID(text)
        if parsed.version != 1:
            return None
        return (UUID_EPOCH + timedelta(microseconds=parsed.time // 10)).replace(microsecond=0)
    except (ValueError, OverflowError):
        return None


def kept_row(raw: Mapping[str, Any]) -> tuple[Row, list[BadRow]]:
    """The row as it is kept, and what of it was too much to keep."""
    row = without_links(raw)
    if _surely_short(row) or len(json.dumps(row)) <= ROW_LIMIT:
        return row, []
    sizes = {name: len(json.dumps(value)) + len(name) for name, value in row.items()}
    dropped = []
    total = sum(sizes.values())
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if total <= ROW_LIMIT:
            break
        total -= sizes[name]
        dropped.append(name[:40])
        del row[name]
    if not dropped:
        return row, []
    said = f"the row is too long to keep whole: left out {', '.join(dropped[:5])}"
    return row, [BadRow(_identifier(raw.get("id")), said, row, lost=False)]


def _surely_short(row: Row) -> bool:
    """True for nearly every row, found without writing it out: a character takes twelve in JSON at most.

    A number has 64 digits at most (``dialects``), and so has whatever stands between two values.
    """
    characters = sum(map(len, row)) + 64 * len(row)
    for value in row.values():
        if type(value) is str:
            characters += len(value)
        elif value is not None and type(value) is not int:
            return False
    return 12 * characters <= ROW_LIMIT


def without_links(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row verbatim, except that every URL in it, at any depth, is cut down to scheme, host and path."""
    kept = dict(row)
    for name, value in row.items():
        if type(value) is str:
            if "=" in value or "%" in value or "://" in value:  # as `_text` asks, without a call for each field
                kept[name] = _text(value)
        elif value is not None and type(value) is not int:
            kept[name] = _without_links(value, 1)
    return kept if all(map(str.isidentifier, kept)) else {_text(name): value for name, value in kept.items()}


def redacted(value: Any) -> Any:
    """Any JSON value, in the same way."""
    return without_links(value) if isinstance(value, dict) else _without_links(value, 0)


def _without_links(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | dict) and depth >= DEPTH_LIMIT:
        return "(nested too deeply to keep)"
    if isinstance(value, list):
        return [_without_links(member, depth + 1) for member in value]
    if isinstance(value, dict):
        return {_text(name): _without_links(member, depth + 1) for name, member in value.items()}
    return value


def _text(text: str) -> str:
    if "://" in text:
        text = URL.sub(r"\1\2", text)
    if "=" in text or "%" in text:  # most texts have neither: not searched
        text = SIGNED_PARAMETER.sub("", text)
    return text


def _identifier(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= ID_LIMIT:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate, which neither a database nor a key can hold
        return None
    return _text(value) or None  # an id is kept and told everywhere: should it hold a link, without what signs it

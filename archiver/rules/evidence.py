"""What calls and recordings tell of each other: times, lengths, parties and keys, read from their rows.

Times are POSIX seconds, lengths are seconds.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from archiver.model import Call, Row
from archiver.rules.lifecycle import State
from archiver.rules.parties import NumberReader, Party, agreement

UNANSWERED = frozenset({"BUSY", "NOANSWER", "CANCEL", "CONGESTION", "CHANUNAVAIL", "MISSED"})
"""Call statuses in which nobody spoke."""
DAY = 86_400.0
_WORDS = re.compile(r"[^\s/?&=,;|\"']+")
_AUDIO_SUFFIX = re.compile(r"\.(?:mp3|wav|m4a|mp4|ogg|opus|aac|amr|flac|webm)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Known:
    """What the manifest knows of a recording, as far as it is reconciled."""

    id: str
    created_at: datetime
    duration: float | None
    """Reported seconds."""
    state: State
    row: Row
    """As the source sent it; empty where a rebuild found none."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """A call as it is matched."""

    id: str
    start: float
    end: float
    seconds: float | None
    parties: tuple[Party | None, ...]
    """From, to, and the bridge where there is one."""
    status: str | None
    audio: str
    row: Row

    @property
    def answered_at(self) -> float:
        """When speech began, if the reported duration is that of speech."""
        return self.end - self.seconds if self.seconds else self.start


@dataclass(frozen=True, slots=True)
class RecordingFacts:
    """A recording as it is matched."""

    id: str
    at: float
    """Its created_at, which is its begin or its end."""
    seconds: float | None
    parties: tuple[Party | None, ...]
    call_id: str | None
    path: str
    state: State


def facts_of(
    calls: Iterable[Call], recordings: Iterable[Known], reader: NumberReader
) -> tuple[list[CallFacts], list[RecordingFacts]]:
    """Both sides, each by id once and in the order of time, with the numbers brought to one form."""
    by_call = {call.id: call for call in calls}
    by_recording = {recording.id: recording for recording in recordings}
    rows = [call.row for call in by_call.values()] + [recording.row for recording in by_recording.values()]
    reader.learn(row.get(name) for row in rows for name in ("call_from", "call_to", "bridge"))
    return (
        sorted((_call(call, reader) for call in by_call.values()), key=lambda each: (each.start, each.id)),
        sorted((_recording(known, reader) for known in by_recording.values()), key=lambda each: (each.at, each.id)),
    )


def _call(call: Call, reader: NumberReader) -> CallFacts:
    start = call.start_at.timestamp()
    seconds = None if call.duration is None else call.duration.total_seconds()
    bridge = reader.read(call.row.get("bridge"))
    return CallFacts(
        id=call.id,
        start=start,
        end=call.end_at.timestamp() if call.end_at else start + (seconds or 0.0),
        seconds=seconds,
        parties=(
            reader.read(call.row.get("call_from")),
            reader.read(call.row.get("call_to")),
            *([bridge] if bridge else []),
        ),
        status=call.status,
        audio=_text(call.row.get("audio")),
        row=call.row,
    )


def call_id_of(row: Row) -> str | None:
    """The call that a recording's row names; None if it names none."""
    call_id = row.get("call_id")
    return str(call_id) if isinstance(call_id, str | int) and str(call_id) not in ("", "0") else None


def _recording(known: Known, reader: NumberReader) -> RecordingFacts:
    return RecordingFacts(
        id=known.id,
        at=known.created_at.timestamp(),
        seconds=known.duration or None,
        parties=(reader.read(known.row.get("call_from")), reader.read(known.row.get("call_to"))),
        call_id=call_id_of(known.row),
        path=object_path(_text(known.row.get("audio"))),
        state=known.state,
    )


def object_path(audio: str) -> str:
    """Host and path of a link, or the path alone where that is all; empty for no link."""
    try:
        parts = urlsplit(audio.strip())
    except ValueError:
        return ""
    return f"{parts.netloc.rpartition('@')[2].lower()}{unquote(parts.path)}" if "/" in audio else ""


def keyed(calls: Sequence[CallFacts], recordings: Sequence[RecordingFacts]) -> dict[str, str]:
    """The call id of each recording that a key joins to one: ``call_id``, else its id or link in a call's ``audio``.

    A key that names two calls is none. A link is one only where the parties do not contradict it and the times are
    less than a day apart: the source gives several recordings the same link.
    """
    known = {call.id: call for call in calls}
    ids = {recording.id for recording in recordings}
    named: defaultdict[str, set[str]] = defaultdict(set)
    linked: defaultdict[str, set[str]] = defaultdict(set)
    for call in calls:
        for word in _WORDS.findall(call.audio):
            named_id = word if word in ids else _AUDIO_SUFFIX.sub("", word)
            if named_id in ids:
                named[named_id].add(call.id)
        if path := object_path(call.audio):
            linked[path].add(call.id)
    found: dict[str, str] = {}
    for recording in recordings:
        if recording.call_id in known:
            found[recording.id] = str(recording.call_id)
        elif len(named.get(recording.id, ())) == 1:
            (found[recording.id],) = named[recording.id]
        elif recording.path and len(linked.get(recording.path, ())) == 1:
            (call_id,) = linked[recording.path]
            if _plausible(known[call_id], recording):
                found[recording.id] = call_id
    return found


def _plausible(call: CallFacts, recording: RecordingFacts) -> bool:
    near = call.start - DAY <= recording.at <= call.end + DAY
    return near and agreement(call.parties, recording.parties) is not None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


Wanted = Mapping[str, frozenset[str]]
"""Field of a call log row → values."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which calls must have a recording: those answered, longer than nothing, and fitting what is said here."""

    expected: Wanted = field(default_factory=dict)
    """One is due only where every field named has one of its values. Empty: for every answered call."""
    excluded: Wanted = field(default_factory=dict)
    """None is due where any field named has one of its values."""
    least_seconds: float = 1.0
    """None is due for shorter calls."""

    @classmethod
    def of(cls, expected: Iterable[str], excluded: Iterable[str] = (), least_seconds: float = 1.0) -> Policy:
        """From ``FIELD=VALUE`` texts; ValueError for any other."""
        return cls(_wanted(expected), _wanted(excluded), least_seconds)

    def excuse(self, call: CallFacts) -> str:
        """Why the call needs no recording; empty if it needs one."""
        if call.status is not None and call.status.upper() in UNANSWERED:
            return "unanswered"
        if call.seconds == 0:
            return "zero duration"
        if call.seconds is not None and call.seconds < self.least_seconds:
            return f"policy: shorter than {self.least_seconds:g} s"
        for name, values in self.excluded.items():
            if str(call.row.get(name)) in values:
                return f"policy: excluded by {name}"
        for name, values in self.expected.items():
            if str(call.row.get(name)) not in values:
                return f"policy: {name}"
        return ""

    def to_json(self) -> dict[str, Any]:
        """As it is configured."""
        return {
            "expected": {name: sorted(values) for name, values in sorted(self.expected.items())},
            "excluded": {name: sorted(values) for name, values in sorted(self.excluded.items())},
            "minimum_seconds": self.least_seconds,
        }


def _wanted(texts: Iterable[str]) -> Wanted:
    wanted: dict[str, frozenset[str]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise ValueError("must be FIELD=VALUE, as in service=IN")
        wanted[name] = wanted.get(name, frozenset()) | {value}
    return wanted


EVERY_ANSWERED_CALL = Policy()

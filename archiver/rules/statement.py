"""A statement, and an amendment to one: the document that says of a closed day what the source named, and what became
of each.

Both are written once. What holds of a day is its last amendment, or its statement where there is none; each document
names the one it amends, and the heads of the chain of all days. JSON Schema: ``schemas/statement.schema.json``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from archiver.model import Digest, Window
from archiver.rules import keys
from archiver.rules.lifecycle import State
from archiver.rules.period import Account, Filed, Place, Reference, Standing

SCHEMA_VERSION = 1
MEDIATYPE = "application/json"
SIZE_LIMIT = 16 * 2**20
"""Bytes: no statement of ours is larger, so no larger one is read."""
NAMED = 1000
"""Recordings that a statement names of a kind (late, vanished, …): all of them are in its ids."""


@dataclass(slots=True)
class Roll:
    """Recordings of one kind: counted, and the first ones named."""

    count: int = 0
    recordings: list[dict[str, Any]] = field(default_factory=list)

    def enter(self, standing: Standing, **facts: object) -> None:
        """Add one."""
        self.count += 1
        if len(self.recordings) < NAMED:
            self.recordings.append({"id": standing.id, **facts})

    def to_json(self) -> dict[str, Any]:
        """As the statement has it."""
        return {"count": self.count, "recordings": self.recordings}


@dataclass(slots=True)
class Books:
    """Takes the standings of a day in, in the order of ids; knows at the end what the statement says of them."""

    run_id: str
    """Of the run whose listing the day is closed on."""
    account: Account = field(default_factory=Account)
    known: int = 0
    states: Counter[State] = field(default_factory=Counter)
    places: Counter[Place] = field(default_factory=Counter)
    late: Roll = field(default_factory=Roll)
    changed: Roll = field(default_factory=Roll)
    vanished: Roll = field(default_factory=Roll)
    lost: Roll = field(default_factory=Roll)
    doubted: Roll = field(default_factory=Roll)

    def enter(self, standing: Standing, place: Place | None = None) -> bytes:
        """Take one in; its line of the ids. ``place``: as a line of the ids says it."""
        place = place or standing.place(self.run_id)
        self.known += 1
        self.account.enter(standing)
        self.states[standing.state] += 1
        self.places[place] += 1
        if standing.late:
            self.late.enter(standing, first_seen=_text(standing.first_seen))
        if standing.changed_at is not None:
            self.changed.enter(standing, changed_at=_text(standing.changed_at))
        if standing.vanished_at is not None:
            self.vanished.enter(standing, state=standing.state.value, last_seen=_text(standing.last_seen))
        if standing.state is State.UNAVAILABLE:
            self.lost.enter(standing, reason=standing.reason)
        if standing.doubt is not None:
            self.doubted.enter(standing, reason=standing.doubt)
        return standing.line(place)

    def to_json(self, ids: Mapping[str, Any] | None) -> dict[str, Any]:
        """``recordings`` of the statement; ``ids`` as stated, None for a day without recordings."""
        return {
            "known": self.known,
            "places": {place.value: self.places[place] for place in Place},
            "states": {state.value: self.states[state] for state in State},
            "late": self.late.to_json(),
            "changed": self.changed.to_json(),
            "vanished": self.vanished.to_json(),
            "lost": self.lost.to_json(),
            "doubted": self.doubted.to_json(),
            "ids": ids,
        }


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who closed the day, and on what."""

    closed_at: datetime
    run_id: str
    software: str
    source: str
    """The voice API's base URL, without credentials."""
    timezone: str
    """In which the source's times were read."""
    first_listed_at: datetime
    whole_at: datetime | None
    last_listed_at: datetime


@dataclass(frozen=True, slots=True)
class Contents:
    """What the document says of the day: JSON values, made by those who know."""

    account: str
    recordings: Mapping[str, Any]
    calls: Mapping[str, Any] | None
    """None where call logs are not archived."""
    listings: Mapping[str, Mapping[str, Any] | None]
    """By report: ``recordings``, ``calls``."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where the document stands in the chain."""

    key: str
    previous: tuple[Filed, ...]
    """The heads of the chain; none for the very first document."""
    amends: Reference | None = None
    """The last document of the day, of an amendment."""
    changes: Mapping[str, Any] | None = None
    """What an amendment changes: None where what it amends cannot be read."""


def build(window: Window, position: Position, contents: Contents, provenance: Provenance) -> bytes:
    """The document as it is put: indented ASCII JSON with a final newline."""
    is_amendment = keys.period_document_of(position.key) != (window.day, 0)
    document = {
        "schema_version": SCHEMA_VERSION,
        "kind": "amendment" if is_amendment else "statement",
        "key": position.key,
        "day": window.day.isoformat(),
        "window": {
            "start": window.start.isoformat(),
            "end": window.end.isoformat(),
            "source_timezone": provenance.timezone,
        },
        "source": provenance.source,
        "closed_at": provenance.closed_at.isoformat(),
        "run_id": provenance.run_id,
        "software": provenance.software,
        "number": 1 + max((each.number for each in position.previous), default=0),
        "previous": [each.reference.to_json() for each in position.previous],
        "amends": position.amends and position.amends.to_json(),
        "account": contents.account,
        "listed": {
            "first": _text(provenance.first_listed_at),
            "first_whole": _text(provenance.whole_at),
            "last": _text(provenance.last_listed_at),
        },
        "recordings": contents.recordings,
        "calls": contents.calls,
        "listings": contents.listings,
        **({"changes": position.changes} if is_amendment else {}),
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def read(key: str, content: bytes) -> tuple[Filed, dict[str, Any]]:
    """The document that lies under ``key``, as it is filed and as it stands; ValueError if it is none of ours."""
    try:
        document = json.loads(content)
        if document["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"statement schema {document['schema_version']} is not known to this version")
        named = keys.period_document_of(key)
        day, number = date.fromisoformat(document["day"]), document["number"]
        closed_at = datetime.fromisoformat(document["closed_at"])
        if document["key"] != key or named is None or named[0] != day:
            raise ValueError("it speaks of another day, or names itself by another key")
        if type(number) is not int or number < 1 or closed_at.tzinfo is None:
            raise ValueError("number or time is not as it should be")
        previous = tuple(reference_of(each) for each in document["previous"])
        filed = Filed(
            key=key,
            day=day,
            number=number,
            digest=Digest.sha256_of(content),
            previous=previous,
            account=str(document["account"]),
            closed_at=closed_at,
            run_id=str(document["run_id"]),
        )
    except (KeyError, TypeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a statement of this program ({type(error).__name__})") from None
    return filed, document


def reference_of(said: Mapping[str, Any]) -> Reference:
    """A reference as documents name it; ValueError, KeyError, TypeError for anything else."""
    return Reference(str(said["key"]), Digest.parse(f"sha256:{said['sha256']}"))


def changes(before: Mapping[str, str], after: Iterable[Standing]) -> dict[str, Any]:
    """What is said otherwise of recordings now; ``before`` by id, as ``Standing.account`` gave it.

    A recording that was known and is not now has been forgotten with a manifest: ``after`` is null.
    """
    rest, count = dict(before), 0
    named: list[dict[str, Any]] = []
    for standing in after:
        was = rest.pop(standing.id, None)
        if was != standing.account():
            count += 1
            named += [{"id": standing.id, "before": _facts(was), "after": _facts(standing.account())}][
                : NAMED - len(named)
            ]
    for recording_id in sorted(rest)[: NAMED - len(named)]:
        named.append({"id": recording_id, "before": _facts(rest[recording_id]), "after": None})
    return {"count": count + len(rest), "recordings": named}


def _facts(account: str | None) -> dict[str, Any] | None:
    if account is None:
        return None
    _, state, late, vanished, changed_at, doubt = json.loads(account)
    return {"state": state, "late": late, "vanished": vanished, "changed_at": changed_at, "doubt": doubt}


def parts_to_json(rows: int, parts: Sequence[tuple[Reference, int]]) -> dict[str, Any]:
    """``calls`` of the statement: the parts of the day's call log, each with its size, and the calls in their union."""
    return {"rows": rows, "parts": [{**reference.to_json(), "size": size} for reference, size in parts]}


def parts_of(calls: Mapping[str, Any] | None) -> list[tuple[Reference, int]]:
    """The parts as the statement names them; ValueError, KeyError, TypeError for what are none."""
    return [] if calls is None else [(reference_of(part), int(part["size"])) for part in calls["parts"]]


def account_of(account: Account, parts: Sequence[tuple[Reference, int]]) -> str:
    """The account of a statement with these parts."""
    return account.sum([(reference.key, size) for reference, size in parts])


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()

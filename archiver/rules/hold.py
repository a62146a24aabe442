"""Legal holds: which recordings a matter covers, as its orders say, now and for those that come later.

A matter is a sequence of orders, each adding or releasing what its selector matches; for a recording the last order
that matches it decides. A recording is held while one matter at least covers it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from archiver.model import Digest, Row
from archiver.rules.retention import Condition, Rule

SCHEMA_VERSION = 1
MEDIATYPE = "application/json"
SIZE_LIMIT = 2**20
"""Bytes: no order of ours is larger, so no larger one is read."""
AGENT = ("agent_id", "agent")


@dataclass(frozen=True, slots=True)
class Subject:
    """A recording as holds and retention look at it."""

    recording_id: str
    created_at: datetime
    duration: float | None
    row: Row


@dataclass(frozen=True, slots=True)
class Selector:
    """Recordings that fulfil every kind of condition that is given; of one kind, any value does. Empty: all."""

    ids: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    """Caller, callee or bridge: digits with the country code; ``*`` and ``?`` stand for anything."""
    agents: tuple[str, ...] = ()
    first: date | None = None
    """UTC day of the recording, included."""
    last: date | None = None
    """UTC day of the recording, included."""
    query: tuple[Condition, ...] = ()

    def matches(self, subject: Subject) -> bool:
        """True only where the row says so: one that lacks the field is not selected by it."""
        day = subject.created_at.date()
        if self.ids and subject.recording_id not in self.ids:
            return False
        if (self.first is not None and day < self.first) or (self.last is not None and day > self.last):
            return False
        rules = [Rule("", self.query, self.numbers)]
        if self.agents:
            rules.append(Rule("", (Condition(_agent_field(subject.row), self.agents),)))
        return all(rule.judge(subject.row, subject.duration)[0] is True for rule in rules)


class Action(StrEnum):
    """What an order does with what it selects."""

    ADD = "add"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Order:
    """One document of a matter."""

    matter: str
    number: int
    """From 1."""
    action: Action
    reason: str
    selector: Selector
    at: datetime
    software: str
    previous: Digest | None
    """SHA-256 of the order numbered one less; None for the first."""


def covered(orders: Sequence[Order], subject: Subject) -> tuple[str, ...]:
    """The matters that hold a recording, sorted. Orders of one matter come in the order of their numbers."""
    held: dict[str, bool] = {}
    for order in orders:
        if order.selector.matches(subject):
            held[order.matter] = order.action is Action.ADD
    return tuple(sorted(matter for matter, on in held.items() if on))


def build(order: Order) -> bytes:
    """The document as it is put: indented JSON with a final newline."""
    selector = order.selector
    document = {
        "schema_version": SCHEMA_VERSION,
        "matter": order.matter,
        "number": order.number,
        "action": order.action.value,
        "reason": order.reason,
        "at": order.at.isoformat(),
        "software": order.software,
        "previous": str(order.previous) if order.previous else None,
        "selector": {
            "ids": list(selector.ids),
            "numbers": list(selector.numbers),
            "agents": list(selector.agents),
            "from": selector.first.isoformat() if selector.first else None,
            "to": selector.last.isoformat() if selector.last else None,
            "query": {condition.name: list(condition.patterns) for condition in selector.query},
        },
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def read(content: bytes) -> Order:
    """What a document says; ValueError if it is not one of ours."""
    try:
        said = json.loads(content)
        if said["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"order schema {said['schema_version']} is not known to this version")
        return Order(
            matter=str(said["matter"]),
            number=int(said["number"]),
            action=Action(said["action"]),
            reason=str(said["reason"]),
            selector=_selector(said["selector"]),
            at=datetime.fromisoformat(said["at"]),
            software=str(said["software"]),
            previous=Digest.parse(said["previous"]) if said["previous"] else None,
        )
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not an order of this program ({type(error).__name__})") from None


def _selector(said: Mapping[str, Any]) -> Selector:
    def texts(name: str) -> tuple[str, ...]:
        return tuple(str(each) for each in said[name])

    def day(name: str) -> date | None:
        return date.fromisoformat(said[name]) if said[name] else None

    query = tuple(Condition(name, tuple(map(str, patterns))) for name, patterns in said["query"].items())
    return Selector(texts("ids"), texts("numbers"), texts("agents"), day("from"), day("to"), query)


def _agent_field(row: Row) -> str:
    return next((name for name in AGENT if row.get(name) not in (None, "")), AGENT[0])

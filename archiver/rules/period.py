"""What is to be said of a day when it closes: nouns of statements and amendments, and the account they give.

A *standing* is one recording on the day the books are closed. The *account* is a digest over all standings of a day
and the parts of its call log: two documents with the same account say the same of every recording and call.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from archiver.model import Digest
from archiver.rules.lifecycle import State


class Place(StrEnum):
    """Where a known recording of a day stands in the listing the day is closed on."""

    NAMED = "named"  # in it
    MOVED = "moved"  # named by the same run under a source time of another day
    VANISHED = "vanished"  # named before, and not any more
    OUT_OF_REACH = "out_of_reach"  # past the source's retention, or never listed since a rebuild


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of one recording."""

    id: str
    created_at: datetime
    duration: float | None
    """Reported seconds."""
    state: State
    reason: str = ""
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    last_run: str | None = None
    """The run that saw it last."""
    listed_day: date | None = None
    """UTC day of its source time as last named."""
    late: bool = False
    vanished_at: datetime | None = None
    changed_at: datetime | None = None
    doubt: str | None = None

    def place(self, run_id: str) -> Place:
        """In the listing of this run."""
        if self.vanished_at is not None:
            return Place.VANISHED
        if self.last_run != run_id:
            return Place.OUT_OF_REACH
        return Place.NAMED if self.listed_day == self.created_at.date() else Place.MOVED

    def line(self, place: Place) -> bytes:
        """Of the ids of a statement: ASCII JSON, its end included; what there is nothing to say of is left out."""
        said = {
            "id": self.id,
            "created_at": _text(self.created_at),
            "duration": self.duration,
            "state": self.state.value,
            "place": place.value,
            "reason": self.reason or None,
            "first_seen": _text(self.first_seen),
            "last_seen": _text(self.last_seen),
            "late": self.late or None,
            "vanished_at": _text(self.vanished_at),
            "changed_at": _text(self.changed_at),
            "doubt": self.doubt,
        }
        said = {name: value for name, value in said.items() if value is not None}
        return json.dumps(said, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def of_line(cls, line: bytes) -> tuple[Standing, Place]:
        """Read a line of the ids; ValueError for what is none."""
        try:
            said = json.loads(line)
            created_at = _moment(said["created_at"])
            if type(said["id"]) is not str or created_at is None:
                raise ValueError("a line without id or time")
            standing = cls(
                id=said["id"],
                created_at=created_at,
                duration=said.get("duration"),
                state=State(said["state"]),
                reason=said.get("reason", ""),
                first_seen=_moment(said.get("first_seen")),
                last_seen=_moment(said.get("last_seen")),
                late=said.get("late") is True,
                vanished_at=_moment(said.get("vanished_at")),
                changed_at=_moment(said.get("changed_at")),
                doubt=said.get("doubt"),
            )
            return standing, Place(said["place"])
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"a line that speaks of no recording ({type(error).__name__})") from None

    def account(self) -> str:
        """What of it the account is made of: no time that a further listing would change."""
        said = [self.id, self.state.value, self.late, self.vanished_at is not None, _text(self.changed_at), self.doubt]
        return json.dumps(said, separators=(",", ":"))


class Account:
    """A digest over standings, in the order of their ids, and over the parts of the day's call log."""

    def __init__(self) -> None:
        self._hashed = hashlib.sha256()

    def enter(self, standing: Standing) -> None:
        """Take the next one in."""
        self._hashed.update(standing.account().encode() + b"\n")

    def sum(self, parts: Sequence[tuple[str, int]]) -> str:
        """``sha256:hex``, with these parts: keys, which are written once, and sizes."""
        whole = self._hashed.copy()
        for key, size in parts:
            whole.update(f"{key} {size}\n".encode())
        return f"sha256:{whole.hexdigest()}"


@dataclass(frozen=True, slots=True)
class Reference:
    """A document or object, and the SHA-256 of its bytes."""

    key: str
    digest: Digest

    def to_json(self) -> dict[str, str]:
        """As documents name it."""
        return {"key": self.key, "sha256": self.digest.hex}


@dataclass(frozen=True, slots=True)
class Filed:
    """A statement or an amendment as it lies in the bucket."""

    key: str
    day: date
    number: int
    """Its place in the chain: one more than the highest of ``previous``."""
    digest: Digest
    previous: tuple[Reference, ...]
    """The heads of the chain when it was written: one as a rule, several where runs had written side by side."""
    account: str
    closed_at: datetime
    run_id: str

    @property
    def reference(self) -> Reference:
        """To be named by the next one."""
        return Reference(self.key, self.digest)


def heads(filed: Sequence[Filed]) -> list[Filed]:
    """The documents that no other one names as previous, in the order of numbers and keys."""
    named = {reference.key for each in filed for reference in each.previous}
    return sorted((each for each in filed if each.key not in named), key=lambda each: (each.number, each.key))


def chain_flaws(filed: Sequence[Filed]) -> list[tuple[str, str]]:
    """What is wrong with the chain of these documents: the key, and words; nothing if it is unbroken."""
    by_key = {each.key: each for each in filed}
    found = []
    for each in filed:
        numbers = [0]
        for reference in each.previous:
            before = by_key.get(reference.key)
            if before is None:
                found.append((each.key, f"the document before it is not there: {reference.key}"))
                continue
            numbers.append(before.number)
            if before.digest != reference.digest:
                found.append((reference.key, f"it is not what {each.key} names as the document before it"))
        if len(numbers) > len(each.previous) and each.number != 1 + max(numbers):
            found.append((each.key, f"its number is {each.number}, and that of the document before it {max(numbers)}"))
    ends = heads(filed)
    if filed and not ends:
        found.append((filed[0].key, "the chain has no end: documents name each other in a circle"))
    if len(ends) > 1:
        words = "the chain has forked: nothing names this document as the one before it, nor " + ", nor ".join(
            each.key for each in ends[:-1][:5]
        )
        found.append((ends[-1].key, words))
    return found


def last_of(filed: Sequence[Filed], day: date) -> Filed | None:
    """The newest document of a day: its statement, or its last amendment."""
    return max((each for each in filed if each.day == day), key=lambda each: _order(each.key), default=None)


def _order(key: str) -> str:
    """Amendments are numbered behind the statement."""
    name = key.rpartition("/")[2]
    return name if name.startswith("amendment-") else ""


def _moment(text: str | None) -> datetime | None:
    """ValueError for what is no time with an offset."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without an offset")
    return moment


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()

"""What is to be said of a day when it closes: nouns of statements and amendments, and the account they give.

A *standing* is one recording on the day the books are closed. The *account* is a digest over all standings of a day
and the parts of its call log: two documents with the same account say the same of every recording and call.
"""

from __future__ import annotations

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

    def account(self) -> str:
        """What of it the account is made of: no time that a further listing would change."""
        said = [self.id, self.state.value, self.late, self.vanished_at is not None, _text(self.changed_at), self.doubt]
        return json.dumps(said, separators=(",", ":"))


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


def last_of(filed: Sequence[Filed], day: date) -> Filed | None:
    """The newest document of a day: its statement, or its last amendment."""
    return max((each for each in filed if each.day == day), key=lambda each: _order(each.key), default=None)


def _order(key: str) -> str:
    """Amendments are numbered behind the statement."""
    name = key.rpartition("/")[2]
    return name if name.startswith("amendment-") else ""


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()

"""What may be deleted, the plan that says so, and the tombstone that stays: pure documents and one decision.

A plan carries the SHA-256 of itself: what was reviewed is what is done. A tombstone names digests and keys, and nobody.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from archiver.model import Digest, Retention

SCHEMA_VERSION = 1
MEDIATYPE = "application/json"
SIZE_LIMIT = 2**20
"""Bytes: no tombstone of ours is larger."""
STALE = timedelta(days=30)
"""A plan that is older is made anew: so long a review reviews something else."""
AHEAD = timedelta(minutes=5)
"""A plan may come from a machine whose clock is so far ahead."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One version of one object."""

    key: str
    version_id: str | None
    size: int
    sha256: str | None
    """None where the version is not the one that the manifest knows."""
    deletion: bool = False
    """True for a mark of deletion: it holds no bytes."""

    @property
    def name(self) -> tuple[str, str | None]:
        """What tells it from every other."""
        return self.key, self.version_id


@dataclass(frozen=True, slots=True)
class Doomed:
    """One recording that is to be deleted, and why."""

    recording_id: str
    created_at: str
    retention_class: str
    retain_until: str
    why: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a disposal will do, no more and no less."""

    destination: str
    made_at: datetime
    software: str
    recordings: tuple[Doomed, ...]

    @property
    def digest(self) -> Digest:
        """SHA-256 of everything that it says."""
        said = json.dumps(_body(self), sort_keys=True, separators=(",", ":"))
        return Digest("sha256", hashlib.sha256(said.encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What stays of a recording that was disposed of."""

    recording_id: str
    created_at: datetime
    disposed_at: datetime
    reason: str
    retention_class: str
    retain_until: datetime
    plan: Digest
    pieces: tuple[Piece, ...]
    software: str

    @property
    def keys(self) -> tuple[str, ...]:
        """Of its pieces, each once, in their order."""
        return tuple(dict.fromkeys(piece.key for piece in self.pieces))


@dataclass(frozen=True, slots=True)
class Stayed:
    """A recording that was disposed of, and whose copies are still in the second destination."""

    recording_id: str
    reason: str
    pending: bool
    """True if it is enough to try again."""


def kept_until(held: Retention | None, policy: Retention) -> datetime:
    """When a recording may go: what holds it and what the policy says now must both be over."""
    return policy.joined(held).until


def plan_bytes(plan: Plan) -> bytes:
    """The file, as it is reviewed."""
    return json.dumps({"digest": str(plan.digest), **_body(plan)}, indent=2).encode() + b"\n"


def read_plan(content: bytes) -> Plan:
    """ValueError, in words for people, for what is no plan or was changed since it was made."""
    try:
        said = json.loads(content)
        if said["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"plan schema {said['schema_version']} is not known to this version")
        plan = Plan(
            destination=str(said["destination"]),
            made_at=datetime.fromisoformat(said["made_at"]),
            software=str(said["software"]),
            recordings=tuple(_doomed(each) for each in said["recordings"]),
        )
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"it is no disposal plan ({type(error).__name__})") from None
    extra = said.keys() - {"digest", *_body(plan)}
    if said.get("digest") != str(plan.digest) or extra or plan.made_at.tzinfo is None:
        raise ValueError("it was changed after it was made: its digest is not that of what it says")
    return plan


def refusal(plan: Plan, destination: str, now: datetime) -> str:
    """Why a plan may not be carried out (any more); empty if it may."""
    if plan.destination != destination:
        return f"it is a plan for {plan.destination}, not for {destination}"
    if now - plan.made_at > STALE:
        return f"it was made more than {STALE.days} days ago"
    if plan.made_at - now > AHEAD:
        return "it says that it was made in the future"
    return ""


def tombstone_bytes(tombstone: Tombstone) -> bytes:
    """The document as it is put."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "type": "tombstone",
        "recording_id": tombstone.recording_id,
        "created_at": tombstone.created_at.isoformat(),
        "disposed_at": tombstone.disposed_at.isoformat(),
        "reason": tombstone.reason,
        "class": tombstone.retention_class,
        "retain_until": tombstone.retain_until.isoformat(),
        "plan": str(tombstone.plan),
        "software": tombstone.software,
        "objects": [asdict(piece) for piece in tombstone.pieces],
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def read_tombstone(content: bytes) -> Tombstone:
    """ValueError if it is none of ours."""
    try:
        said = json.loads(content)
        if (said["schema_version"], said["type"]) != (SCHEMA_VERSION, "tombstone"):
            raise ValueError("its schema is not known to this version")
        return Tombstone(
            recording_id=str(said["recording_id"]),
            created_at=datetime.fromisoformat(said["created_at"]),
            disposed_at=datetime.fromisoformat(said["disposed_at"]),
            reason=str(said["reason"]),
            retention_class=str(said["class"]),
            retain_until=datetime.fromisoformat(said["retain_until"]),
            plan=Digest.parse(said["plan"]),
            pieces=_pieces(said["objects"]),
            software=str(said["software"]),
        )
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a tombstone of this program ({type(error).__name__})") from None


def _body(plan: Plan) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "type": "disposal plan",
        "destination": plan.destination,
        "made_at": plan.made_at.isoformat(),
        "software": plan.software,
        "recordings": [
            {
                "recording_id": each.recording_id,
                "created_at": each.created_at,
                "class": each.retention_class,
                "retain_until": each.retain_until,
                "why": each.why,
                "objects": [asdict(piece) for piece in each.pieces],
            }
            for each in plan.recordings
        ],
    }


def _doomed(said: Mapping[str, Any]) -> Doomed:
    return Doomed(
        recording_id=str(said["recording_id"]),
        created_at=str(said["created_at"]),
        retention_class=str(said["class"]),
        retain_until=str(said["retain_until"]),
        why=str(said["why"]),
        pieces=_pieces(said["objects"]),
    )


def _pieces(said: Sequence[Mapping[str, Any]]) -> tuple[Piece, ...]:
    return tuple(
        Piece(str(each["key"]), each["version_id"], int(each["size"]), each["sha256"], bool(each["deletion"]))
        for each in said
    )

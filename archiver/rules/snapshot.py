"""The seal of a snapshot of the manifest: the document that is written after it, and says that it is whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from archiver.model import Digest, StoredObject

FORMAT = 1
MEDIATYPE = "application/json"
SIZE_LIMIT = 64 * 1024
KEPT = 5
"""Snapshots that are kept: the newest, and some to fall back on."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What it says of the compressed copy beside it."""

    stored: StoredObject
    """Size and SHA-256."""
    database_size: int
    """Bytes of the copy when it is unpacked."""
    saved_at: datetime
    software: str


def build(seal: Seal) -> bytes:
    """The document."""
    said = {
        "format": FORMAT,
        "key": seal.stored.key,
        "size": seal.stored.size,
        "digest": str(seal.stored.digest),
        "database_size": seal.database_size,
        "saved_at": seal.saved_at.isoformat(timespec="seconds"),
        "software": seal.software,
    }
    return json.dumps(said, indent=2).encode() + b"\n"


def read(content: bytes) -> Seal:
    """ValueError for what is no such document, or one of a later format."""
    try:
        said = json.loads(content)
        if said["format"] != FORMAT:
            raise ValueError(f"of format {said['format']}, where this program knows {FORMAT}")
        stored = StoredObject(str(said["key"]), int(said["size"]), Digest.parse(said["digest"]))
        at = datetime.fromisoformat(said["saved_at"])
        return Seal(stored, int(said["database_size"]), at, str(said["software"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not the seal of a snapshot: {type(error).__name__}") from None


def to_be_removed(numbers: set[int]) -> list[int]:
    """Of the snapshots with these numbers, those that are beyond the ``KEPT`` newest; oldest first."""
    return sorted(numbers)[:-KEPT]

"""An amendment: a fact learnt of a recording after its seal, as a document of its own beside the sidecar.

Nothing is rewritten. Amendments of a recording are numbered from 1; each names the sidecar by digest, and the
amendment before it, so that none can be exchanged or taken out from between two others unnoticed. Of a kind that
says what holds now, the last one counts. JSON Schema: ``archiver/schemas/amendment.schema.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from archiver.model import Digest

SCHEMA_VERSION = 1
MEDIATYPE = "application/json"
SIZE_LIMIT = 2**20
"""Bytes: no amendment of ours is larger, so no larger one is read."""


class Kind(StrEnum):
    """What an amendment tells. Readers pass over kinds that they do not know."""

    CALL = "call"  # the call that the recording belongs to
    HOLD = "hold"  # the matters that hold the recording: all of them, or none any more
    RETENTION = "retention"  # class, mode and retain-until, after they were extended


@dataclass(frozen=True, slots=True)
class Amendment:
    """One document."""

    recording_id: str
    number: int
    """From 1."""
    kind: str
    """A ``Kind``, or one of a later version."""
    at: datetime
    run_id: str
    software: str
    sidecar: Digest
    """SHA-256 of the sidecar that it amends."""
    previous: Digest | None
    """SHA-256 of the amendment numbered one less; None for the first."""
    facts: Mapping[str, Any]
    """What the kind has to say: JSON values."""


def flaws(
    recording_id: str, documents: Mapping[int, bytes], sidecar: Digest | None, *, reconstructed: bool
) -> list[tuple[int, str]]:
    """Where a recording's amendments, by number, are no chain to its sidecar: numbers, and what is wrong there.

    ``sidecar`` is the SHA-256 of the one that holds; None: it is not known. Of a ``reconstructed`` one the amendments
    up to some number may name the one that was lost. That the last ones were taken away cannot be told.
    """
    found: list[tuple[int, str]] = []
    known, current = 0, False
    before: Digest | None = None
    for number, content in sorted(documents.items()):
        if number != known + 1:
            found.append((known + 1, f"not there, and number {number} is"))
        try:
            document = read(content)
        except ValueError as error:
            found.append((number, str(error)))
        else:
            if (document.recording_id, document.number) != (recording_id, number):
                found.append((number, "it speaks of another recording, or has another number"))
            if number == known + 1 and document.previous != before:
                found.append((number, "it names another amendment before it than is there"))
            if sidecar is not None and document.sidecar != sidecar and (current or not reconstructed):
                found.append((number, "it amends another sidecar than is there"))
            current |= document.sidecar == sidecar
        known, before = number, Digest.sha256_of(content)
    return found


def build(amendment: Amendment) -> bytes:
    """The document as it is put: indented JSON with a final newline."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "recording_id": amendment.recording_id,
        "number": amendment.number,
        "kind": amendment.kind,
        "at": amendment.at.isoformat(),
        "run_id": amendment.run_id,
        "software": amendment.software,
        "sidecar": str(amendment.sidecar),
        "previous": str(amendment.previous) if amendment.previous else None,
        "facts": amendment.facts,
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def read(content: bytes) -> Amendment:
    """What a document says; ValueError if it is not one of ours."""
    try:
        parsed = json.loads(content)
        if parsed["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"amendment schema {parsed['schema_version']} is not known to this version")
        at, previous, number = datetime.fromisoformat(parsed["at"]), parsed["previous"], parsed["number"]
        texts = [parsed[name] for name in ("recording_id", "kind", "run_id", "software")]
        if at.tzinfo is None or type(number) is not int or {type(text) for text in texts} != {str}:
            raise ValueError("id, number, kind or time is not as it should be")
        return Amendment(
            recording_id=parsed["recording_id"],
            number=number,
            kind=parsed["kind"],
            at=at,
            run_id=parsed["run_id"],
            software=parsed["software"],
            sidecar=Digest.parse(parsed["sidecar"]),
            previous=None if previous is None else Digest.parse(previous),
            facts=dict(parsed["facts"]),
        )
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not an amendment of this program ({type(error).__name__})") from None

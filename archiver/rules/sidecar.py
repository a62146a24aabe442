"""The sidecar: a vCon document that says what the audio is, how it was proved, and what the source said of it.

Syntax: IETF draft-ietf-vcon-vcon-core, 0.4.0. What vCon has no field for stands in the ``archive`` extension, whose
JSON Schema is ``archiver/schemas/archive.schema.json``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from archiver.model import (
    AudioFacts,
    Digest,
    Finding,
    Recording,
    Retention,
    RetentionMode,
    StoredObject,
    TransferFacts,
    Verdict,
)

VCON_SYNTAX = "0.4.0"
SCHEMA_VERSION = 1
MEDIATYPE = "application/vcon+json"
CALL = "call"
"""Purpose of the attachment that says of which call the recording is."""
SIZE_LIMIT = 4 * 2**20
"""Bytes: no sidecar of ours is larger, so no larger one is read."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who archived it, when, from where."""

    run_id: str
    at: datetime
    source: str
    """The voice API's base URL, without credentials."""
    software: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What the retention policy says of a recording, and what holds its audio."""

    retention_class: str
    retention: Retention
    missing_facts: tuple[str, ...] = ()
    """Fields that a rule asked for and the row does not have: then the longest class was chosen."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What a sidecar says of its audio: enough to take the recording into a manifest that does not know it."""

    recording_id: str
    created_at: datetime
    duration: float | None
    outcome: str
    """``archived`` or ``quarantined``."""
    grade: str
    reasons: tuple[str, ...]
    audio: StoredObject
    sha512: Digest
    content: Digest | None
    """SHA-256 of the audio without tags."""
    document: StoredObject
    """The sidecar itself."""
    row: Mapping[str, Any]
    length: float | None = None
    """Measured seconds."""
    kept: Kept | None = None
    call: Mapping[str, Any] | None = None
    """The call it names (``rules.call_facts``), if the call log had it by then."""
    reconstructed: bool = False
    """True of one that was made again after the first was lost."""


def build(
    recording: Recording,
    audio: StoredObject,
    sha512: Digest,
    transfer: TransferFacts | None,
    facts: AudioFacts,
    verdict: Verdict,
    provenance: Provenance,
    kept: Kept | None = None,
    call: Mapping[str, Any] | None = None,
) -> bytes:
    """The document as it is put: UTF-8 JSON in lines, with a final newline. ``call`` is of ``rules.call_facts``.

    ``transfer`` is None where the first sidecar was lost, and this one is made from what is left.
    """
    document = {
        "vcon": VCON_SYNTAX,
        "uuid": str(vcon_uuid(recording.id, provenance.source)),
        "extensions": ["archive"],
        "created_at": provenance.at.isoformat(),
        "subject": f"Recording {recording.id}",
        "parties": [_party(number) for number in (recording.call_from, recording.call_to)],
        "dialog": [_dialog(recording, audio, sha512, facts)],
        "analysis": [_probe(facts, transfer), _verdict(verdict, recording)],
        "attachments": [_source_row(recording), *([] if call is None else [_call(call)])],
        "archive": {
            "schema_version": SCHEMA_VERSION,
            "recording_id": recording.id,
            "outcome": "archived" if verdict.accepted else "quarantined",
            "created_at": recording.created_at.isoformat(),
            "reported_duration_seconds": _seconds(recording),
            "key": audio.key,
            "size": audio.size,
            "sha256": audio.digest.hex if audio.digest else None,
            "sha512": sha512.hex,
            "content_sha256": facts.audio_digest.hex if facts.audio_digest else None,
            "length_seconds": None if facts.length is None else round(facts.length, 6),
            "version_id": audio.version_id,
            "grade": verdict.grade.value,
            "reasons": [reason.code for reason in verdict.reasons],
            "source": provenance.source,
            "run_id": provenance.run_id,
            "archived_at": provenance.at.isoformat(),
            "software": provenance.software,
            "retention": None if kept is None else _kept(kept),
            "reconstructed": transfer is None,
        },
    }
    try:
        return _laid_out(document, ascii_only=False).encode()
    except UnicodeEncodeError:  # the row holds a lone surrogate: JSON can say it, UTF-8 cannot
        return _laid_out(document, ascii_only=True).encode()


def _laid_out(document: Mapping[str, Any], *, ascii_only: bool) -> str:
    """A line for each member of the document, and for each of what is within it. Names of members are plain words.

    The standard library indents with its slow encoder, and this is done once a recording.
    """
    encode, encode_in_lines = _encoders(ascii_only=ascii_only)
    members = []
    for name, value in document.items():
        if isinstance(value, dict):
            laid = f"{{\n    {encode_in_lines(value)[1:-1]}\n  }}"
        elif isinstance(value, list):
            laid = "[\n" + ",\n".join([f"    {encode(each)}" for each in value]) + "\n  ]"
        else:
            laid = encode(value)
        members.append(f'  "{name}": {laid}')
    return "{\n" + ",\n".join(members) + "\n}\n"


@cache
def _encoders(*, ascii_only: bool) -> tuple[Callable[[Any], str], Callable[[Any], str]]:
    """On one line, and on one for each member."""
    in_lines = json.JSONEncoder(ensure_ascii=ascii_only, separators=(",\n    ", ": "))
    return json.JSONEncoder(ensure_ascii=ascii_only).encode, in_lines.encode


def read(key: str, document: bytes) -> Seal:
    """What the sidecar under ``key`` says; ValueError if it is not one of ours."""
    try:
        parsed = json.loads(document)
        archive = parsed["archive"]
        if archive["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"sidecar schema {archive['schema_version']} is not known to this version")
        size, reported = archive["size"], archive["reported_duration_seconds"]
        created_at = datetime.fromisoformat(archive["created_at"])
        if type(size) is not int or type(archive["recording_id"]) is not str or created_at.tzinfo is None:
            raise ValueError("size, id or time is not as it should be")
        if archive["outcome"] not in ("archived", "quarantined"):
            raise ValueError("its outcome is none that is known")
        return Seal(
            recording_id=archive["recording_id"],
            created_at=created_at,
            duration=None if reported is None else float(reported),
            outcome=archive["outcome"],
            grade=str(archive["grade"]),
            reasons=tuple(str(code) for code in archive["reasons"]),
            audio=StoredObject(
                str(archive["key"]), size, Digest.parse(f"sha256:{archive['sha256']}"), archive["version_id"]
            ),
            sha512=Digest.parse(f"sha512:{archive['sha512']}"),
            content=_content(archive["content_sha256"]),
            length=None if archive["length_seconds"] is None else float(archive["length_seconds"]),
            document=StoredObject(key, len(document), Digest.sha256_of(document)),
            row=dict(parsed["attachments"][0]["body"]),
            kept=_read_kept(archive["retention"]),
            call=next((dict(each["body"]) for each in parsed["attachments"] if each["purpose"] == CALL), None),
            reconstructed=archive["reconstructed"] is True,
        )
    except (KeyError, IndexError, TypeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a sidecar of this program ({type(error).__name__})") from None


def vcon_uuid(recording_id: str, source: str) -> uuid.UUID:
    """A version 8 UUID made from the source and the recording id: the same recording always has the same one."""
    raw = bytearray(hashlib.sha256(f"{source}\n{recording_id}".encode("utf-8", "surrogatepass")).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return uuid.UUID(bytes=bytes(raw))


def _dialog(recording: Recording, audio: StoredObject, sha512: Digest, facts: AudioFacts) -> dict[str, Any]:
    length = _seconds(recording) if facts.length is None else round(facts.length, 3)
    return {
        "type": "recording",
        "start": recording.created_at.isoformat(),
        **({} if length is None else {"duration": length}),
        "parties": [0, 1],
        "mediatype": facts.mediatype,
        "filename": audio.key.rpartition("/")[2],
        "content_hash": "sha512-" + base64.urlsafe_b64encode(bytes.fromhex(sha512.hex)).rstrip(b"=").decode(),
    }


def _source_row(recording: Recording) -> dict[str, Any]:
    return _attachment("source row", recording.created_at.isoformat(), recording.row)


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    return _attachment(CALL, call["start_at"], call)


def _attachment(purpose: str, start: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "purpose": purpose,
        "start": start,
        "party": 0,
        "dialog": 0,
        "mediatype": "application/json",
        "encoding": "json",
        "body": body,
    }


def _probe(facts: AudioFacts, transfer: TransferFacts | None) -> dict[str, Any]:
    return _analysis(
        "audio facts",
        {
            "container": facts.container,
            "size": facts.size,
            "length_seconds": None if facts.length is None else round(facts.length, 6),
            "frames": facts.frames,
            "sample_rate": facts.sample_rate,
            "channels": facts.channels,
            "bitrate": facts.bitrate,
            "audio_digest": str(facts.audio_digest) if facts.audio_digest else None,
            "findings": _findings(facts.findings),
            "proofs": _findings(facts.proofs),
            "details": dict(facts.details),
            "transfer": None if transfer is None else _transfer(transfer),
        },
    )


def _transfer(transfer: TransferFacts) -> dict[str, Any]:
    return {
        "received": transfer.received,
        "content_length": transfer.content_length,
        "completeness": transfer.completeness.value,
        "content_type": transfer.content_type,
        "origin_digests": [str(digest) for digest in transfer.origin_digests],
    }


def _verdict(verdict: Verdict, recording: Recording) -> dict[str, Any]:
    return _analysis(
        "verdict",
        {
            "grade": verdict.grade.value,
            "reasons": _findings(verdict.reasons),
            "reported_duration_seconds": _seconds(recording),
            "delta_seconds": None if verdict.delta is None else round(verdict.delta, 6),
        },
    )


def _analysis(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": kind,
        "dialog": 0,
        "vendor": "recording-archiver",
        "mediatype": "application/json",
        "encoding": "json",
        "body": body,
    }


def _findings(findings: Sequence[Finding]) -> list[dict[str, str]]:
    return [{"code": finding.code, "detail": finding.detail} for finding in findings]


def _kept(kept: Kept) -> dict[str, Any]:
    return {
        "class": kept.retention_class,
        "mode": kept.retention.mode.value,
        "retain_until": kept.retention.until.isoformat(),
        "missing_facts": list(kept.missing_facts),
    }


def _read_kept(said: Mapping[str, Any] | None) -> Kept | None:
    if said is None:
        return None
    retention = Retention(RetentionMode(said["mode"]), datetime.fromisoformat(said["retain_until"]))
    return Kept(str(said["class"]), retention, tuple(str(name) for name in said["missing_facts"]))


def _content(hex_digest: str | None) -> Digest | None:
    return None if hex_digest is None else Digest.parse(f"sha256:{hex_digest}")


def _party(number: str | None) -> dict[str, str]:
    if number is None:
        return {}
    return {"tel": f"+{number}"} if number.isascii() and number.isdigit() else {"name": number}


def _seconds(recording: Recording) -> float | None:
    return None if recording.duration is None else recording.duration.total_seconds()

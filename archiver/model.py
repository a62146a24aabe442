"""The nouns of the program, all frozen: what is moved, what was learnt of it, where it lies.

Times are aware datetimes in UTC; lengths of audio are float seconds; sizes are bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

_PLAIN_LINK = re.compile(r"(https?://[A-Za-z0-9._:-]+(?:/[!-\"$->@-~]*)?)(?:[?#]|$(?!\n))")
"""A link of which scheme, host and path are what stands before the query, as it stands there."""
Row = Mapping[str, Any]
"""A report row as the source sent it, except that links are cut down to scheme, host and path."""


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A half-open span ``[start, end)`` of source time."""

    start: datetime
    end: datetime

    @classmethod
    def of_day(cls, day: date) -> Window:
        """The UTC day ``day``."""
        start = datetime.combine(day, time(), UTC)
        return cls(start, start + timedelta(days=1))

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    @property
    def day(self) -> date:
        """The UTC day in which the window starts."""
        return self.start.astimezone(UTC).date()

    def __str__(self) -> str:
        return self.day.isoformat()


@dataclass(frozen=True, slots=True)
class Link:
    """A presigned URL: a credential that dies. Never stored, never logged; ``repr`` and ``str`` show no query."""

    url: str = field(repr=False)
    deadline: datetime | None = None
    """When it dies, on the server's clock; None where the URL does not say."""

    @property
    def public(self) -> str:
        """Scheme, host and path: what may be stored and printed."""
        if plain := _PLAIN_LINK.match(self.url):  # nearly all: asked for several times a recording
            return plain[1]
        try:
            parts = urlsplit(self.url)
        except ValueError:
            return "(unreadable link)"
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}"

    def __str__(self) -> str:
        return self.public


@dataclass(frozen=True, slots=True)
class Recording:
    """One row of the recordings report."""

    id: str
    created_at: datetime
    duration: timedelta | None
    """As reported, in whole seconds; None where it is missing or unparsable, or zero."""
    link: Link | None
    """None while the source has no audio for it."""
    row: Row
    call_from: str | None = None
    call_to: str | None = None

    @property
    def day(self) -> date:
        """The UTC day of the recording's source time: the ``dt`` of its object key."""
        return self.created_at.astimezone(UTC).date()


@dataclass(frozen=True, slots=True)
class Call:
    """One row of the call log (a CDR)."""

    id: str
    start_at: datetime
    end_at: datetime | None
    duration: timedelta | None
    status: str | None
    row: Row


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read as asked: reported and counted, never a reason to lose the others."""

    id: str | None
    problem: str
    row: Row
    lost: bool
    """True if nothing can be archived from it; False if the row is used without the unreadable field."""


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """``algorithm:hex``. An ETag is not one."""

    algorithm: str
    hex: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @classmethod
    def sha256_of(cls, content: bytes) -> Digest:
        """The SHA-256 of bytes in memory."""
        return cls("sha256", hashlib.sha256(content).hexdigest())

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read ``algorithm:hex``; ValueError for anything else."""
        algorithm, colon, value = text.partition(":")
        if not (algorithm and colon and value) or bytes.fromhex(value).hex() != value:
            raise ValueError(f"not a digest: {text!r}")
        return cls(algorithm, value)


class Completeness(StrEnum):
    """How the end of a body was known."""

    LENGTH = "content-length"
    CHUNKED = "chunked"
    CLOSE = "connection-close"
    """Only by the connection closing: completeness is unproven."""


@dataclass(frozen=True, slots=True)
class TransferFacts:
    """What the origin said of the audio while serving it, and what arrived."""

    received: int
    content_length: int | None
    completeness: Completeness
    content_type: str | None
    """Type and subtype as the origin names them; None where it names none, or something that is none."""
    origin_digests: tuple[Digest, ...] = ()
    """Whole-body digests that the origin stated (Content-MD5, x-amz-checksum-*, a single-part ETag) and that held."""
    etag_differs: bool = False
    """True if the ETag looks like an MD5 and is not that of the bytes. No proof of damage: not every store's is one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation about audio: a stable code (``snake_case``), and words for people."""

    code: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """What a probe learnt from the bytes alone. It decides nothing: ``rules.verdict`` does."""

    container: str
    """``mp3``, ``wav``, ``ogg``, ``mp4``, ``flac``, … or what was found instead: one of
    ``rules.verdict.NOT_AUDIO``."""
    extension: str
    """Of the object key, without a dot: follows the bytes, not the URL."""
    mediatype: str
    size: int
    length: float | None = None
    """Seconds, from the walk over every frame; None where nothing could be walked."""
    frames: int | None = None
    sample_rate: int | None = None
    channels: int | None = None
    bitrate: int | None = None
    """Bits per second, mean over the walked frames."""
    findings: tuple[Finding, ...] = ()
    """What is wrong or odd about the bytes."""
    proofs: tuple[Finding, ...] = ()
    """Embedded checks that held (header frame count, music CRC, …)."""
    audio_digest: Digest | None = None
    """SHA-256 of the audio without tags: equal under two recording ids means the same audio."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Further container facts for the evidence: JSON values only."""


class Grade(StrEnum):
    """How sure we are of a recording."""

    VERIFIED = "verified"  # clean, of the reported length, and proved by a digest or an embedded check
    CONSISTENT = "consistent"  # clean and of the reported length; nothing embedded to prove it by
    SUSPECT = "suspect"  # archived and flagged
    REJECTED = "rejected"  # not archived: the bytes go to quarantine


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on fetched audio: a grade with its reasons."""

    grade: Grade
    reasons: tuple[Finding, ...]
    delta: float | None
    """Walked length minus reported duration, in seconds; None where either is missing."""

    @property
    def accepted(self) -> bool:
        """True if the audio may be archived."""
        return self.grade is not Grade.REJECTED


class RetentionMode(StrEnum):
    """How a bucket holds on to an object until its time has come: the words of S3 Object Lock, weaker one first."""

    GOVERNANCE = "governance"  # lifted by nobody but a holder of s3:BypassGovernanceRetention
    COMPLIANCE = "compliance"  # lifted by nobody at all


@dataclass(frozen=True, slots=True)
class Retention:
    """Until when an object may not be deleted: aware, in whole seconds (S3 keeps no more)."""

    mode: RetentionMode
    until: datetime

    def __post_init__(self) -> None:
        if self.until.tzinfo is None or self.until.microsecond:
            raise ValueError(f"not an aware time in whole seconds: {self.until.isoformat()}")

    def joined(self, other: Retention | None) -> Retention:
        """The later time and the stronger mode of the two: retention is only ever extended."""
        if other is None:
            return self
        compliance = RetentionMode.COMPLIANCE in (self.mode, other.mode)
        mode = RetentionMode.COMPLIANCE if compliance else RetentionMode.GOVERNANCE
        return Retention(mode, max(self.until, other.until))


@dataclass(frozen=True, slots=True)
class Protection:
    """What keeps an object from being deleted: each of the two by itself."""

    retention: Retention | None = None
    legal_hold: bool = False

    def joined(self, other: Protection | None) -> Protection:
        """Everything that either of the two demands."""
        if other is None:
            return self
        retention = self.retention.joined(other.retention) if self.retention else other.retention
        return Protection(retention, self.legal_hold or other.legal_hold)

    def covers(self, wanted: Protection) -> bool:
        """True if ``wanted`` demands nothing beyond this."""
        return self.joined(wanted) == self

    def forbids_deletion(self, at: datetime) -> bool:
        """True while a lock or a hold is in force."""
        return self.legal_hold or (self.retention is not None and self.retention.until > at)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in the bucket."""

    key: str
    size: int
    digest: Digest | None = None
    """SHA-256; None where only a listing was read."""
    version_id: str | None = None
    protection: Protection | None = None
    """As read from the store; None where it has none, or where only a listing or the manifest was read."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that ``archiver doctor`` has looked at before any link is burnt."""

    name: str
    passed: bool
    fact: str
    remedy: str = ""

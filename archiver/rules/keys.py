"""Where a recording lies in the bucket: object keys made from its UTC day and its id, and from nothing else.

No phone number ever enters a key: keys outlive an erasure, and they are logged by everything on the way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import date

from archiver.model import Digest

PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_LIKE_A_HASH = re.compile(r"h-[0-9a-f]{64}")

SIDECAR_SUFFIX = ".vcon.json"
RECORDINGS = "recordings"
QUARANTINE = "quarantine"
CALLS = "calls"
PERIODS = "periods"
CALL_COPIES = "calls-parquet"
"""A prefix of its own: a table of a query engine is a prefix, and reads every object under it in one format."""
SNAPSHOTS = "manifest"
"""Copies of the manifest: no part of the archive, and under no retention."""
PROBES = "doctor"
CREATE_ONLY_PROBE = f"{PROBES}/create-only"
"""Stays, to be refused a second time by whoever asks; every other probe is removed, where that is allowed."""
NOT_COPIED = frozenset({SNAPSHOTS, PROBES})
"""What is no part of the archive: it stays where it is."""
_SNAPSHOT = re.compile(rf"{SNAPSHOTS}/snapshot-([0-9]{{8}})\.(?:db\.gz|json)")
_PERIOD_DOCUMENT = re.compile(rf"{PERIODS}/dt=([0-9-]{{10}})/(?:statement|amendment-([0-9]{{4,9}}))\.json")
CALL_PART = re.compile(r"(?:calls|calls-parquet)/dt=([0-9-]{10})/part-([0-9]{4,9})\.(?:ndjson\.gz|parquet)")
"""A part of a day's call log, or its Parquet copy."""
HOLDS = "holds"
TOMBSTONES = "tombstones"
DISPOSALS = "disposals"
MATTER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_ORDER = re.compile(rf"{HOLDS}/({MATTER.pattern})/order-([0-9]{{4,9}})\.json")
DAY_AREAS = (CALLS, CALL_COPIES, PERIODS)
"""Of documents that speak of a whole day."""
_DAY_DOCUMENT = re.compile(rf"(?:{'|'.join(DAY_AREAS)})/dt=([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})/.+")
_AMENDMENT = re.compile(
    rf"({RECORDINGS}/dt=[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}/[A-Za-z0-9_-]+)\.amendment-([0-9]{{4,9}})\.json"
)


def stem(recording_id: str) -> str:
    """The id as a key may carry it: itself if it is plain, else ``h-`` and the SHA-256 of its UTF-8 bytes.

    A plain id that looks like such a hash is hashed as well, so that no two ids ever share a stem.
    """
    if PLAIN_ID.fullmatch(recording_id) and not _LIKE_A_HASH.fullmatch(recording_id):
        return recording_id
    return "h-" + hashlib.sha256(recording_id.encode("utf-8", "surrogatepass")).hexdigest()


def day_prefix(area: str, day: date) -> str:
    """The prefix under which everything of ``day`` lies; ``area`` is RECORDINGS, QUARANTINE, CALLS or PERIODS."""
    return f"{area}/dt={day.isoformat()}/"


def audio_key(recording_id: str, day: date, extension: str) -> str:
    """The key of the audio of an accepted recording."""
    return f"{day_prefix(RECORDINGS, day)}{stem(recording_id)}.{extension}"


def sidecar_key(recording_id: str, day: date) -> str:
    """The key of the sidecar of an accepted recording: its presence says that it is sealed."""
    return f"{day_prefix(RECORDINGS, day)}{stem(recording_id)}{SIDECAR_SUFFIX}"


def amendment_prefix(recording_id: str, day: date) -> str:
    """What the keys of all amendments of a recording begin with."""
    return f"{day_prefix(RECORDINGS, day)}{stem(recording_id)}.amendment-"


def amendment_key(recording_id: str, day: date, number: int) -> str:
    """The key of what was learnt of a recording after its seal: numbered from 1, each only adding."""
    return f"{amendment_prefix(recording_id, day)}{number:04d}.json"


def amendment_of(key: str) -> tuple[str, int] | None:
    """Key of the sidecar, and number, of the amendment that lies under a key; None if it is not one."""
    named = _AMENDMENT.fullmatch(key)
    number = _number(named[2]) if named else None
    return None if named is None or number is None else (named[1] + SIDECAR_SUFFIX, number)


def reconciliation_prefix(day: date) -> str:
    """What the keys of all reconciliations of a day begin with."""
    return f"{day_prefix(PERIODS, day)}reconciliation"


def reconciliation_key(day: date, number: int) -> str:
    """The key of what a day's reconciliation came to; a later one that came to something else has the next number."""
    return f"{reconciliation_prefix(day)}{'' if number == 1 else f'-{number:04d}'}.json"


def reconciliation_number(key: str, day: date) -> int | None:
    """The number of the reconciliation of ``day`` that lies under a key; None if it is none."""
    digits = key.removeprefix(reconciliation_prefix(day)).removesuffix(".json").removeprefix("-") or "1"
    number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else 0
    return number if number and reconciliation_key(day, number) == key else None


def quarantine_keys(recording_id: str, day: date, extension: str, again: str = "") -> tuple[str, str]:
    """Keys of rejected bytes and of the document that says why.

    ``again`` is the start of their digest where the recording was rejected before with other bytes: both are kept.
    """
    base = day_prefix(QUARANTINE, day) + stem(recording_id) + (f".{again}" if again else "")
    return f"{base}.{extension}", f"{base}{SIDECAR_SUFFIX}"


def call_part_key(day: date, number: int) -> str:
    """The key of a part of a day's call log: numbered from 1, each only adding to those before it."""
    return f"{day_prefix(CALLS, day)}part-{number:04d}.ndjson.gz"


def call_copy_key(day: date, number: int) -> str:
    """The key of the Parquet copy of a part."""
    return f"{day_prefix(CALL_COPIES, day)}part-{number:04d}.parquet"


def call_part_of(key: str) -> tuple[date, int] | None:
    """Day and number of the part that lies under a key; None if it is not one."""
    return _numbered(key, call_part_key)


def call_copy_of(key: str) -> tuple[date, int] | None:
    """Day and number of the Parquet copy that lies under a key; None if it is not one."""
    return _numbered(key, call_copy_key)


def orders_prefix(matter: str | None = None) -> str:
    """Under which the orders of a matter, or of all, lie."""
    return f"{HOLDS}/" if matter is None else f"{HOLDS}/{matter}/"


def order_key(matter: str, number: int) -> str:
    """The key of an order of a matter: numbered from 1. ValueError for a matter that cannot be a key."""
    if not MATTER.fullmatch(matter):
        raise ValueError("a matter is named by 1 to 64 letters, digits, dots, hyphens and underscores")
    return f"{orders_prefix(matter)}order-{number:04d}.json"


def order_of(key: str) -> tuple[str, int] | None:
    """Matter and number of the order that lies under a key; None if it is not one."""
    named = _ORDER.fullmatch(key)
    number = _number(named[2]) if named else None
    return None if named is None or number is None else (named[1], number)


def tombstone_key(recording_id: str, day: date) -> str:
    """The key of what stays of a recording that was disposed of."""
    return f"{day_prefix(TOMBSTONES, day)}{stem(recording_id)}.json"


def tombstone_beside(key: str) -> str:
    """The key of the tombstone of the recording whose audio, sidecar or amendment lies under ``key``."""
    _, day, name = key.split("/")
    return f"{TOMBSTONES}/{day}/{name.partition('.')[0]}.json"


def disposal_key(plan: Digest, name: str) -> str:
    """The key of a plan that was carried out, or of its certificate."""
    return f"{DISPOSALS}/{plan.hex[:16]}/{re.sub('[^a-z0-9-]', '', name.lower())}.json"


def document_day(key: str) -> date | None:
    """The day of a document that speaks of a whole day: a call log, a statement; None for anything else."""
    named = _DAY_DOCUMENT.fullmatch(key)
    try:
        return date.fromisoformat(named[1]) if named else None
    except ValueError:
        return None


def period_document_key(day: date, number: int) -> str:
    """The key of the statement of a closed day (0), or of an amendment to it: numbered from 1."""
    return day_prefix(PERIODS, day) + ("statement.json" if number == 0 else f"amendment-{number:04d}.json")


def period_document_of(key: str) -> tuple[date, int] | None:
    """Day and number of the statement (0) or amendment that lies under a key; None if it is neither."""
    named = _PERIOD_DOCUMENT.fullmatch(key)
    if named is None:
        return None
    try:
        found = date.fromisoformat(named[1]), int(named[2] or 0)
    except ValueError:
        return None
    return found if period_document_key(*found) == key else None


def companion_key(day: date, name: str, digest: Digest) -> str:
    """The key of what a statement refers to: named by its digest, so that no two ever meet under one key."""
    return f"{day_prefix(PERIODS, day)}{name}-{digest.hex[:16]}.ndjson.gz"


def snapshot_keys(number: int) -> tuple[str, str]:
    """Keys of a snapshot of the manifest, numbered from 1, and of the seal that says that it is whole."""
    base = f"{SNAPSHOTS}/snapshot-{number:08d}"
    return f"{base}.db.gz", f"{base}.json"


def snapshot_of(key: str) -> int | None:
    """The number of the snapshot of which the key holds data or seal; None if it is neither."""
    named = _SNAPSHOT.fullmatch(key)
    return int(named[1]) if named else None


def _number(digits: str) -> int | None:
    """From 1, if these are the digits that it is written with; no two keys have the same number."""
    number = int(digits)
    return number if number and f"{number:04d}" == digits else None


def _numbered(key: str, key_of: Callable[[date, int], str]) -> tuple[date, int] | None:
    named = CALL_PART.fullmatch(key)
    if named is None:
        return None
    try:
        found = date.fromisoformat(named[1]), int(named[2])
    except ValueError:
        return None
    return found if found[1] and key_of(*found) == key else None

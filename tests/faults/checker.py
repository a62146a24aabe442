"""Says which of the invariants is violated, from bucket, manifest and truth alone. Shares no code with the archiver.

It reads the bucket as files or by plain boto3, the manifest by plain sqlite3, sidecars by plain json:

I1  ``archived`` implies audio and sidecar in the bucket at the recorded SHA-256, the very bytes that were served
I2  every listed id is archived, quarantined, skipped, unavailable or open with a reason; what is closed adds up
I3  one version per key; what was there before is there unchanged
I4  a rerun converges, and a run after that puts nothing
I5  no secret in any sink
I6  nothing is left in scratch; time, memory and descriptors stay within their bounds
"""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

FINAL = {"archived", "quarantined", "skipped", "unavailable", "expired"}
TOLD = {"quarantined", "skipped", "unavailable", "failed"}
"""States in which a reason has to stand at any time; an open recording needs one once its run has ended."""


@dataclass(frozen=True)
class Violation:
    """One invariant that does not hold, and where."""

    invariant: str
    detail: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.detail}"


@dataclass(frozen=True)
class Bucket:
    """Every version of every object, the oldest first, below the archive's prefix."""

    versions: Mapping[str, tuple[bytes, ...]]

    @classmethod
    def of_directory(cls, root: Path) -> Bucket:
        files = [path for path in root.rglob("*") if path.is_file() and ".scratch" not in path.parts]
        return cls({path.relative_to(root).as_posix(): (path.read_bytes(),) for path in files})

    @classmethod
    def of_s3(cls, client: Any, name: str, prefix: str) -> Bucket:
        found: dict[str, tuple[bytes, ...]] = {}
        for page in client.get_paginator("list_object_versions").paginate(Bucket=name, Prefix=f"{prefix}/"):
            for version in reversed(page.get("Versions", ())):
                asked = {"Bucket": name, "Key": version["Key"], "VersionId": version["VersionId"]}
                key = version["Key"].removeprefix(f"{prefix}/")
                found[key] = (*found.get(key, ()), client.get_object(**asked)["Body"].read())
            for marker in page.get("DeleteMarkers", ()):
                found.setdefault(marker["Key"].removeprefix(f"{prefix}/"), ())
        return cls(found)

    @property
    def objects(self) -> dict[str, bytes]:
        """What a reader gets."""
        return {key: versions[-1] for key, versions in self.versions.items() if versions}

    def digests(self) -> dict[str, str]:
        """For a later comparison."""
        return {key: sha256(data) for key, data in self.objects.items()}


@dataclass(frozen=True)
class Books:
    """The manifest's tables, rows as dicts."""

    recordings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    events: tuple[Mapping[str, Any], ...] = ()
    windows: tuple[Mapping[str, Any], ...] = ()
    runs: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def read(cls, path: Path) -> Books:
        """Empty where there is no manifest yet, or none with tables: the process died before."""
        if not path.exists():
            return cls()
        with closing(sqlite3.connect(path)) as database:
            database.row_factory = sqlite3.Row
            names = {row["name"] for row in database.execute("select name from sqlite_master where type = 'table'")}
            if "recordings" not in names:
                return cls()

            def rows(table: str, order: str) -> tuple[dict[str, Any], ...]:
                return tuple(dict(row) for row in database.execute(f"select * from {table} order by {order}"))

            recordings = {row["id"]: row for row in rows("recordings", "id")}
            return cls(recordings, rows("events", "id"), rows("windows", "start_at"), rows("runs", "started_at"))


@dataclass(frozen=True)
class Truth:
    """What the source serves in the end: the SHA-256 of its audio by id; None where it has none, or none that is good.

    ``bad`` are ids whose audio must not be accepted.
    """

    audio: Mapping[str, str | None]
    created: Mapping[str, str]
    """Source time by id, ``YYYY-MM-DD HH:MM:SS``."""
    bad: Collection[str] = ()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def at_any_time(bucket: Bucket, books: Books, truth: Truth, before: Mapping[str, str]) -> list[Violation]:
    """What holds at every moment, in the middle of a run and after any death; ``before`` as ``Bucket.digests`` told."""
    objects = bucket.objects
    return [
        *_sealed(objects, truth),
        *_archived(objects, books, truth),
        *_versions(bucket, before),
        *_histories(books),
        *_closed(books, truth),
    ]


def in_the_end(bucket: Bucket, books: Books, truth: Truth, scratch: Iterable[Path]) -> list[Violation]:
    """What holds besides when a run has ended by itself."""
    return [
        *_told(books, truth),
        *_orphans(bucket.objects),
        *(Violation("I6", f"{path.name} is left in scratch") for path in scratch if path.is_file()),
    ]


def converged(bucket: Bucket, books: Books, truth: Truth) -> list[Violation]:
    """What holds when the source was well for a whole run: all good audio is archived, the bad quarantined."""
    found = []
    for recording_id, digest in truth.audio.items():
        row = books.recordings.get(recording_id)
        state = row["state"] if row else "nowhere"
        wanted = "quarantined" if recording_id in truth.bad else "archived"
        if digest is not None and state != wanted:
            found.append(Violation("I4", f"{recording_id} is {state}, not {wanted}, after a run that met no trouble"))
    return found


def unchanged(before: Mapping[str, str], after: Mapping[str, str], puts: int = 0) -> list[Violation]:
    """A run that had nothing to do has done nothing."""
    found = [Violation("I4", f"{puts} puts by a run that had nothing to do")] if puts else []
    return found + [
        Violation("I4", f"{key} came of a run that had nothing to do") for key in after.keys() - before.keys()
    ]


def leaked(secrets: Mapping[str, str], sinks: Mapping[str, bytes]) -> list[Violation]:
    """Secrets, by name, in sinks, by name: as they are, URL-encoded, and in base64 at any alignment."""
    found = []
    for name, secret in secrets.items():
        for sink, data in sinks.items():
            for form, text in forms(secret).items():
                if text in data:
                    found.append(Violation("I5", f"{name} stands in {sink}, {form}"))
    return found


def forms(secret: str) -> dict[str, bytes]:
    """How a secret may look in a sink."""
    told = {
        "as it is": secret.encode(),
        "URL-encoded": quote(secret, safe="").encode(),
        "form-encoded": quote_plus(secret).encode(),
        "as JSON": json.dumps(secret)[1:-1].encode(),
    }
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + secret.encode())
        run = whole[(0, 2, 3)[shift] : len(whole) - (0, 3, 2)[(shift + len(secret.encode())) % 3] or None]
        told[f"in base64 ({shift})"] = run
        told[f"in URL-safe base64 ({shift})"] = run.replace(b"+", b"-").replace(b"/", b"_")
    return told


def _sidecars(objects: Mapping[str, bytes]) -> Iterable[tuple[str, bytes]]:
    return [(key, data) for key, data in objects.items() if key.endswith(".vcon.json")]


def _sealed(objects: Mapping[str, bytes], truth: Truth) -> Iterable[Violation]:
    """The bucket by itself: every sidecar speaks of audio that is there, and accepted audio is what was served."""
    for key, data in _sidecars(objects):
        said = json.loads(data)["archive"]
        audio = objects.get(said["key"])
        if audio is None or sha256(audio) != said["sha256"] or len(audio) != said["size"]:
            yield Violation("I1", f"{key} speaks of audio that is not there as it says")
        elif key.startswith("recordings/"):
            yield from _served(said["recording_id"], sha256(audio), truth)


def _archived(objects: Mapping[str, bytes], books: Books, truth: Truth) -> Iterable[Violation]:
    """The manifest against the bucket."""
    for recording_id, row in books.recordings.items():
        if row["state"] not in ("archived", "stored", "quarantined"):
            continue
        parts = ("audio",) if row["state"] == "stored" else ("audio", "sidecar")
        for part in parts:
            data = objects.get(row[f"{part}_key"] or "")
            if data is None or f"sha256:{sha256(data)}" != row[f"{part}_digest"]:
                yield Violation(
                    "I1", f"{recording_id} is {row['state']} and its {part} is not in the bucket as recorded"
                )
        if row["state"] == "archived":
            yield from _served(recording_id, (row["audio_digest"] or "").removeprefix("sha256:"), truth)


def _served(recording_id: str, digest: str, truth: Truth) -> Iterable[Violation]:
    if recording_id in truth.bad:
        yield Violation("I1", f"{recording_id} is archived, and its audio is bad")
    elif recording_id not in truth.audio:
        yield Violation("I1", f"{recording_id} is archived, and the source knows nothing of it")
    elif truth.audio[recording_id] != digest:
        yield Violation("I1", f"{recording_id} is archived with other bytes than the source serves")


def _versions(bucket: Bucket, before: Mapping[str, str]) -> Iterable[Violation]:
    for key, versions in bucket.versions.items():
        if len(versions) != 1 and not key.startswith("doctor/"):  # probes are there to be put twice
            yield Violation("I3", f"{key} has {len(versions)} versions")
    now = bucket.digests()
    for key, digest in before.items():
        if now.get(key) != digest:
            yield Violation("I3", f"{key} {'has changed' if key in now else 'is gone'}")


def _histories(books: Books) -> Iterable[Violation]:
    """Every state is what its last event led to, and each event begins where the one before it ended."""
    stands: dict[str, str] = {}
    for event in books.events:
        recording_id = event["recording_id"]
        if stands.get(recording_id) != event["from_state"]:
            yield Violation("I2", f"{recording_id}: an event begins where it did not stand")
        stands[recording_id] = event["to_state"]
    for recording_id, row in books.recordings.items():
        if stands.get(recording_id) != row["state"]:
            yield Violation("I2", f"{recording_id} is {row['state']}, and its events say {stands.get(recording_id)}")
        if row["state"] in TOLD and not row["reason"]:
            yield Violation("I2", f"{recording_id} is {row['state']} without a reason")


def _closed(books: Books, truth: Truth) -> Iterable[Violation]:
    """In a closed window everything that the source names is known, and at its end."""
    for window in books.windows:
        if window["closed_at"] is None:
            continue
        start, end = str(window["start_at"])[:19], str(window["end_at"])[:19]
        for recording_id, created in truth.created.items():
            if start <= created < end:
                state = books.recordings.get(recording_id, {}).get("state")
                if state not in FINAL:
                    yield Violation("I2", f"{recording_id} is {state or 'nowhere'} in a window that is closed")


def _told(books: Books, truth: Truth) -> Iterable[Violation]:
    """Nothing listed is nowhere, nothing is open without a reason, and the summaries add up."""
    for recording_id in sorted(truth.audio.keys() - books.recordings.keys()):
        yield Violation("I2", f"{recording_id} is listed and nowhere")
    for recording_id, row in books.recordings.items():
        if row["state"] not in ("archived", "expired") and not row["reason"]:
            yield Violation("I2", f"{recording_id} is {row['state']} without a reason")
    for run in books.runs:
        if run["summary"] and not _adds_up(json.loads(run["summary"])):
            yield Violation("I2", f"the counts of run {run['run_id']} do not add up")


def _orphans(objects: Mapping[str, bytes]) -> Iterable[Violation]:
    spoken_for = {json.loads(data)["archive"]["key"] for _, data in _sidecars(objects)}
    for key in objects:
        if key.startswith(("recordings/", "quarantine/")) and not key.endswith(".json") and key not in spoken_for:
            yield Violation("I1", f"{key} is an orphan: no sidecar speaks of it")


def _adds_up(summary: Mapping[str, Any]) -> bool:
    parts = ("archived", "already_archived", "quarantined", "skipped", "pending", "failed", "unavailable")
    return bool(summary.get("listed", 0) == sum(summary.get(part, 0) for part in parts))

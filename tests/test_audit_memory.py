"""An audit's memory does not grow with the archive: neither the bucket nor the manifest is ever held as a whole."""

from __future__ import annotations

import json
import sqlite3
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archiver.audit import Audit, Order
from archiver.clock import SystemClock
from archiver.manifest.sql import SqlManifest
from archiver.model import Digest, StoredObject
from archiver.reseal import Resealer
from archiver.rules import keys, sidecar
from archiver.rules.audit import Share
from archiver.store.interface import KeyHistory
from archiver.store.memory import MemoryStore

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 1, tzinfo=UTC)
SIZE = 1000
DIGEST = Digest.sha256_of(b"")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Quiet:
    """Tells nobody."""

    def event(self, kind: str, /, **fields: object) -> None:
        raise AssertionError(f"{kind}: {fields}")

    def progress(self, *, listed: int, settled: int, size: int) -> None:
        pass


class MadeUp(MemoryStore):
    """A bucket whose objects are made up as they are listed, in key order: it holds nothing itself."""

    def __init__(self, recordings: int, per_day: int) -> None:
        super().__init__()
        self._recordings = recordings
        self._per_day = per_day

    async def history(self, prefix: str) -> AsyncIterator[KeyHistory]:
        for number in range(self._recordings if prefix.startswith(keys.RECORDINGS) else 0):
            for key in objects_of(number, self._per_day):
                yield KeyHistory(key, StoredObject(key, SIZE))

    async def rehash(self, key: str) -> StoredObject | None:
        return StoredObject(key, SIZE, DIGEST)

    async def read(self, key: str, limit: int) -> bytes | None:
        audio = key.replace(keys.SIDECAR_SUFFIX, ".mp3")
        return json.dumps(
            {"archive": archive_of(audio), "attachments": [{"purpose": "source row", "body": {}}]}
        ).encode()


def archive_of(audio: str) -> dict[str, object]:
    """What a sidecar says of its audio."""
    return {
        "schema_version": sidecar.SCHEMA_VERSION,
        "recording_id": audio.rpartition("/")[2].removesuffix(".mp3"),
        "outcome": "archived",
        "created_at": START.isoformat(),
        "reported_duration_seconds": 1.0,
        "key": audio,
        "size": SIZE,
        "sha256": DIGEST.hex,
        "sha512": "00" * 64,
        "content_sha256": None,
        "length_seconds": None,
        "version_id": None,
        "grade": "verified",
        "reasons": [],
        "retention": None,
        "reconstructed": False,
    }


def objects_of(number: int, per_day: int) -> tuple[str, str]:
    day = (START + timedelta(days=number // per_day)).date()
    return keys.audio_key(f"r{number:07}", day, "mp3"), keys.sidecar_key(f"r{number:07}", day)


async def fill(path: Path, recordings: int, per_day: int) -> None:
    """A manifest of that many archived recordings, in one statement."""
    async with await SqlManifest.open(f"sqlite:///{path}"):
        pass
    rows = []
    for number in range(recordings):
        at = START + timedelta(days=number // per_day)
        audio, document = objects_of(number, per_day)
        rows.append((f"r{number:07}", str(at)[:19], str(at.date()), audio, SIZE, str(DIGEST), document, SIZE))
    with sqlite3.connect(path) as connection:
        connection.executemany(
            "INSERT INTO recordings (id, created_at, day, late, state, attempts, reason, audio_key, audio_size,"
            " audio_digest, sidecar_key, sidecar_size) VALUES (?, ?, ?, 0, 'archived', 0, '', ?, ?, ?, ?, ?)",
            rows,
        )
    connection.close()


async def peak_of(path: Path, recordings: int, per_day: int) -> int:
    """Bytes that an audit of everything had allocated at most."""
    await fill(path, recordings, per_day)
    async with await SqlManifest.open(f"sqlite:///{path}") as manifest:
        order = Order("audit-1", Share(), deep=True)
        store, clock = MadeUp(recordings, per_day), SystemClock()
        audit = Audit(order, store, manifest, Resealer(store, manifest, clock, "", ""), clock, Quiet())
        tracemalloc.start()
        try:
            tally = await audit.perform()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (tally.recordings, tally.objects, tally.exit_code) == (recordings, 2 * recordings, 0)
    return peak


@pytest.mark.parametrize(("days", "few", "many"), [(5, 2_500, 10_000), (1, 2_500, 6_000)], ids=["days", "one day"])
async def test_memory_stays_flat(days: int, few: int, many: int, tmp_path: Path) -> None:
    """20,000 objects, and 12,000 in one day."""
    small = await peak_of(tmp_path / "few.db", few, few // days)
    large = await peak_of(tmp_path / "many.db", many, many // days)
    assert large < 32 * 2**20
    assert large < 1.5 * small + 4 * 2**20

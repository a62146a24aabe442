"""An audit of everything at 10,000, at 100,000, and at 200,000 objects of one day: ``python -m benchmarks.audit``.

Archives in a directory, 500 recordings a day but for the last, each with a sidecar as a run writes it; their audio is
2 KB: it is the number of objects that counts. Each is audited by the program as a process of its own. The last line is
one JSON object: peak RSS of all, its growth beside the first, objects per second.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import multiprocessing
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from archiver.clock import SystemClock
from archiver.keeping import Keeper
from archiver.manifest.sql import SqlManifest
from archiver.model import AudioFacts, Completeness, Digest, Grade, Recording, StoredObject, TransferFacts, Verdict
from archiver.rebuild import entry_of
from archiver.rules import keys, sidecar
from benchmarks.runs import summarised

ARCHIVES = {"few": (10_000, 500), "many": (100_000, 500), "one_day": (200_000, 100_000)}
"""Objects, and recordings a day."""
AT_ONCE = 500
"""Written together; the recordings of a day are a multiple of it."""
START = datetime(2026, 1, 1, tzinfo=UTC)
SIZE = 2_000
CONFIG = """\
source:
  base_url: http://127.0.0.1:9/api/v2/
  token: not-used-here
  allow_insecure_loopback: true
destination:
  url: file://{home}/archive
manifest:
  url: sqlite://{home}/manifest.db
"""


def pair(number: int, per_day: int) -> tuple[Recording, bytes, bytes]:
    """A recording, its audio, its sidecar."""
    day, of_day = divmod(number, per_day)
    at = START + timedelta(days=day, seconds=of_day * 86_400 // per_day)
    row = {"id": f"r{number:07}", "call_from": "32470000001", "call_to": "32470000002"}
    recording = Recording(row["id"], at, timedelta(seconds=1), None, row, row["call_from"], row["call_to"])
    audio = hashlib.sha512(row["id"].encode()).digest() * (SIZE // 64)
    stored = StoredObject(keys.audio_key(row["id"], recording.day, "mp3"), len(audio), Digest.sha256_of(audio))
    document = sidecar.build(
        recording,
        stored,
        Digest("sha512", hashlib.sha512(audio).hexdigest()),
        TransferFacts(len(audio), len(audio), Completeness.LENGTH, "audio/mpeg"),
        AudioFacts("mp3", "mp3", "audio/mpeg", len(audio)),
        Verdict(Grade.VERIFIED, (), 0.0),
        sidecar.Provenance("bench", at, "http://127.0.0.1/", "bench"),
    )
    return recording, audio, document


async def fill(home: Path, recordings: int, per_day: int) -> None:
    """The archive, and a manifest that knows it."""
    keeper = Keeper(SystemClock())
    async with await SqlManifest.open(f"sqlite:///{home}/manifest.db") as manifest:
        for first in range(0, recordings, AT_ONCE):
            made = [pair(number, per_day) for number in range(first, min(first + AT_ONCE, recordings))]
            folder = home / "archive" / keys.day_prefix(keys.RECORDINGS, made[0][0].day)
            folder.mkdir(parents=True, exist_ok=True)
            restores = []
            for recording, audio, document in made:
                key = keys.sidecar_key(recording.id, recording.day)
                (folder / f"{recording.id}.mp3").write_bytes(audio)
                (home / "archive" / key).write_bytes(document)
                entry = entry_of(sidecar.read(key, document), keeper)
                restores.append(manifest.restore(entry, recording.row, START, None))
            await asyncio.gather(*restores)


def fill_all(home: Path, recordings: int, per_day: int) -> None:
    """``fill``, as a process runs it."""
    asyncio.run(fill(home, recordings, per_day))


def audit(objects: int, per_day: int) -> dict[str, Any]:
    """What an audit of so many objects took."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        # In a process of its own: a child's peak memory counts from what its parent had when it was made.
        filling = multiprocessing.get_context("spawn").Process(target=fill_all, args=(home, objects // 2, per_day))
        filling.start()
        filling.join()
        config = home / "archiver.yaml"
        config.touch(mode=0o600)
        config.write_text(CONFIG.format(home=home))
        done, summary = summarised(["audit", "--json", "-c", str(config)])
    if done.exit_code or summary["objects"] != objects:
        raise SystemExit(f"the audit ended with exit code {done.exit_code}: {summary}")
    figures = {
        "objects": objects,
        "recordings_per_day": per_day,
        "seconds": round(done.seconds, 1),
        "objects_per_second": round(objects / done.seconds),
        "cpu_ms_per_object": round(1000 * done.cpu_seconds / objects, 2),
        "peak_rss_mib": round(done.peak_mib, 1),
    }
    print(json.dumps(figures), flush=True)
    return figures


def main() -> None:
    """All of them, one after the other."""
    found = {name: audit(*archive) for name, archive in ARCHIVES.items()}
    least = found["few"]["peak_rss_mib"]
    growth = {name: round(each["peak_rss_mib"] / least, 3) for name, each in found.items()}
    print(json.dumps({**found, "peak_rss_growth": growth}))


if __name__ == "__main__":
    main()

"""Peak memory under a budget of 256 MiB, whatever the sizes: ``python -m benchmarks.memory`` (``make bench-memory``).

3,000 recordings of a real size mix (60 KB to 2 MB) in one run, into a directory; then a single one of 1.5 GB, an MP3
of ten hours, from nginx into nginx as S3, plain and over TLS. The promise: budget + 120 MiB. The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from archiver.sandbox import Mp3Form, Sandbox, Speech, World, new_recording
from benchmarks import rig
from benchmarks.peers import Task, archiver, environment
from benchmarks.runs import report, run, whole
from benchmarks.usage import usage_of

PROMISED_MIB = 256 + 120
FORM = Mp3Form(44_100, 320, channels=2)
PIECE_SECONDS = 600
PIECE = PIECE_SECONDS * FORM.kbps * 125
"""Bytes, near enough."""


def mix(recordings: int) -> dict[str, Any]:
    """Many recordings, 32 at once."""
    world = World.generate(seed=1, recordings=recordings, days=3, sizes="realistic")
    with tempfile.TemporaryDirectory() as name, Sandbox(world, dialect="flat").running() as sandbox:
        used, summary = run(sandbox, Path(name), concurrency=32)
        return report("memory", used, summary, whole(sandbox, Path(name)))


def large(servers: rig.Rig, megabytes: int, ends: rig.Endpoints) -> dict[str, Any]:
    """One recording of so many megabytes."""
    pieces = megabytes * 1_000_000 // PIECE
    made = new_recording(datetime(2026, 9, 22, 12, tzinfo=UTC), pieces * PIECE_SECONDS)
    world = World([made.evolve(audio=Speech(1.0, 0, FORM))])  # a place for it: the bytes are written below
    servers.fill(world)
    audio = servers.home / "origin" / made.audio_key
    with audio.open("wb") as file:
        for seed in range(pieces):
            file.write(Speech(PIECE_SECONDS, seed, FORM).render())
    servers.empty()
    sandbox = Sandbox(world, dialect="flat", audio_public_url=ends.origin)
    with tempfile.TemporaryDirectory() as folder, sandbox.running():
        home = Path(folder)
        task = Task(home, ends, sandbox.base_url, ("2026-09-22", "2026-09-22"), home / "unused", 32)
        used = usage_of(archiver(task), cwd=home, env=environment(task, sandbox.token))
    (copy,) = (servers.home / "sink").rglob("*.mp3")
    return {
        "exit_code": used.exit_code,
        "equal_to_what_was_served": same(audio, copy),
        "megabytes": round(audio.stat().st_size / 1e6, 1),
        "seconds": round(used.seconds, 1),
        "cpu_seconds": round(used.cpu_seconds, 1),
        "peak_rss_mib": round(used.peak_mib, 1),
    }


def same(one: Path, other: Path) -> bool:
    """Whether two files hold the same, a piece at a time."""
    with one.open("rb") as first, other.open("rb") as second:
        while (piece := first.read(1 << 24)) == second.read(1 << 24):
            if not piece:
                return True
    return False


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=3000)
    parser.add_argument("--megabytes", type=int, default=1500, help="of the large one")
    asked = parser.parse_args()
    found: dict[str, Any] = {"bench": "memory", "mix": mix(asked.recordings)}
    with rig.running(None) as servers:
        for way, ends in (("plain", servers.plain), ("TLS", servers.tls)):
            found[f"large, {way}"] = large(servers, asked.megabytes, ends)
    print(json.dumps({**found, "promised_mib": PROMISED_MIB}))


if __name__ == "__main__":
    main()

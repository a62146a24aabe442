"""What each duty towards a recording costs by itself: ``python -m benchmarks.duties`` (``make bench-duties``).

The program's own code, one duty at a time and one recording at a time, over recordings like those that
``benchmarks.compare`` moves; CPU milliseconds of the process (user and system) per recording, the least of some rounds.
A run cannot do without their sum. What ``benchmarks.compare`` shows above it are the start, the listing, and what it
costs to do many at once. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from archiver.audio import probe
from archiver.clock import ServerClock, SystemClock
from archiver.model import Completeness, Digest, Link, StoredObject, TransferFacts
from archiver.rules import sidecar
from archiver.rules.verdict import Expectation, Level, judge
from archiver.sandbox import World
from archiver.source.audio_origin import AudioOrigin
from archiver.source.interface import Fetched
from archiver.store.body import Document
from archiver.store.interface import Created
from archiver.store.s3 import S3Store
from benchmarks import manifest_steps, rig

ROUNDS = 5
NOW = datetime(2026, 9, 22, 12, tzinfo=UTC)
SIDECAR = b"x" * 5_000


@dataclass
class Taken:
    """A sink that copies, and does nothing else."""

    received: int = 0
    buffer: bytearray = field(default_factory=bytearray)

    def begin_at_once(self, content_length: int | None, digests: Collection[str] = ()) -> bool:
        """Always."""
        self.received, self.buffer = 0, bytearray(content_length or 0)
        return not digests

    async def begin(self, content_length: int | None, digests: Collection[str] = ()) -> None:
        """The rig's origin declares a length, and states no digest."""
        raise AssertionError(content_length, digests)

    def write(self, chunk: bytes) -> None:
        """Copy."""
        end = self.received + len(chunk)
        self.buffer[self.received : end] = chunk
        self.received = end

    def digest(self, algorithm: str) -> Digest:
        """The rig's origin states none."""
        raise AssertionError(algorithm)

    async def end(self) -> None:
        """Nothing more."""


@dataclass(frozen=True)
class Held:
    """A body in memory that was hashed as it came, as the spool hands it over."""

    content: bytes
    taken: Digest

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content)

    def open(self) -> BinaryIO:
        """A new stream at the first byte."""
        return BytesIO(self.content)


def spent(work: Callable[[], object]) -> float:
    """CPU seconds, the least of ``ROUNDS``."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return best


async def spent_on(work: Callable[[], Awaitable[None]], before: Callable[[], object]) -> float:
    """The same of what is awaited, after ``before`` each time."""
    best = float("inf")
    for _ in range(ROUNDS):
        before()
        begun = time.process_time()
        await work()
        best = min(best, time.process_time() - begun)
    return best


def alone(bodies: Sequence[bytes]) -> dict[str, float]:
    """What needs nobody else: CPU seconds of all bodies together."""
    known = [(body, Digest.sha256_of(body)) for body in bodies]
    found = {
        "SHA-256": spent(lambda: [hashlib.sha256(body) for body in bodies]),
        "SHA-512": spent(lambda: [hashlib.sha512(body) for body in bodies]),
    }
    for level in Level:

        def verify(level: Level = level) -> None:
            for body, digest in known:
                judge(probe(body, level=level, whole=digest), Expectation(10.0, level=level))

        found[f"verification, {level.value}"] = spent(verify)
    build = sidecar_of(*known[0])
    found["sidecar"] = spent(lambda: [build() for _ in bodies])
    return found


def sidecar_of(body: bytes, digest: Digest) -> Callable[[], bytes]:
    """Builds and writes out what is said of ``body``."""
    transfer = TransferFacts(len(body), len(body), Completeness.LENGTH, "audio/mpeg", (), etag_differs=False)
    facts = probe(body, whole=digest)
    verdict = judge(facts, Expectation(facts.length, level=Level.FULL), transfer)
    stored = StoredObject("recordings/dt=2026-09-21/one.mp3", len(body), digest)
    provenance = sidecar.Provenance("run-1", NOW, "https://voice.example", "archiver 1")
    row, sha512 = manifest_steps.recording(1), Digest("sha512", "0" * 128)
    return lambda: sidecar.build(row, stored, sha512, transfer, facts, verdict, provenance)


async def exchanges(ends: rig.Endpoints, servers: rig.Rig) -> dict[str, float]:
    """One GET, and the two puts: CPU seconds of all recordings together."""
    files = {name: (servers.home / "origin" / name).read_bytes() for name in servers.sizes}
    bodies = {name: Held(content, Digest.sha256_of(content)) for name, content in files.items()}
    origin = AudioOrigin(
        ["127.0.0.1"],
        audio_networks=[],
        allow_insecure_loopback=True,
        connections=1,
        server_clock=ServerClock(SystemClock()),
        ca_file=ends.ca,
    )
    store = S3Store(rig.BUCKET, region="us-east-1", endpoint_url=ends.s3, connections=1)

    async def get() -> None:
        sink = Taken()
        for name, body in bodies.items():
            outcome = await origin.fetch(Link(f"{ends.origin}/{name}?X-Amz-Signature=0"), sink)
            assert isinstance(outcome, Fetched), outcome
            assert sink.received == body.size

    async def put() -> None:
        for name, body in bodies.items():
            document = Document(SIDECAR)
            audio = await store.put_new(name, body, body.taken, "audio/mpeg")
            beside = await store.put_new(f"{name}.json", document, document.digest, sidecar.MEDIATYPE)
            assert isinstance(audio, Created), audio
            assert isinstance(beside, Created), beside

    try:
        return {"GET": await spent_on(get, lambda: None), "2 PUTs": await spent_on(put, servers.empty)}
    finally:
        await origin.aclose()
        await store.aclose()


def manifest(count: int) -> float:
    """Listed, looked up, stored, sealed: CPU seconds."""
    listed = [manifest_steps.recording(number) for number in range(count)]
    best = float("inf")
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as name:
            steps = asyncio.run(manifest_steps.measure(Path(name) / "manifest.db", listed, 100, 32))
        best = min(best, steps["listed"] + steps["archived"])
    return best


def report(found: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Prints the table; the figures, ``sum`` being that of full verification."""
    print(f"| CPU ms a recording | {' | '.join(found)} |\n|---|{'---|' * len(found)}")
    rows = next(iter(found.values()))
    for duty in rows:
        print(f"| {duty} | {' | '.join(f'{way[duty]:.2f}' for way in found.values())} |")
    partial = [f"verification, {level.value}" for level in Level if level is not Level.FULL]
    sums = {name: sum(cost for duty, cost in way.items() if duty not in partial) for name, way in found.items()}
    print(f"| together, with full verification | {' | '.join(f'{each:.2f}' for each in sums.values())} |")
    return {
        name: {duty: round(cost, 3) for duty, cost in (way | {"sum": sums[name]}).items()}
        for name, way in found.items()
    }


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=400)
    count = parser.parse_args().recordings
    os.environ |= {"AWS_ACCESS_KEY_ID": rig.KEY_ID, "AWS_SECRET_ACCESS_KEY": rig.SECRET}
    world = World.generate(seed=1, recordings=count, days=3, sizes="realistic")
    found: dict[str, dict[str, float]] = {}
    with rig.running(None) as servers:
        servers.fill(world)
        common = alone([world.audio_bytes(recording.id) for recording in world.recordings()])
        common["manifest"] = manifest(count)
        for name, ends in (("plain", servers.plain), ("TLS", servers.tls)):
            if ends.ca is not None:
                os.environ["AWS_CA_BUNDLE"] = str(ends.ca)
            costs = common | asyncio.run(exchanges(ends, servers))
            found[name] = {duty: 1000 * seconds / count for duty, seconds in costs.items()}
    print(json.dumps({"bench": "duties", "recordings": count, "cpu_ms": report(found)}))


if __name__ == "__main__":
    main()

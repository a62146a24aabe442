"""Recordings in flight, found or given, near and far away: ``python -m benchmarks.latency`` (``make bench-latency``).

The rig's origin and sink are 1, 20 and 100 ms away (a round trip; ``benchmarks.delay``). At each distance the archiver
runs for ``--seconds`` with ``limits.concurrency: auto``, its default, and with fixed numbers, one after the other, over
recordings of 4 to 28 KB, of which there are more than most machines can do. Recordings per second are those of the
whole run: the climb to the level is in them. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from archiver.errors import ExitCode
from archiver.sandbox import Sandbox, World
from benchmarks import peers, rig
from benchmarks.usage import usage_of

ROUND_TRIPS = (0.001, 0.02, 0.1)
LEVELS = ("auto", "8", "32", "128")


@contextmanager
def away(ends: rig.Endpoints, round_trip: float) -> Iterator[rig.Endpoints]:
    """The same servers, so far away."""
    ports = [str(urlsplit(url).port) for url in (ends.origin, ends.s3)]
    command = [sys.executable, "-m", "benchmarks.delay", str(round_trip), *ports]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            origin, sink = json.loads(process.stdout.readline())
            yield rig.Endpoints(f"http://127.0.0.1:{origin}", f"http://127.0.0.1:{sink}", None)
        finally:
            process.terminate()


@dataclass(frozen=True)
class Bench:
    """What is measured, on what."""

    servers: rig.Rig
    world: World
    seconds: int

    def run(self, ends: rig.Endpoints, level: str) -> dict[str, Any]:
        """The archiver once; RuntimeError where it failed, or the sink lacks something."""
        self.servers.empty()
        days = sorted(recording.created_at.date() for recording in self.world.recordings())
        sandbox = Sandbox(self.world, dialect="flat", audio_public_url=ends.origin)
        with tempfile.TemporaryDirectory(dir=self.servers.home) as folder, sandbox.running():
            span = (days[0].isoformat(), days[-1].isoformat())
            task = peers.Task(Path(folder), ends, sandbox.base_url, span, Path(), level)
            words = [*peers.archiver(task), "--json", "--max-duration", f"{self.seconds}s"]
            used = usage_of(words, env=peers.environment(task, sandbox.token))
        summary = json.loads(used.stdout.splitlines()[-1])
        done = summary["archived"]
        if used.exit_code not in (ExitCode.COMPLETE, ExitCode.BUDGET) or self.servers.held()[0] < 2 * done:
            raise RuntimeError(f"{level}: exit code {used.exit_code}: {summary}")
        return {
            "recordings_per_second": round(done / summary["seconds"], 1),
            "in_flight": summary["in_flight"],
            "concurrency": summary["concurrency"],
            "cpu_ms": round(1000 * used.cpu_seconds / done, 2),
            "peak_rss_mib": round(used.peak_mib),
        }


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=4000)
    parser.add_argument("--seconds", type=int, default=8)
    asked = parser.parse_args()
    world = World.generate(seed=1, recordings=asked.recordings, days=1)
    figures: dict[str, dict[str, Any]] = {}
    print("| round trip | concurrency | recordings/s | in flight at most | level at the end | CPU ms | peak MiB |")
    print("|---|---|---|---|---|---|---|")
    with rig.running(None) as servers:
        servers.fill(world)
        bench = Bench(servers, world, asked.seconds)
        for round_trip in ROUND_TRIPS:
            with away(servers.plain, round_trip) as ends:
                name = f"{1000 * round_trip:.0f} ms"
                for level in LEVELS:
                    row = figures.setdefault(name, {})[level] = bench.run(ends, level)
                    print(f"| {name} | {level} | {' | '.join(str(value) for value in row.values())} |", flush=True)
    print(json.dumps({"bench": "latency", "seconds": asked.seconds, "round_trips": figures}))


if __name__ == "__main__":
    main()

"""What one step costs with each HTTP client that the hot path could use: ``python -m benchmarks.clients``.

A GET of a recording with its SHA-256, and two puts (the audio, a sidecar of 6 KB), create-only, with checksum header
and signature. Each client runs in a process of its own, rounds interleaved, medians; CPU is that of the client.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

from archiver.sandbox import World
from benchmarks import rig
from benchmarks.http_clients import Aiohttp, Client, Httpx2, Niquests, Pycurl, Pyreqwest, Urllib3
from benchmarks.s3_clients import Awscrt, Boto3, Obstore
from benchmarks.usage import usage_of

SIDECAR = b"x" * 6000
QUERY = "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A&X-Amz-Date=20260922T000000Z&X-Amz-Signature=0"

CLIENTS: dict[str, type[Client]] = {
    "httpx2": Httpx2,
    "boto3": Boto3,
    "urllib3": Urllib3,
    "aiohttp": Aiohttp,
    "pycurl": Pycurl,
    "pyreqwest": Pyreqwest,
    "obstore": Obstore,
    "niquests": Niquests,
    "awscrt": Awscrt,
}
STEPS = {
    "get": ("httpx2", "urllib3", "aiohttp", "pycurl", "pyreqwest", "niquests", "awscrt"),
    "put": tuple(CLIENTS)[1:],
}


def perform(name: str, step: str, job: Path) -> None:
    """In the child: one client, one step."""
    asked = json.loads(job.read_text())
    client = CLIENTS[name](asked["endpoint"], asked["ca"], asked["concurrency"])
    if step == "get":
        client.get([(key, f"{asked['endpoint']}/{key}{QUERY}") for key in asked["keys"]])
        return
    bodies = []
    for key in asked["keys"]:
        data = (Path(asked["folder"]) / key).read_bytes()
        bodies += [(f"a/dt=2026-09-22/{key}", "audio/mpeg", data), (f"a/{key}.json", "application/json", SIDECAR)]
    client.put(bodies)


def measured(name: str, step: str, job: Path) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak MiB of a child that does it, what it costs to do nothing taken off."""
    results = []
    empty = job.with_name("nothing.json")
    empty.write_text(json.dumps({**json.loads(job.read_text()), "keys": []}))
    for path in (empty, job):
        used = usage_of([sys.executable, "-m", "benchmarks.clients", "--child", name, step, str(path)])
        if used.exit_code:
            raise RuntimeError(f"{name} failed to {step}: {used.stderr[-800:]}")
        results.append((used.seconds, used.cpu_seconds, used.peak_mib))
    return results[1][0] - results[0][0], results[1][1] - results[0][1], results[1][2]


def main() -> None:
    """Measure all of them, or (in the child) do one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", nargs=3)
    parser.add_argument("--recordings", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=32)
    asked = parser.parse_args()
    if asked.child:
        name, step, job = asked.child
        perform(name, step, Path(job))
        os._exit(0)  # a client's own threads may bring the interpreter down while it ends, which is not measured
    world = World.generate(seed=1, recordings=asked.recordings, days=3, sizes="realistic")
    found: dict[str, list[tuple[float, float, float]]] = {}
    with rig.running(None) as servers:
        servers.fill(world)
        for _ in range(asked.rounds):
            for way, ends in (("plain", servers.plain), ("TLS", servers.tls)):
                for step, names in STEPS.items():
                    for name in names:
                        if name == "obstore" and way == "TLS":
                            continue  # takes no authority of one's own
                        servers.empty()
                        job = servers.home / "job.json"
                        job.write_text(
                            json.dumps(
                                {
                                    "endpoint": ends.origin if step == "get" else ends.s3,
                                    "ca": str(ends.ca) if ends.ca else None,
                                    "folder": str(servers.home / "origin"),
                                    "concurrency": asked.concurrency,
                                    "keys": list(servers.sizes),
                                }
                            )
                        )
                        found.setdefault(f"{name} {step} {way}", []).append(measured(name, step, job))
    print(json.dumps(report(found, asked.recordings)))


def report(found: dict[str, list[tuple[float, float, float]]], count: int) -> dict[str, Any]:
    """Prints the table; the figures."""
    figures: dict[str, Any] = {}
    print("| client | step | way | recordings/s | CPU ms | peak MiB |\n|---|---|---|---|---|---|")
    for label, rounds in found.items():
        seconds, cpu, rss = (statistics.median(column) for column in zip(*rounds, strict=True))
        name, step, way = label.split()
        version = importlib.metadata.version(name)
        row = {"per_second": round(count / seconds), "cpu_ms": round(1000 * cpu / count, 2), "rss_mib": round(rss)}
        figures[label] = row
        print(f"| {name} {version} | {step} | {way} | {row['per_second']} | {row['cpu_ms']} | {row['rss_mib']} |")
    return figures


if __name__ == "__main__":
    main()

"""Does a recording cost more where there are more of them: ``python -m benchmarks.growth`` (``make bench-growth``).

A provider with 1,000 recordings of 4 KB a day; one run takes 1, 10 and 50 of its days, from nginx into nginx over
presigned links, on a manifest of its own. Then 2 days on an empty manifest, and on one that holds 1,000,000 rows. CPU
per recording is net of the start, which is that of a run over as many days of a provider that has nothing, on the same
manifest. Ratios are to the smallest; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from archiver.sandbox import Sandbox, Speech, World, new_recording
from benchmarks import rig
from benchmarks.manifest import fill
from benchmarks.peers import Task, archiver, environment
from benchmarks.usage import Usage, usage_of

PER_DAY = 1000
CONCURRENCY = 32
TARGET = 1.1
LONG_AGO = date(2026, 1, 1)
"""Closed by the run that archives them."""


def world_of(days: Sequence[date]) -> World:
    """``PER_DAY`` recordings of one second (4 KB) for each of these days, and for one more on either side.

    The API is asked for a day wider than what is archived: so each of its answers has three days of them.
    """
    made = []
    for day in [days[0] - timedelta(days=1), *days, days[-1] + timedelta(days=1)]:
        for number in range(PER_DAY):
            moment = datetime.combine(day, time(), UTC) + timedelta(seconds=number * 86_400 // PER_DAY)
            seed = day.toordinal() * PER_DAY + number
            made.append(new_recording(moment, 1, seed=seed).evolve(audio=Speech(1.0, seed)))
    return World(made)


def used_by(servers: rig.Rig, home: Path, world: World, days: Sequence[date]) -> Usage:
    """A run over these days on the manifest in ``home``; RuntimeError unless everything has arrived."""
    servers.empty()
    sandbox = Sandbox(world, dialect="flat", audio_public_url=servers.plain.origin)
    with sandbox.running():
        span = (days[0].isoformat(), days[-1].isoformat())
        task = Task(home, servers.plain, sandbox.base_url, span, home / "unused", CONCURRENCY)
        used = usage_of(archiver(task), cwd=home, env=environment(task, sandbox.token))
    objects, _ = servers.held()
    expected = 2 * PER_DAY * len(days) if world.recordings() else 0
    if used.exit_code or objects < expected:
        raise RuntimeError(f"exit code {used.exit_code}, {objects} of {expected} objects: {used.stderr[-800:]}")
    return used


def grown(servers: rig.Rig, world: World, days: Sequence[date], rows: int = 0) -> dict[str, Any]:
    """One run over these days on a manifest of so many rows."""
    with tempfile.TemporaryDirectory(dir=servers.home) as folder:
        home = Path(folder)
        if rows:
            used_by(servers, home, World(), days)
            fill(home / "manifest.db", rows)
        idle = used_by(servers, home, World(), days)
        used = used_by(servers, home, world, days)
    recordings = PER_DAY * len(days)
    figures = {
        "recordings": recordings,
        "rows_before": rows,
        "recordings_per_second": round(recordings / used.seconds, 1),
        "start_cpu_ms": round(1000 * idle.cpu_seconds),
        "cpu_ms": round(1000 * (used.cpu_seconds - idle.cpu_seconds) / recordings, 3),
        "peak_rss_mib": round(used.peak_mib, 1),
    }
    print(json.dumps(figures), flush=True)
    return figures


def ratios(found: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The worst of them to the first."""
    return {
        f"{name}_ratio": round(max(each[key] for each in found) / found[0][key], 3)
        for name, key in (("cpu", "cpu_ms"), ("rss", "peak_rss_mib"))
    }


def days_of(first: date, count: int) -> list[date]:
    """So many, from ``first`` on."""
    return [first + timedelta(days=number) for number in range(count)]


def main() -> None:
    """Measure both kinds of growth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1 and 5 days, and 100,000 rows")
    parser.add_argument("--days", type=int, nargs="+", help="of the runs on a manifest of their own")
    parser.add_argument("--rows", type=int, help="of the manifest that has some; 0: leave these runs out")
    asked = parser.parse_args()
    counts = asked.days or ([1, 5] if asked.quick else [1, 10, 50])
    rows = asked.rows if asked.rows is not None else (100_000 if asked.quick else 1_000_000)
    recent = days_of(datetime.now(UTC).date() - timedelta(days=2), 2)
    runs = [(days_of(LONG_AGO, count), 0) for count in counts] + [(recent, each) for each in (0, rows) if rows]
    found = []
    with rig.running(None) as servers:
        for days, before in runs:
            world = world_of(days)
            servers.fill(world)
            found.append(grown(servers, world, days, before))
    longer, fuller = found[: len(counts)], found[len(counts) :]
    result = {"bench": "growth", "runs": longer, **ratios(longer), "target": TARGET}
    if fuller:
        result["manifest"] = {"runs": fuller, **ratios(fuller)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()

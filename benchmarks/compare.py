"""This program beside what people would use instead: ``python -m benchmarks.compare [--quick]`` (``make bench``).

All clients move the same recordings in the same rounds, one after the other, from nginx over presigned links into an
S3 sink: plain, over TLS, and (``checking``) into ``rclone serve s3``, which checks signatures. Only the archiver lists
them from a voice API (the sandbox), verifies, writes sidecars and keeps a manifest; the others are given the list. CPU
is user and system time of the client and its children; peak memory that of its largest process. Wall time includes
every client's start. The ratio of a round is against ``rclone copyurl`` of that round. The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from archiver.sandbox import Sandbox, World
from benchmarks import rig
from benchmarks.peers import CEILING, OURS, PEERS, RIVAL, Task, environment, missing
from benchmarks.usage import Usage, usage_of

BEGIN, END = "<!-- written by make bench -->", "<!-- end of what make bench has written -->"


@dataclass(frozen=True)
class Field:
    """What all of them work on."""

    servers: rig.Rig
    world: World
    concurrency: int

    def ends(self, way: str) -> rig.Endpoints | None:
        """The servers of a way: ``plain``, ``TLS`` or ``checking``."""
        return {"plain": self.servers.plain, "TLS": self.servers.tls, "checking": self.servers.checking}[way]

    def measure(self, name: str, way: str) -> Usage:
        """One client, once; RuntimeError where it failed or the sink lacks something."""
        ends = self.ends(way)
        assert ends is not None
        self.servers.empty()
        days = sorted(recording.created_at.date() for recording in self.world.recordings())
        sandbox = Sandbox(self.world, dialect="flat", audio_public_url=ends.origin)
        with tempfile.TemporaryDirectory(dir=self.servers.home) as folder, sandbox.running():
            home = Path(folder)
            listing = home / "list.tsv"
            rows = [f"{sandbox.link(each)}\t{each.audio_key}\n" for each in self.world.recordings()]
            listing.write_text("".join(rows))
            span = (days[0].isoformat(), days[-1].isoformat())
            task = Task(home, ends, sandbox.base_url, span, listing, self.concurrency)
            return self._timed(name, PEERS[name][0](task), environment(task, sandbox.token), home)

    def _timed(self, name: str, words: list[str], env: dict[str, str], home: Path) -> Usage:
        used = usage_of(words, cwd=home, env=env)
        objects, whole = self.servers.held()
        expected = len(self.world.recordings())
        if used.exit_code or whole < expected or objects < expected * (1 + (name in OURS)):
            said = (used.stdout + used.stderr)[-800:]
            raise RuntimeError(f"{name}: exit code {used.exit_code}, {whole} of {expected} arrived: {said}")
        return used


def clients(names: Sequence[str]) -> list[str]:
    """Those that are installed; the others are named."""
    found = []
    for name in names:
        if absent := missing(name):
            print(f"not measured: {name} ({', '.join(absent)} not installed; the Makefile names packages)")
        else:
            found.append(name)
    return found


def rounds(field: Field, names: Sequence[str], ways: Sequence[str], count: int) -> dict[tuple[str, str], list[Usage]]:
    """Interleaved: every client once, then again. A peer that fails is told, and measured once more."""
    found: dict[tuple[str, str], list[Usage]] = {}
    for number in range(count):
        for way in ways:
            for name in names:
                if way == "checking" and name == CEILING:
                    continue  # signs nothing
                try:
                    measured = field.measure(name, way)
                except RuntimeError as failed:
                    if name in OURS:
                        raise
                    print(f"round {number + 1}, {way}: once more: {failed}", file=sys.stderr)
                    measured = field.measure(name, way)
                found.setdefault((way, name), []).append(measured)
                rate = len(field.world.recordings()) / measured.seconds
                print(f"round {number + 1}, {way}: {name}: {rate:.0f}/s", file=sys.stderr)
    return found


def report(found: dict[tuple[str, str], list[Usage]], count: int) -> dict[str, Any]:
    """The figures: medians, the spread of recordings/s (lowest and highest), and the ratio to the rival's."""
    figures: dict[str, Any] = {}
    for (way, name), measured in found.items():
        rates = [count / each.seconds for each in measured]
        row: dict[str, Any] = {
            "recordings_per_second": round(statistics.median(rates), 1),
            "spread": [round(min(rates), 1), round(max(rates), 1)],
            "cpu_ms": round(1000 * statistics.median(each.cpu_seconds for each in measured) / count, 2),
            "peak_rss_mib": round(statistics.median(each.peak_mib for each in measured)),
        }
        if rival := found.get((way, RIVAL)):
            ratios = [theirs.seconds / ours.seconds for ours, theirs in zip(measured, rival, strict=True)]
            row["ratio"] = round(statistics.median(ratios), 2)
        figures.setdefault(way, {})[name] = row
    return figures


def table(figures: dict[str, Any]) -> str:
    """As Markdown, for the documents."""
    lines = []
    for way, rows in figures.items():
        lines.append(f"\n| {way} | recordings/s | lowest – highest | CPU ms | peak MiB | times {RIVAL} |")
        lines.append("|---|---|---|---|---|---|")
        for name, row in rows.items():
            low, high = row["spread"]
            lines.append(
                f"| {name} | {row['recordings_per_second']:.0f} | {low:.0f} – {high:.0f} | {row['cpu_ms']} "
                f"| {row['peak_rss_mib']} | {row.get('ratio', '')} |"
            )
    return "\n".join(lines)


def conditions(recordings: int, count: int) -> str:
    """What was measured where, in words."""
    command = f"python -m benchmarks.compare --recordings {recordings} --rounds {count}"
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    return f"`{command}`: {machine}, {date.today().isoformat()}, medians."  # noqa: DTZ011 - as people there write it


def write_down(text: str, path: Path) -> None:
    """Put ``text`` in the place of what stands between the two marks of a document."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise RuntimeError(f"{path} has no place for the tables: {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}")


def plot(figures: dict[str, Any], path: Path) -> None:
    """Recordings per second, one group of bars a way."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "archiver"
    from matplotlib import pyplot as plt

    names = [name for name in PEERS if any(name in rows for rows in figures.values())]
    chart, axes = plt.subplots(figsize=(9, 0.5 * len(names) + 1.2), layout="constrained")
    height = 0.8 / len(figures)
    for number, (way, rows) in enumerate(figures.items()):
        places = [names.index(name) + (number - (len(figures) - 1) / 2) * height for name in rows]
        axes.barh(places, [row["recordings_per_second"] for row in rows.values()], height, label=way)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("recordings per second")
    axes.legend()
    chart.savefig(path, metadata={"Date": None})


def main() -> None:
    """Measure, print, plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few recordings, two rounds, plain and TLS")
    parser.add_argument("--recordings", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--ways", default="")
    parser.add_argument("--only", default="", help="names of clients, separated by semicolons")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--docs", type=Path, help="a document whose tables are to be replaced")
    asked = parser.parse_args()
    recordings = asked.recordings or (400 if asked.quick else 2000)
    count = asked.rounds or (2 if asked.quick else 5)
    names = clients([name.strip() for name in asked.only.split(";")] if asked.only else list(PEERS))
    world = World.generate(seed=1, recordings=recordings, days=3, sizes="realistic")
    with rig.running(shutil.which("rclone", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")) as servers:
        servers.fill(world)
        field = Field(servers, world, asked.concurrency)
        ways = asked.ways.split(",") if asked.ways else ["plain", "TLS", *([] if asked.quick else ["checking"])]
        measurable = [way for way in ways if field.ends(way) is not None]
        figures = report(rounds(field, names, measurable, count), recordings)
    print(table(figures))
    if asked.docs:
        write_down(f"{conditions(recordings, count)}\n{table(figures)}", asked.docs)
    if asked.plot:
        plot(figures, asked.plot)
    print(json.dumps({"bench": "compare", "recordings": recordings, "rounds": count, "ways": figures}))


if __name__ == "__main__":
    main()

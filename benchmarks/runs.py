"""A flat list of 5,000 recordings whose links die after 60 s, served to 4 slow transfers: none may be lost.

``python -m benchmarks.runs`` (``make bench-deadlines``). The provider runs in this process, the archiver in one of its
own, so that its memory and CPU are its own. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from archiver.sandbox import Sandbox, World
from benchmarks.usage import Usage, usage_of

CONFIG = """\
source:
  base_url: {base_url}
  token: {token}
  allow_insecure_loopback: true
  audio_hosts: ["127.0.0.1"]
destination:
  url: file://{home}/archive
manifest:
  url: sqlite://{home}/manifest.db
limits:
  concurrency: {concurrency}
  memory_mib: 256
"""


def run(sandbox: Sandbox, home: Path, concurrency: int) -> tuple[Usage, dict[str, Any]]:
    """Archive everything that the sandbox has: what the process that did it has used, and its summary."""
    config = home / "archiver.yaml"
    config.touch(mode=0o600)
    config.write_text(CONFIG.format(base_url=sandbox.base_url, token=sandbox.token, home=home, concurrency=concurrency))
    days = sorted(recording.created_at.date() for recording in sandbox.world.recordings())
    return summarised(["run", "--json", "-c", str(config), "--from", str(days[0]), "--to", str(days[-1])])


def summarised(words: list[str]) -> tuple[Usage, dict[str, Any]]:
    """A command of the archiver that ends with a summary, as a process of its own."""
    used = usage_of([sys.executable, "-c", "from archiver.cli import main; main()", *words])
    return used, json.loads(used.stdout.splitlines()[-1])


def whole(sandbox: Sandbox, home: Path) -> bool:
    """True if every recording lies in the archive as the sandbox serves it."""
    files = {path.stem: path for path in (home / "archive").rglob("*.mp3")}
    return all(
        recording.id in files and files[recording.id].read_bytes() == sandbox.world.audio_bytes(recording.id)
        for recording in sandbox.world.recordings()
    )


def deadlines(recordings: int, life: int, latency: float) -> dict[str, Any]:
    """Links that die faster than they can be used."""
    world = World.generate(seed=2, recordings=recordings, days=1)
    sandbox = Sandbox(world, dialect="flat", link_life=life, audio_latency=latency)
    with tempfile.TemporaryDirectory() as name, sandbox.running():
        used, summary = run(sandbox, Path(name), concurrency=4)
        refused = sum(record.status == 403 for record in sandbox.downloads())
        return {**report("deadlines", used, summary, whole(sandbox, Path(name))), "links_refused": refused}


def report(name: str, used: Usage, summary: dict[str, Any], equal: bool) -> dict[str, Any]:
    """What is printed."""
    done = summary["archived"]
    return {
        "bench": name,
        "exit_code": used.exit_code,
        "archived": done,
        "equal_to_what_was_served": equal,
        "megabytes": round(summary["bytes"] / 1e6, 1),
        "seconds": round(used.seconds, 1),
        "recordings_per_second": round(done / used.seconds, 1),
        "cpu_ms_per_recording": round(1000 * used.cpu_seconds / max(done, 1), 2),
        "peak_rss_mib": round(used.peak_mib, 1),
        "links_refreshed": summary["links_refreshed"],
    }


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=5000)
    parser.add_argument("--life", type=int, default=60, help="seconds that a link lives")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds before each audio answer")
    asked = parser.parse_args()
    print(json.dumps(deadlines(asked.recordings, asked.life, asked.latency)))


if __name__ == "__main__":
    main()

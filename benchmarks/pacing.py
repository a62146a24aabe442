"""Does the listing keep ahead of the transfers: ``python -m benchmarks.pacing`` (``make bench-pace``).

A paged tenant: 15 rows a page, 1,000 GETs in any minute, three days of 500 recordings, and at last thirty of 300, old
enough to be listed together. What is measured of each case:

- ``starved``: the share of the time, from the first question to the last, in which a free worker had nothing to do;
- ``listing_used``: the share of the GETs allowed that were made meanwhile. Workers may starve where it is near 1;
- ``gets_a_day``: pages asked for, for each day, beside ``pages_a_day``, those that its own rows fill;
- ``longest_wait``: seconds from the signing of a link to the GET under it (to the second), and the share of its life.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from archiver.sandbox import RequestRecord, Sandbox, World
from benchmarks.runs import CONFIG, summarised

PER_MINUTE = 1000
PAGE = 15


@dataclass(frozen=True)
class Case:
    """How fast both ends are. Seconds."""

    workers: int
    audio_latency: float
    api_latency: float
    life: int
    days: int = 3
    a_day: int = 500
    ago: int = 63
    """Days since the first one: beyond what a provider keeps, days are listed one by one."""


CASES = {
    "fast transfers": Case(32, 0.01, 0.0, 3600),
    "fast transfers, API at 100 ms": Case(32, 0.01, 0.1, 3600),
    "fast transfers, API at 300 ms": Case(32, 0.01, 0.3, 3600),
    "slow transfers, links of 10 minutes": Case(4, 0.2, 0.1, 600),
    "slow transfers, links of a minute": Case(4, 0.2, 0.1, 60),
    "a stretch of days": Case(32, 0.01, 0.1, 3600, 30, 300, 50),
}


def listed(case: Case) -> dict[str, Any]:
    """One run."""
    begin = datetime.now(UTC).date() - timedelta(days=case.ago)
    world = World.generate(seed=3, recordings=case.days * case.a_day, days=case.days, start_day=begin)
    sandbox = Sandbox(
        world,
        dialect="paged",
        rate_limit=PER_MINUTE,
        api_latency=case.api_latency,
        audio_latency=case.audio_latency,
        link_life=case.life,
    )
    days = sorted({each.created_at.date() for each in world.recordings()})
    with tempfile.TemporaryDirectory() as name, sandbox.running():
        config = Path(name) / "archiver.yaml"
        config.touch(mode=0o600)
        settings = CONFIG.format(
            base_url=sandbox.base_url, token=sandbox.token, home=name, concurrency=case.workers
        ).replace("source:\n", f"source:\n  requests_per_minute: {PER_MINUTE}\n")
        config.write_text(f"{settings}calls:\n  archive: false\n")
        words = ["run", "--json", "--profile", "-c", str(config), "--from", str(days[0]), "--to", str(days[-1])]
        used, summary = summarised(words)
        now = time.monotonic()
        requests, began = sandbox.requests, datetime.now(UTC).timestamp() - now
    api = [each for each in requests if each.origin == "api"]
    audio = [each for each in requests if each.origin == "audio"]
    span = api[-1].at - api[0].at
    waited = max(each.at + began - signed_at(each) for each in audio)
    return {
        "exit_code": used.exit_code,
        "archived": summary["archived"],
        "recordings_per_second": round(len(audio) / max(audio[-1].at - audio[0].at, 0.001), 1),
        "starved": round(starved(used.stdout, span), 3),
        "listing_used": round(len(api) / span / PER_MINUTE * 60, 3),
        "cpu_ms_per_recording": round(1000 * used.cpu_seconds / len(audio), 2),
        "peak_mib": round(used.peak_mib),
        "gets_a_day": round(len(api) / case.days, 1),
        "pages_a_day": round(case.a_day / PAGE, 1),
        "refused": sum(each.status == 429 for each in api),
        "longest_wait": [round(waited, 1), round(waited / case.life, 3)],
    }


def signed_at(request: RequestRecord) -> float:
    """When its link was signed, as a timestamp; to the second."""
    stamp = dict(request.query)["X-Amz-Date"]
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


def starved(events: str, span: float) -> float:
    """The share of ``span`` in which a free worker waited for a recording, as the run's own profile tells it."""
    told = (json.loads(line) for line in events.splitlines())
    (profile,) = (event for event in told if event["type"] == "profile")
    return float(profile["steps"]["wait"]["seconds"]) / span


def main() -> None:
    """Every case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="the beginning of a case's name")
    asked = parser.parse_args()
    found = {}
    for name, case in CASES.items():
        if name.startswith(asked.only):
            found[name] = listed(case)
            print(json.dumps({"case": name, **found[name]}), flush=True)
    print(json.dumps({"bench": "pace", **found}))


if __name__ == "__main__":
    main()

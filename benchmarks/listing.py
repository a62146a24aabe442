"""What a listed row costs: ``python -m benchmarks.listing`` (``make bench-listing``).

One day is listed as a run lists it, in each dialect, from a provider in a process of its own: asked for, read, kept as
evidence, noted in a manifest, queued. CPU (user and system, all threads) of this process, in µs a row, the best of
three; ``again``: the same day a second time, when the manifest knows its rows. Paged dialects are asked 15 rows at a
time, of which each page costs a request. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import anyio

from archiver.cli.run import settle_memory
from archiver.clock import SystemClock
from archiver.custody import Custody
from archiver.deadline_queue import DeadlineQueue
from archiver.keeping import Keeper
from archiver.lister import Lister
from archiver.manifest.sql import SqlManifest
from archiver.model import Window
from archiver.periods.scratch_file import ScratchFile
from archiver.rules.summary import Summary
from archiver.source.voice_api import Tenant, VoiceApi
from archiver.store.memory import MemoryStore

ROUNDS = 3


class Nobody:
    """A reporter."""

    def event(self, kind: str, /, **fields: object) -> None:
        """Nothing."""

    def progress(self, *, listed: int, settled: int, size: int) -> None:
        """Nothing."""


@contextmanager
def provider(dialect: str, recordings: int) -> Iterator[Tenant]:
    """``archiver sandbox``, which lays a third of them on each of the last three days."""
    words = ["-q", "--json", "sandbox", "--dialect", dialect, "--recordings", str(recordings)]
    process = subprocess.Popen(
        [sys.executable, "-c", "from archiver.cli import main; main()", *words], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield Tenant(
            base_url=ready["base_url"],
            token=ready["token"],
            query_auth=False,
            timezone=UTC,
            requests_per_minute=60_000,
            audio_hosts=("127.0.0.1",),
            allow_insecure_loopback=True,
            connections=1,
        )
    finally:
        process.terminate()
        process.wait(20)


async def listed(tenant: Tenant) -> tuple[int, float, float]:
    """Rows of the middle day, and seconds of CPU for it: the first time, and once the manifest knows it."""
    clock, store = SystemClock(), MemoryStore()
    window = Window.of_day((datetime.now(UTC) - timedelta(days=2)).date())
    with tempfile.TemporaryDirectory() as home, ScratchFile(None) as scratch:
        api = VoiceApi(tenant, clock)
        async with await SqlManifest.open(f"sqlite:///{home}/manifest.db") as manifest:
            spent = []
            for run_id in ("run-1", "run-2"):
                queue = DeadlineQueue(clock, 10**9)  # nobody takes from it: no row waits for room
                lister = Lister(
                    source=api,
                    store=store,
                    manifest=manifest,
                    custody=Custody(
                        store, manifest, clock, run_id, "https://voice.example/", "benchmark", Keeper(clock)
                    ),
                    queue=queue,
                    clock=clock,
                    reporter=Nobody(),
                    summary=Summary(run_id),
                    lookback_days=0,
                    calls=None,
                    shared_paths=set(),
                    scratch=scratch,
                )
                begun = time.process_time()
                await lister.list([window])
                spent.append(time.process_time() - begun)
                if lister.agreed != [window] or window not in lister.closable:
                    raise RuntimeError("the day was not listed whole")
        await api.aclose()
    return len(queue), spent[0], spent[1]


def measured(dialect: str, recordings: int) -> dict[str, float]:
    """The best of the rounds."""
    with provider(dialect, recordings) as tenant:
        rounds = [anyio.run(listed, tenant) for _ in range(ROUNDS)]
    rows = rounds[0][0]
    return {
        "rows": rows,
        "us_a_row": round(1e6 * min(first for _, first, _ in rounds) / rows, 1),
        "us_a_row_again": round(1e6 * min(again for _, _, again in rounds) / rows, 1),
    }


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--recordings", type=int, default=30_000, help="in the flat dialect; a tenth of it in the others"
    )
    asked = parser.parse_args()
    settle_memory()
    found = {
        dialect: measured(dialect, asked.recordings // (1 if dialect == "flat" else 10))
        for dialect in ("flat", "paged", "resource")
    }
    for dialect, figures in found.items():
        print(f"{dialect:9} {figures['us_a_row']:6.1f} µs a row, {figures['us_a_row_again']:6.1f} again")
    print(json.dumps({"bench": "listing", **found}))


if __name__ == "__main__":
    main()

"""kill -9 in the middle of batches: the next opening finds every recording where its last event says."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archiver.errors import ManifestLocked
from archiver.manifest.sql import SqlManifest
from archiver.rules.lifecycle import State

pytestmark = pytest.mark.anyio

WORK = """
import asyncio, sys
from datetime import UTC, datetime, timedelta
from archiver.manifest.interface import Change
from archiver.manifest.sql import SqlManifest
from archiver.model import Recording
from archiver.rules.lifecycle import Event, State

async def main(url, run):
    now = datetime.now(UTC)
    manifest = await SqlManifest.open(url)
    await manifest.begin_run(run, now)
    async def work(task):
        for n in range(1_000_000):
            name = f"{run}-{task}-{n}"
            await manifest.note_listed(run, now, [Recording(name, now, None, None, {"id": name})])
            await manifest.note_attempt(name, now, run, "fetch", "timed out")
            await manifest.advance(name, State.DISCOVERED, Event.UPLOADED, now, run, Change(draft=b"x" * 3000))
            await manifest.advance(name, State.STORED, Event.SEALED, now, run, Change())
            print(name, flush=True)
    await asyncio.gather(*(work(task) for task in range(16)))

asyncio.run(main(*sys.argv[1:]))
"""


async def test_kill_in_the_middle_of_batches(url: str, path: Path) -> None:
    chance = random.Random(7)
    promised: set[str] = set()
    for round_ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", WORK, url, f"run-{round_}"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(chance.randrange(1, 400)):
            promised.add(process.stdout.readline().strip())
        process.kill()
        promised.update(line.strip() for line in process.stdout.readlines() if line.endswith("\n"))
        process.stdout.close()
        assert process.wait() == -9, "the kill must have fired"
        async with await SqlManifest.open(url) as manifest:
            assert await manifest.integrity() == []
            # what was answered was committed
            found = await manifest.entries(sorted(promised))
            assert set(found) == promised
            assert {entry.state for entry in found.values()} == {State.ARCHIVED}
    assert len(promised) > 500


async def test_the_run_lock_dies_with_its_process(url: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", WORK, url, "killed"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    now = datetime.now(UTC)
    async with await SqlManifest.open(url) as manifest:
        with pytest.raises(ManifestLocked) as caught:
            await manifest.begin_run("second", now)
        assert f"run killed holds the manifest: process {process.pid} on " in caught.value.fact
        last = await manifest.last_run()
        assert last is not None
        assert (last.run_id, last.ended_at) == ("killed", None)
        process.kill()
        process.stdout.close()
        assert process.wait() == -9
        await manifest.begin_run("second", now)
        await manifest.end_run("second", now + timedelta(seconds=1), 0, {})

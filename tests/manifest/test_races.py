"""Many tasks, two processes: one winner each."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from archiver.manifest.interface import Change
from archiver.manifest.sql import SqlManifest
from archiver.rules.lifecycle import Event, State

from .build import NOW, RUN, recording
from .conftest import Ask

pytestmark = pytest.mark.anyio

CLAIM = """
import asyncio, sys
from datetime import UTC, datetime
from archiver.manifest.interface import Change
from archiver.manifest.sql import SqlManifest
from archiver.rules.lifecycle import Event, State

async def main(url, run, count):
    now = datetime.now(UTC)
    async with await SqlManifest.open(url) as manifest:
        print("ready", flush=True)
        sys.stdin.readline()
        won = await asyncio.gather(*(
            manifest.advance(f"r{n}", State.DISCOVERED, Event.UPLOADED, now, run, Change()) for n in range(count)
        ))
    print(sum(entry is not None for entry in won), flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def started(*arguments: str, code: str = CLAIM) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def test_of_32_tasks_that_advance_500_recordings_one_wins_each(manifest: SqlManifest, ask: Ask) -> None:
    ids = [f"r{n}" for n in range(500)]
    await manifest.note_listed(RUN, NOW, [recording(name) for name in ids])

    async def claim(task: int) -> list[str]:
        order = ids[task * 15 :] + ids[: task * 15]
        change = Change(reason=f"task {task}")
        return [
            name
            for name in order
            if await manifest.advance(name, State.DISCOVERED, Event.UPLOADED, NOW, RUN, change) is not None
        ]

    won = await asyncio.gather(*(claim(task) for task in range(32)))
    assert sorted(name for names in won for name in names) == sorted(ids)
    assert ask("SELECT count(*), count(DISTINCT recording_id) FROM events WHERE event = 'uploaded'") == [(500, 500)]
    assert await manifest.integrity() == []


async def test_two_processes_share_a_manifest_and_claim_nothing_twice(url: str, ask: Ask) -> None:
    count = 3000
    async with await SqlManifest.open(url) as manifest:
        await manifest.note_listed(RUN, NOW, [recording(f"r{n}") for n in range(count)])
        processes = [started(url, f"run-{n}", str(count)) for n in range(2)]
        assert all(process.stdout and process.stdout.readline() == "ready\n" for process in processes)
        outputs = await asyncio.gather(*(asyncio.to_thread(process.communicate, "go\n") for process in processes))
        assert [process.returncode for process in processes] == [0, 0]
        assert sum(int(output) for output, _ in outputs) == count
        assert await manifest.integrity() == []
    claimed = ask("SELECT count(*), count(DISTINCT recording_id) FROM events WHERE event = 'uploaded'")
    assert claimed == [(count, count)]


async def test_many_processes_may_make_the_same_manifest_at_once(url: str, path: Path) -> None:
    code = CLAIM.replace("range(count)", "range(0)")
    processes = [started(url, f"run-{n}", "0", code=code) for n in range(4)]
    outputs = await asyncio.gather(*(asyncio.to_thread(process.communicate, "go\n") for process in processes))
    assert [output for output, _ in outputs] == ["ready\n0\n"] * 4
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_cancelled_task_tears_nothing(manifest: SqlManifest) -> None:
    ids = [f"r{n}" for n in range(200)]
    await manifest.note_listed(RUN, NOW, [recording(name) for name in ids])
    tasks = [
        asyncio.create_task(manifest.advance(name, State.DISCOVERED, Event.UPLOADED, NOW, RUN, Change()))
        for name in ids
    ]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(outcome is not None and not isinstance(outcome, BaseException) for outcome in outcomes[1::2])
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes[::2])
    assert await manifest.integrity() == []
    states = {name: entry.state for name, entry in (await manifest.entries(ids)).items()}
    assert {states[name] for name in ids[1::2]} == {State.STORED}
    again = [
        await manifest.advance(name, State.DISCOVERED, Event.UPLOADED, NOW, RUN, Change())
        for name in ids[::2]
        if states[name] is State.DISCOVERED
    ]
    assert None not in again

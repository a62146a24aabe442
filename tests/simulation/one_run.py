"""One run on a day that is set: in this process, or in one of its own that kills itself after so many puts.

python -m tests.simulation.one_run CONFIG OFFSET_SECONDS PUTS
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from unittest import mock

import anyio

from archiver import wiring
from archiver.config import load
from archiver.due import Request
from archiver.rules import retry
from archiver.runner import Ended, Run
from archiver.store.directory import DirectoryStore
from tests.simulation.clock import SetClock

IMPATIENT = retry.RetryPolicy(attempts=3, base=0.01, ceiling=0.02)
"""Outages are simulated by the hundred."""


class Counts:
    """A ``Reporter`` that counts events."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()

    def event(self, kind: str, /, **fields: object) -> None:
        self.events[kind] += 1

    def progress(self, *, listed: int, settled: int, size: int) -> None:
        pass


async def nothing_beside(work: Run) -> None:
    await anyio.sleep_forever()


def run(config: Path, clock: SetClock, days: tuple[date, ...] = ()) -> tuple[Ended, Counts]:
    """What ``archiver run`` does, without the command line."""
    counts = Counts()
    loaded = load(config, {}).config

    async def work() -> Ended:
        return await wiring.run(loaded, Request(days=days), clock, counts, nothing_beside)

    with (
        mock.patch("os.fsync"),  # processes are killed here; machines keep their power
        mock.patch("archiver.source.api_client.LISTING", IMPATIENT),
        mock.patch("archiver.runner.TRANSFER", IMPATIENT),
    ):
        return anyio.run(work), counts


def die_after(puts: int) -> None:
    """From now on every put is counted, and the process is gone once so many are durable."""
    done = 0
    put = DirectoryStore._put

    def counted(self: DirectoryStore, *words: object) -> object:
        nonlocal done
        outcome = put(self, *words)  # type: ignore[arg-type]
        done += 1
        if done >= puts:
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome

    setattr(DirectoryStore, "_put", counted)  # noqa: B010


if __name__ == "__main__":
    die_after(int(sys.argv[3]))
    run(Path(sys.argv[1]), SetClock(timedelta(seconds=float(sys.argv[2]))))

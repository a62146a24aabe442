"""Clocks that are wrong, and clocks that jump while a run is at work."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from archiver.clock import SystemClock
from archiver.sandbox import Latency as LateAnswer
from archiver.sandbox import OnListing, ShortLink, World
from tests.faults.lab import directory_lab, s3_lab
from tests.stories.bucket_server import BucketServer

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class ClockOf:
    """``prepare`` for the launcher: the wall clock is ``offset`` wrong, and jumps by ``jump`` at its n-th reading."""

    offset: timedelta = timedelta()
    jump: timedelta = timedelta()
    at: int = 10

    def __call__(self) -> None:
        true, readings = SystemClock.now, 0

        def wrong(clock: SystemClock) -> datetime:
            nonlocal readings
            readings += 1
            return true(clock) + self.offset + (self.jump if readings >= self.at else timedelta())

        SystemClock.now = wrong  # type: ignore[method-assign,assignment]


CLOCKS = [
    ClockOf(HOUR),
    ClockOf(-HOUR),
    ClockOf(jump=HOUR),
    ClockOf(jump=-HOUR),
    ClockOf(jump=timedelta(days=-400), at=20),
    ClockOf(timedelta(days=40), jump=timedelta(days=-80), at=15),
]


@pytest.mark.parametrize("clock", CLOCKS, ids=lambda each: f"{each.offset}_{each.jump}".replace(" ", ""))
def test_a_wrong_clock_here(clock: ClockOf, tmp_path: Path) -> None:
    """Links live 100 s on the server's clock: one hour of ours would kill or revive them all."""
    with directory_lab(tmp_path, World.generate(seed=231, recordings=6, days=2), link_life=100) as lab:
        ended = lab.run(clock)
        assert ended.code == 0, ended.stderr
        assert ended.events[-1]["archived"] == 6
        assert ended.events[-1]["links_refreshed"] == 0
        assert lab.look() == []
        assert lab.recover() == []


@pytest.mark.parametrize("offset", [HOUR, -HOUR, timedelta(days=2), timedelta(days=-2)], ids=str)
def test_a_wrong_clock_there(offset: timedelta, tmp_path: Path, bucket_server: BucketServer) -> None:
    world = World.generate(seed=232, recordings=6, days=2)
    with s3_lab(tmp_path, world, bucket_server, clock_offset=offset, link_life=100) as lab:
        ended = lab.run(ClockOf())
        assert ended.code == 0, ended.stderr
        assert ended.events[-1]["links_refreshed"] == 0
        assert lab.recover() == []


def test_a_dead_link_is_known_by_the_servers_clock(tmp_path: Path) -> None:
    """Ours says that it lives for another hour. The server's is believed: it is listed again, using no attempt."""
    world = World.generate(seed=233, recordings=3, days=1)
    victim = world.recordings()[1]
    world.replace(victim.evolve(faults=(ShortLink(2, age=2.0, times=1),)))
    with directory_lab(tmp_path, world) as lab:
        lab.operator.sandbox.inject(OnListing(LateAnswer(0.2, times=1)))
        ended = lab.run(ClockOf(-HOUR))
        assert ended.code == 0, ended.stderr
        assert ended.events[-1]["links_refreshed"] >= 1
        assert not [each for each in ended.events if each["type"] == "attempt_failed"]
        assert lab.recover() == []


@dataclass(frozen=True)
class Zone:
    """``prepare`` for the launcher: the machine is somewhere else."""

    name: str

    def __call__(self) -> None:
        os.environ["TZ"] = self.name
        time.tzset()


def test_a_machine_that_moves_between_zones(tmp_path: Path) -> None:
    """Fourteen hours ahead, then eleven behind: the same days, the same keys, and nothing is put again."""
    world = World.generate(seed=234, recordings=6, days=2)
    with directory_lab(tmp_path, world) as lab:
        assert lab.run(Zone("Pacific/Kiritimati")).code == 0
        before = lab.bucket().digests()
        days = {each.created_at.date().isoformat() for each in world.recordings()}
        assert {key.split("dt=")[1][:10] for key in before if key.startswith("recordings/")} == days
        ended = lab.run(Zone("Pacific/Pago_Pago"))
        assert (ended.code, ended.events[-1]["already_archived"]) == (0, 6)
        assert lab.bucket().digests() == before
        assert lab.recover() == []

"""Descriptors stay within their bound whatever the source sends, and all are given back (I6)."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from archiver.sandbox import CutObject, CutTransfer, NoLength, OnAudio, ResetTransfer, Status, World
from tests.faults.lab import AWS, Lab, directory_lab, s3_lab, small_world
from tests.stories.bucket_server import BucketServer

IN_FLIGHT = 16
BOUND = 40 + 6 * IN_FLIGHT
"""Of a recording in flight: a connection to its audio and one to the bucket, each with what wakes it up, and files."""


@contextmanager
def troubled(home: Path, server: BucketServer | None) -> Iterator[Lab]:
    """300 recordings; one in six has trouble on its way, one in thirty is bad."""
    world = World.generate(seed=281, recordings=300, days=2)
    faults: list[Any] = [
        CutTransfer(0.5, times=1),
        ResetTransfer(0.3, times=1),
        NoLength(times=1),
        Status(503, times=2),
    ]
    recordings = world.recordings()
    bad = frozenset(each.id for each in recordings[::30])
    for each in recordings[::30]:
        world.replace(each.evolve(faults=(CutObject(0.2),)))
    made = s3_lab(home, world, server, bad) if server else directory_lab(home, world, bad)
    with made as lab:
        for number, each in enumerate(recordings[1::6]):
            lab.operator.sandbox.inject(OnAudio(faults[number % len(faults)], each.id))
        yield lab


@pytest.mark.parametrize("to", ["directory", "s3"])
def test_descriptors_are_bounded_and_given_back(to: str, tmp_path: Path, bucket_server: BucketServer) -> None:
    """Two whole runs in one process, the second with a manifest of its own: it ends with no more than the first."""
    with troubled(tmp_path, bucket_server if to == "s3" else None) as lab:
        usual = lab.operator.configure(limits={"concurrency": IN_FLIGHT})
        lab.operator.settings["manifest"] = {"url": f"sqlite://{tmp_path / 'second.db'}"}
        second = tmp_path / "second.yaml"
        second.touch(mode=0o600)
        second.write_text(lab.operator.configure(limits={"concurrency": IN_FLIGHT}).read_text())
        lab.operator.settings.pop("manifest")
        usual = lab.operator.configure(limits={"concurrency": IN_FLIGHT})
        words = ["run", "--json", *lab.operator.days()]
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults.counted", str(usual), str(second), "--", *words],
            env=os.environ | AWS, capture_output=True, text=True, timeout=300, check=True,
        )  # fmt: skip
        told = json.loads(done.stdout.splitlines()[-1])
        assert told["codes"] == [4, 4], done.stderr[-2000:]
        assert told["before"] < told["most"] <= BOUND, told
        assert told["after"][1] == told["after"][0] <= told["before"] + 2, told
        assert lab.look() == []


@dataclass(frozen=True)
class NoMoreDescriptorsThan:
    """``prepare`` for the launcher: opening one more fails (EMFILE). The process may ask for up to ``hard``."""

    number: int
    hard: int = 0

    def __call__(self) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.number, self.hard or self.number))


@pytest.mark.parametrize("number", [16, 24, 28, 32, 36, 40, 48, 64])
def test_too_few_descriptors(number: int, tmp_path: Path) -> None:
    """Whatever fails for want of one, nothing lies, nobody sees a traceback, and the next run mends it."""
    world, bad = small_world(282, recordings=12)
    with directory_lab(tmp_path, world, bad) as lab:
        ended = lab.run(NoMoreDescriptorsThan(number))
        assert ended.code in (3, 4, 10), ended
        assert "Traceback" not in ended.stderr
        assert lab.look() == []
        assert lab.recover() == []


def test_a_low_limit_that_may_be_raised_is_raised(tmp_path: Path) -> None:
    world, bad = small_world(283, recordings=12)
    with directory_lab(tmp_path, world, bad) as lab:
        ended = lab.run(NoMoreDescriptorsThan(32, hard=4096))
        assert ended.code == 4, ended
        assert not [each for each in ended.events if each["type"] == "attempt_failed"]
        assert lab.look() == []

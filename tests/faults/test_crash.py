"""SIGKILL at every named step, to a directory and to a bucket, in the first run and in the recovery."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.crash import Sweep, cases, die_at, kill_at_random, lab_for
from tests.faults.steps import Step, When
from tests.stories.bucket_server import BucketServer


@pytest.mark.parametrize(
    ("destination", "step", "when"),
    [(destination, *case) for destination in ("directory", "s3") for case in cases(destination)],
    ids=lambda value: value.name.replace(" ", "_") if isinstance(value, Step) else value,
)
def test_a_death_at_every_step(
    destination: str, step: Step, when: When, tmp_path: Path, bucket_server: BucketServer
) -> None:
    sweep = Sweep()
    with lab_for(destination, tmp_path, bucket_server, 201, trouble=step.name == "attempt noted") as lab:
        die_at(lab, step, when, destination, sweep)
    assert sweep.not_fired == [], "the kill did not fire: the case proves nothing"
    assert sweep.violations == []


@pytest.mark.parametrize("destination", ["directory", "s3"])
def test_deaths_at_random_moments(destination: str, tmp_path: Path, bucket_server: BucketServer) -> None:
    sweep = Sweep()
    with lab_for(destination, tmp_path, bucket_server, seed=202, recordings=120) as lab:
        kill_at_random(lab, 10, 202, sweep)
    assert sweep.kills >= 5, "most of the runs ended before their kill: the case proves nothing"
    assert sweep.violations == []

"""Origin or bucket ask to be spared: fewer are in flight from then on, and the run ends whole all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from archiver.sandbox import Sandbox, World
from tests.faults.store_faults import FaultyBucketServer, Refuses, faulty_server
from tests.stories.conftest import Bucket, NewOperator
from tests.stories.operator import Destination

AUTO = {"concurrency": "auto"}


@pytest.fixture(scope="module")
def bucket_server() -> Iterator[FaultyBucketServer]:
    """In place of the one that never refuses."""
    with faulty_server() as running:
        yield running


def refused(sandbox: Sandbox) -> int:
    return sum(record.status == 503 for record in sandbox.downloads())


def test_an_origin_with_room_for_four(operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=71, recordings=120, days=1)
    someone = operator(world, directory, audio_latency=0.05, audio_most=4)

    result = someone.runs(limits=AUTO)

    assert result.exit_code == 0, result.stderr
    assert someone.archived() == someone.truth()
    assert result.summary["concurrency_highest"] == 32, "as every run begins"
    assert result.summary["concurrency"] <= 8
    assert 0 < result.summary["pushed_back"] == refused(someone.sandbox) <= 60
    steps = [event["in_flight"] for event in result.of("slowed_down")]
    assert max(steps) <= 16
    assert min(steps) <= 4
    assert len(result.of("attempt_failed")) == refused(someone.sandbox)


def test_a_number_that_was_given_stays(operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=72, recordings=30, days=1)
    someone = operator(world, directory, audio_latency=0.05, audio_most=4)

    result = someone.runs("--concurrency", "6")

    assert result.summary["in_flight"] == result.summary["concurrency"] == 6
    assert result.summary["pushed_back"] == refused(someone.sandbox) > 0
    assert result.of("slowed_down") == []
    assert someone.archived().items() <= someone.truth().items()


def test_a_bucket_that_slows_down_is_heard_behind_the_retries(
    operator: NewOperator, new_bucket: Callable[[], Bucket], bucket_server: FaultyBucketServer
) -> None:
    world = World.generate(seed=73, recordings=40, days=1)
    someone = operator(world, new_bucket())
    bucket_server.misbehaves(Refuses(times=3), Refuses(".vcon.json", after=30, times=1))

    result = someone.runs(limits=AUTO)

    assert result.exit_code == 0, result.stderr
    assert someone.archived() == someone.truth()
    assert bucket_server.fired == 4
    assert 1 <= result.summary["pushed_back"] <= 4, "of several refusals of one put one turn tells"
    assert result.of("slowed_down")[0]["in_flight"] <= 16
    assert result.of("attempt_failed") == [], "the put was repeated within its turn"


def test_nobody_pushes_back(operator: NewOperator, directory: Destination) -> None:
    someone = operator(World.generate(seed=74, recordings=40, days=1), directory)

    result = someone.runs("--profile", limits=AUTO)

    assert result.exit_code == 0
    assert result.summary["pushed_back"] == 0
    assert 1 <= result.summary["in_flight"] <= result.summary["concurrency_highest"]
    [profile] = result.of("profile")
    assert profile["in_flight"] == result.summary["in_flight"]

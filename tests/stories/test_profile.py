"""``run --profile``: where the time went."""

from __future__ import annotations

from archiver.sandbox import World
from tests.stories.conftest import NewOperator
from tests.stories.operator import Destination

LATENCY = 0.2


def test_a_profile_tells_steps_and_the_slowest_recordings(operator: NewOperator, destination: Destination) -> None:
    world = World.generate(seed=61, recordings=12, days=1)
    someone = operator(world, destination, audio_latency=LATENCY)

    result = someone.runs("--profile")

    assert result.exit_code == 0, result.stderr
    [profile] = result.of("profile")
    stages = profile["steps"]
    assert list(stages) == ["list", "wait", "fetch", "verify", "put", "seal", "manifest", "recording", "window", "run"]
    for once in ("fetch", "verify", "put", "seal", "recording"):
        assert stages[once]["count"] == 12, once
    assert stages["fetch"]["mean_ms"] >= 1000 * LATENCY
    assert stages["fetch"]["seconds"] >= 12 * LATENCY
    assert stages["recording"]["mean_ms"] < 1000 * LATENCY, "without the steps within it"
    assert len(profile["slowest"]) == 10
    assert {each["recording_id"] for each in profile["slowest"]} <= someone.truth().keys()
    assert all(each["seconds"] >= LATENCY for each in profile["slowest"])
    assert result.events[-1]["type"] == "summary"


def test_without_it_nothing_is_told(operator: NewOperator, directory: Destination) -> None:
    someone = operator(World.generate(seed=62, recordings=2, days=1), directory)
    assert someone.runs().of("profile") == []

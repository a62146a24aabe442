"""A bad network before the API, the audio and the bucket: seeded schedules, which Hypothesis shrinks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from archiver.sandbox import World
from tests.faults.proxy import Latency, LimitData, Reset, Timeout
from tests.faults.schedules import Weather, endure, station
from tests.stories.bucket_server import BucketServer

DIRECTORY, BUCKET, PORTION = 450, 50, 50
"""Schedules here, and at a time; `make soak` makes thousands."""


@pytest.mark.parametrize("first", range(0, DIRECTORY, PORTION))
def test_schedules_to_a_directory(first: int, tmp_path: Path) -> None:
    with station(tmp_path, World.generate(seed=211 + first, recordings=3, days=1)) as place:
        endure(place, PORTION, first)
        assert place.schedules >= PORTION
        assert place.connections_met > PORTION, "hardly a toxic fired: the schedules prove nothing"
        assert place.codes.keys() > {0}, "nothing was ever left open: the schedules are too mild"


@pytest.mark.parametrize("first", range(0, BUCKET, PORTION // 2))
def test_schedules_to_a_bucket(first: int, tmp_path: Path, bucket_server: BucketServer, aws: None) -> None:
    with station(tmp_path, World.generate(seed=212 + first, recordings=3, days=1), bucket_server) as place:
        endure(place, PORTION // 2, first)
        assert place.schedules >= PORTION // 2
        assert place.connections_met > PORTION // 2


@pytest.mark.parametrize(
    "weather",
    [
        lambda toxic: Weather(api=[[toxic]] * 40),
        lambda toxic: Weather(audio=[[toxic]] * 400),
    ],
    ids=["api", "audio"],
)
@pytest.mark.parametrize("toxic", [LimitData("down", 60), Reset("down", 300), Timeout("down", 0, 0.01)], ids=str)
def test_a_network_that_stays_bad_is_said(weather: Callable[[object], Weather], toxic: object, tmp_path: Path) -> None:
    """Nothing gets through: exit code 3, nothing archived that is not whole, and a run in fair weather mends it."""
    with station(tmp_path, World.generate(seed=213, recordings=2, days=1)) as place:
        assert place.weather(weather(toxic)) == []
        assert place.codes == {3: 1}


def test_an_answer_that_ends_among_its_headers_is_no_answer(tmp_path: Path) -> None:
    """Wherever it is cut: an empty body would be judged, and whole recordings put into quarantine."""
    with station(tmp_path, World.generate(seed=215, recordings=1, days=1)) as place:
        for at in range(1, 330, 30):
            assert place.weather(Weather(audio=[[LimitData("down", at)]] * 40)) == [], at
            assert place.weather(Weather(api=[[LimitData("down", at)]] * 40)) == [], at
        assert place.codes == {3: 22}


def test_the_proxy_passes_everything_on(tmp_path: Path) -> None:
    with station(tmp_path, World.generate(seed=214, recordings=2, days=1)) as place:
        assert place.weather(Weather(audio=[[Latency("down", 0.001)]])) == []
        assert place.codes == {0: 1}
        assert place.connections_met == 1

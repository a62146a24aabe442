"""The limit on what is in flight: its bounds for any input, and the level that it finds in worlds of all kinds."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.rules.concurrency import CEILING, START, Concurrency, Phase
from archiver.rules.throughput import Turn, Work, pays
from tests.rules.far_away import FarAway

ENDS = st.builds(
    lambda lasted, in_flight, bound, size, settled, pushed_back, gap: (
        gap,
        Turn(-lasted, 0.0, in_flight, bound, size, settled, pushed_back),
    ),
    lasted=st.floats(0, 100),
    in_flight=st.integers(1, 2000),
    bound=st.booleans(),
    size=st.integers(0, 2**40),
    settled=st.booleans(),
    pushed_back=st.booleans(),
    gap=st.floats(0, 100),
)


def best_fixed(world: FarAway) -> float:
    """Recordings a second with the best of several fixed numbers."""
    return max(
        replace(world, trail=[]).run(Concurrency(number, number, steady=True), 15) for number in (16, 32, 64, 128, 256)
    )


@given(st.integers(1, 64), st.integers(1, 1024), st.lists(ENDS, max_size=300))
def test_never_below_one_never_above_the_ceiling(start: int, ceiling: int, ends: list[tuple[float, Turn]]) -> None:
    limit, now = Concurrency(start, ceiling), 0.0
    for gap, turn in ends:
        now += gap
        found = limit.ended(replace(turn, begun=now + turn.begun, ended=now))
        assert 1 <= found <= ceiling
        assert found == limit.limit <= limit.highest <= ceiling
        assert 1 <= limit.level <= limit.highest
    assert limit.pushed_back == sum(turn.pushed_back for _, turn in ends)


@given(st.integers(1, 1024), st.lists(ENDS, max_size=100))
def test_a_fixed_number_stays(number: int, ends: list[tuple[float, Turn]]) -> None:
    limit = Concurrency(number, number, steady=True)
    assert {limit.ended(turn) for _, turn in ends} <= {number}


@pytest.mark.parametrize("latency", [0.001, 0.02, 0.1])
@pytest.mark.parametrize("cpu", [0.006, 0.0025])
@pytest.mark.parametrize(
    "place",
    [
        {},
        {"bandwidth": 60e6},
        {"thrash": 0.005},
        {"answer": 0.05, "served": 40},
    ],
    ids=["free", "narrow link", "client that thrashes", "slow origin"],
)
def test_as_fast_as_the_best_fixed_number(latency: float, cpu: float, place: dict[str, float]) -> None:
    world = FarAway(latency, cpu=cpu, **place)  # type: ignore[arg-type]
    limit = Concurrency()
    found = replace(world, trail=[]).run(limit, 30)
    assert found >= 0.85 * best_fixed(world)


def test_nearby_few_are_in_flight_and_far_away_many() -> None:
    usual = {}
    for latency in (0.001, 0.02, 0.1):
        world = FarAway(latency, cpu=0.0025)
        world.run(Concurrency(), 30)
        usual[latency] = world.usual()
    assert usual[0.001] == START
    assert START <= usual[0.02] < usual[0.1]
    assert usual[0.1] >= 128


def test_waves_of_recordings_that_end_together_are_no_lack_of_work() -> None:
    world = FarAway(0.1, jitter=0.0, cpu=0.00005, size=lambda _: 10_000)
    limit = Concurrency()
    world.run(limit, 10)
    assert limit.highest == CEILING


def test_it_does_not_run_away_when_latency_grows_with_the_queue() -> None:
    """A link that is full at 12 in flight: every further one waits in the queue, and the latency is all queue."""
    world, limit = FarAway(0.02, cpu=0.0001, bandwidth=30e6), Concurrency()
    world.run(limit, 60)
    assert world.usual() <= 4 * START


def test_it_does_not_collapse_because_sizes_differ() -> None:
    """Of a hundred recordings five are a thousand times as large as the others."""

    def size(rng: random.Random) -> int:
        return 8_000_000 if rng.random() < 0.05 else 8_000

    world = FarAway(0.1, cpu=0.001, size=size)
    found = replace(world, trail=[]).run(Concurrency(), 40)
    assert found >= 0.8 * best_fixed(world)


def test_a_change_of_sizes_is_no_change_of_throughput() -> None:
    """As many bytes and recordings as the whole mix has are the same work, in whichever order they come."""
    small, large = Work(1000, 1_000_000, 1.0), Work(20, 20_000_000, 1.0)
    assert 0.3 < small.gain_over(large) < 3
    assert (small + large).gain_over(small + large) == 1.0
    assert pays(Work(30, 30_000, 1.0), Work(20, 20_000, 1.0), 2.0)
    assert not pays(Work(21, 21_000, 1.0), Work(20, 20_000, 1.0), 2.0)


def test_where_there_is_no_room_to_grow_it_still_gives_way() -> None:
    world, limit = FarAway(0.02, cpu=0.0025), Concurrency(START, START)
    world.run(limit, 30)
    assert {each for _, each in world.trail} == {START}
    world.refuses_over = 8
    world.run(limit, 30)
    assert limit.limit <= 8
    world.refuses_over = None
    world.run(limit, 60)
    assert limit.limit > 8


def test_a_push_back_halves_the_limit_once_for_all_that_were_in_flight() -> None:
    limit = Concurrency()
    for begun in range(START):
        limit.ended(Turn(begun / 100, 1.0 + begun / 100, START, settled=False, pushed_back=True))
    assert limit.limit == START // 2
    assert limit.pushed_back == START
    limit.ended(Turn(2.0, 2.1, START // 2, settled=False, pushed_back=True))
    assert limit.limit == START // 4


def test_a_server_with_room_for_few_is_hardly_ever_asked_for_more() -> None:
    world, limit = FarAway(0.02, cpu=0.0025, refuses_over=10), Concurrency()
    world.run(limit, 60)
    assert 7 <= world.usual() <= 10
    assert world.refused < world.done / 100
    assert limit.pushed_back == world.refused


def test_a_single_push_back_among_many_costs_little() -> None:
    world, limit = FarAway(0.02, cpu=0.0025, listed=300), Concurrency(128, 256)
    world.run(limit, 2)
    limit.ended(Turn(world.now, world.now, 128, settled=False, pushed_back=True))
    assert limit.limit == 64
    world.run(limit, 3)
    assert limit.limit == 96, "listing is what bounds, so that no probe can have told"


def test_it_recovers_after_a_push_back() -> None:
    world, limit = FarAway(0.1, cpu=0.0025), Concurrency()
    before = world.run(limit, 30)
    world.refuses_over = 0
    world.run(limit, 5)
    assert limit.limit == 1
    world.refuses_over = None
    world.run(limit, 60)
    assert limit.phase is not Phase.RECOVERING
    assert world.run(limit, 20) >= 0.8 * before


def test_it_does_not_grow_while_the_source_names_too_few() -> None:
    world, limit = FarAway(0.1, cpu=0.001, listed=20), Concurrency()
    world.run(limit, 60)
    assert limit.highest <= 2 * START
    assert CEILING > 2 * START

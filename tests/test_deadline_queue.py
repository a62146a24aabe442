"""Earliest deadline first, for takers that wait; and how far listing may run ahead of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import anyio
import pytest

from archiver.custody import BucketDay
from archiver.deadline_queue import MOST_AHEAD, DeadlineQueue
from archiver.intake import Intake
from archiver.job import Job
from archiver.manifest.interface import Entry
from archiver.model import Link, Recording, Window
from archiver.rules.lifecycle import State

MOMENT = datetime(2026, 11, 21, 12, tzinfo=UTC)
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Hands:
    """A clock that is set by hand."""

    seconds = 0.0

    def now(self) -> datetime:
        return MOMENT + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


def recording(name: str, dies_in: float | None) -> Recording:
    deadline = None if dies_in is None else MOMENT + timedelta(seconds=dies_in)
    return Recording(name, MOMENT, None, Link(f"https://h/{name}", deadline), {})


def job(name: str, dies_in: float | None, age: float = 0.0) -> Job:
    created_at = MOMENT - timedelta(seconds=age)
    entry = Entry(name, created_at, None, State.DISCOVERED, 0, "")
    intake = Intake(Window.of_day(date(2026, 11, 21)), BucketDay({}, {}))
    return Job(intake, entry, recording(name, dies_in))


def queue(clock: Hands | None = None, takers: int = 2) -> DeadlineQueue:
    return DeadlineQueue(clock or Hands(), takers)


async def drain(waiting: DeadlineQueue) -> list[str]:
    taken = []
    while (each := await waiting.take()) is not None:
        taken.append(each.entry.recording_id)
        waiting.done(each)
    return taken


async def test_earliest_deadline_first_and_the_oldest_among_equals() -> None:
    waiting = queue()
    for each in (job("late", 50), job("none", None), job("young", 10), job("old", 10, age=99), job("soon", 5)):
        waiting.put(each)
    waiting.no_more()
    assert await drain(waiting) == ["soon", "old", "young", "late", "none"]


async def test_what_is_there_can_be_taken_without_waiting_in_the_same_order() -> None:
    waiting = queue()
    assert waiting.take_at_once() is None
    for each in (job("late", 50), job("soon", 5), job("later", 60)):
        waiting.put(each)
    assert waiting.renew(recording("soon", 55))
    taken = [waiting.take_at_once() for _ in range(2)]
    assert [each and each.entry.recording_id for each in taken] == ["late", "soon"]
    waiting.stop()
    assert waiting.take_at_once() is None
    assert len(waiting) == 1


async def test_a_renewed_link_changes_the_place_and_comes_up_once() -> None:
    waiting = queue()
    waiting.put(job("a", 10))
    waiting.put(job("b", 20))
    assert waiting.renew(recording("a", 30))
    assert not waiting.renew(recording("unknown", 30))
    waiting.no_more()
    assert len(waiting) == 2
    assert await drain(waiting) == ["b", "a"]
    assert len(waiting) == 0


async def test_takers_wait_for_what_is_put_back() -> None:
    """A job that waits for its next attempt keeps the others from going home."""
    waiting = queue()
    waiting.put(job("a", 10))
    waiting.no_more()
    first = await waiting.take()
    assert first is not None
    taken: list[str] = []

    async def take() -> None:
        taken.extend(await drain(waiting))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        await anyio.sleep(0.01)
        assert taken == []
        waiting.put_back(first)
    assert taken == ["a"]


async def test_a_recording_is_queued_once() -> None:
    waiting = queue()
    waiting.put(job("a", 10))
    assert "a" in waiting
    with pytest.raises(ValueError, match="queued twice"):
        waiting.put(job("a", 20))
    waiting.no_more()
    assert await drain(waiting) == ["a"]
    assert "a" not in waiting


async def test_stop_sends_takers_home_at_once() -> None:
    waiting = queue()
    waiting.put(job("a", 10))
    waiting.stop()
    assert await waiting.take() is None
    await waiting.room(1.0)


async def test_room_for_two_per_taker_until_a_pace_is_known() -> None:
    waiting = queue(takers=2)
    for number in range(4):
        waiting.put(job(str(number), 100))
    await waiting.room(3600.0)
    waiting.put(job("one too many", 100))
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.02):
            await waiting.room(3600.0)


async def transfer(count: int, waiting: DeadlineQueue, clock: Hands, *, seconds: float) -> None:
    """So many recordings, one after the other, each in so many seconds."""
    for _ in range(count):
        taken = await waiting.take()
        assert taken is not None
        clock.seconds += seconds
        waiting.done(taken)


async def test_room_follows_the_pace_and_the_life_of_links() -> None:
    """Ten recordings a second, links of 100 s: a hundred may wait, which is a tenth of their life."""
    clock = Hands()
    waiting = queue(clock)
    for number in range(200):
        waiting.put(job(str(number), 1000 + number))
    await transfer(50, waiting, clock, seconds=0.1)
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.02):
            await waiting.room(100.0)
    await transfer(50, waiting, clock, seconds=0.1)
    assert len(waiting) == 100
    with anyio.fail_after(60):
        await waiting.room(103.0)


async def test_room_is_bounded_however_fast_the_transfers_and_long_the_lives() -> None:
    """A thousand a second, links of an hour: a tenth of their life would be 360,000 recordings in memory."""
    clock = Hands()
    waiting = queue(clock)
    for number in range(MOST_AHEAD + 101):
        waiting.put(job(str(number), 3600))
    await transfer(100, waiting, clock, seconds=0.001)
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.02):
            await waiting.room(3600.0)
    assert await waiting.take() is not None
    with anyio.fail_after(60):
        await waiting.room(3600.0)

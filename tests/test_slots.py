"""Slots: given out one by one by one task, kept from turn to turn, never more than the limit says at the moment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from archiver.clock import SystemClock
from archiver.rules.concurrency import Concurrency
from archiver.slots import Slots

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def full(limit: int) -> Slots:
    slots = Slots(SystemClock(), Concurrency(limit, 8))
    for _ in range(limit):
        slots.take()
    return slots


@asynccontextmanager
async def somebody_waiting_for(slots: Slots) -> AsyncIterator[anyio.Event]:
    """The event is set as soon as there is a free one."""
    let_in = anyio.Event()

    async def wait() -> None:
        await slots.free()
        let_in.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        yield let_in
        tasks.cancel_scope.cancel()


async def test_whoever_waits_is_let_in_when_one_is_given_back() -> None:
    slots = full(2)
    async with somebody_waiting_for(slots) as let_in:
        slots.give_back()
        with anyio.fail_after(5):
            await let_in.wait()
    assert (slots.taken, slots.most) == (1, 2)


async def test_whoever_waits_is_let_in_when_the_limit_rises_though_every_slot_is_kept() -> None:
    slots = full(2)
    async with somebody_waiting_for(slots) as let_in:
        with slots.turn():
            slots.limit.limit = 3
        with anyio.fail_after(5):
            await let_in.wait()
    assert slots.taken == 2


async def test_a_slot_that_is_kept_lets_nobody_in() -> None:
    slots = full(2)
    async with somebody_waiting_for(slots) as let_in:
        with slots.turn():
            pass
        slots.keep()
        await anyio.wait_all_tasks_blocked()
        assert not let_in.is_set()


async def test_one_that_was_pushed_back_may_not_be_kept_until_enough_are_given_back() -> None:
    slots = full(4)
    with slots.turn() as held:
        held.pushed_back = True
    assert held.slowed_down
    assert slots.limit.limit == 2
    kept = []
    while slots.taken:
        kept.append(slots.may_be_kept)
        slots.give_back()
    assert kept == [False, False, True, True]

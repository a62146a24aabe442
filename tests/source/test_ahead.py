"""Pages are asked for several at once, given in order, and nothing is left running."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest

from archiver.errors import SourceFailed
from archiver.source.ahead import AT_ONCE, PagesAhead

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Api:
    """Answers a page once it is let; keeps what was asked, what runs, and what was dropped."""

    broken: frozenset[int] = frozenset()
    asked: list[int] = field(default_factory=list)
    running: set[int] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)
    let: dict[int, anyio.Event] = field(default_factory=dict)

    async def fetch(self, number: int) -> str:
        self.asked.append(number)
        self.running.add(number)
        try:
            await self.let.setdefault(number, anyio.Event()).wait()
        except BaseException:
            self.dropped.add(number)
            raise
        finally:
            self.running.discard(number)
        if number in self.broken:
            raise SourceFailed(f"page {number} is broken")
        return f"page {number}"

    def answer(self, *numbers: int) -> None:
        for number in numbers:
            self.let.setdefault(number, anyio.Event()).set()


@asynccontextmanager
async def ahead(api: Api) -> AsyncIterator[PagesAhead[str]]:
    async with aclosing(PagesAhead(api.fetch)) as pages:
        yield pages
    assert not api.running


async def test_pages_come_in_order_whatever_the_order_of_the_answers() -> None:
    api = Api()
    api.answer(4, 3, 2)
    async with ahead(api) as pages:
        async with anyio.create_task_group() as group:

            @group.start_soon
            async def later() -> None:
                await anyio.wait_all_tasks_blocked()
                api.answer(1)

            assert await pages.page(1, 4) == "page 1"
        assert [await pages.page(number, 4) for number in (2, 3, 4)] == ["page 2", "page 3", "page 4"]
    assert sorted(api.asked) == [1, 2, 3, 4], "each once"


async def test_so_many_are_asked_for_and_none_behind_the_last() -> None:
    api = Api()
    api.answer(*range(1, 100))
    async with ahead(api) as pages:
        await pages.page(1, None)
        assert api.asked == [1], "nobody knows yet how many there are"
        await pages.page(2, 9)
        assert max(api.asked) == 1 + AT_ONCE
        for number in range(3, 10):
            await pages.page(number, 9)
        assert max(api.asked) == 9
        assert await pages.page(12, 9) == "page 12", "asked for all the same by a source that does not count"


async def test_a_page_that_fails_is_told_when_its_turn_comes() -> None:
    api = Api(broken=frozenset({2}))
    api.answer(1, 2, 3)
    async with ahead(api) as pages:
        assert await pages.page(1, 3) == "page 1"
        with pytest.raises(SourceFailed, match="page 2 is broken"):
            await pages.page(2, 3)


async def test_whoever_stops_early_leaves_nothing_running() -> None:
    api = Api()
    api.answer(1, 2)
    async with ahead(api) as pages:
        await pages.page(1, None)
        await pages.page(2, 9)
    assert api.dropped == set(range(3, 2 + AT_ONCE))


async def test_whoever_is_cancelled_leaves_nothing_running() -> None:
    api = Api()
    with anyio.move_on_after(0.05) as scope:
        async with ahead(api) as pages:
            await pages.page(1, 9)
    assert scope.cancelled_caught
    assert api.dropped == set(range(1, 1 + AT_ONCE))

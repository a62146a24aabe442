"""Pages asked for while the ones before them come: at 100 ms a page, one at a time would be ten a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

PageT = TypeVar("PageT")
AT_ONCE = 6
"""Pages. The rate limit holds for them all the same."""


class PagesAhead(Generic[PageT]):
    """Gives pages in their order, each asked for once; close it, and nothing of it is left running."""

    def __init__(self, fetch: Callable[[int], Awaitable[PageT]]) -> None:
        self._fetch = fetch
        self._asked: dict[int, _Asked[PageT]] = {}

    async def page(self, number: int, last: int | None) -> PageT:
        """Page ``number``, while those that follow, up to ``last``, are asked for. Raises what asking for it raised."""
        for each in range(number, min(number + AT_ONCE, (last or number) + 1)):
            if each not in self._asked:
                self._asked[each] = _Asked(self._fetch, each)
        asked = self._asked.pop(number, None) or _Asked(self._fetch, number)
        try:
            await asyncio.wait([asked.task])  # which leaves the task alone when we are cancelled, unlike awaiting it
        finally:
            await asked.end()
        return asked.task.result()

    async def aclose(self) -> None:
        """Drop what was asked for and not taken."""
        for asked in self._asked.values():
            asked.scope.cancel()
        for asked in self._asked.values():
            await asked.end()
        self._asked.clear()


class _Asked(Generic[PageT]):
    """One page on its way, in a task of its own: whoever iterates may stop anywhere, which no task group survives."""

    def __init__(self, fetch: Callable[[int], Awaitable[PageT]], number: int) -> None:
        self.scope = anyio.CancelScope()
        self.task = asyncio.create_task(self._run(fetch, number))

    async def _run(self, fetch: Callable[[int], Awaitable[PageT]], number: int) -> PageT:
        with self.scope:
            return await fetch(number)
        raise asyncio.CancelledError

    async def end(self) -> None:
        """Cancel it unless it is over, and wait for its end."""
        if not self.task.done():
            self.scope.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([self.task])
        if not self.task.cancelled():
            self.task.exception()  # has been seen: nobody else may ask

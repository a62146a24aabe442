"""Things with an id and a time, handed out newest first and by stretches of time."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Generic, Protocol, TypeVar


class Named(Protocol):
    @property
    def id(self) -> str: ...


ThingT = TypeVar("ThingT", bound=Named)


class Shelf(Generic[ThingT]):
    """A dict by id that is also in order of time. Not thread-safe by itself: its owner holds the lock."""

    def __init__(self, moment: Callable[[ThingT], datetime]) -> None:
        self._moment = moment
        self._things: dict[str, ThingT] = {}
        self._ordered: tuple[ThingT, ...] | None = ()
        self._moments: list[datetime] = []
        self._stretches: dict[tuple[datetime | None, datetime | None], tuple[ThingT, ...]] = {}

    def put(self, things: Iterable[ThingT]) -> None:
        """Add, or replace what has the same id."""
        self._things.update((thing.id, thing) for thing in things)
        self._ordered = None

    def drop(self, ids: Iterable[str]) -> None:
        """Take away; an id that is not there raises KeyError."""
        for thing_id in ids:
            del self._things[thing_id]
        self._ordered = None

    def get(self, thing_id: str) -> ThingT | None:
        return self._things.get(thing_id)

    def between(self, start: datetime | None, end: datetime | None) -> tuple[ThingT, ...]:
        """Give those with start ≤ time < end, newest first; None is without bound."""
        if self._ordered is None:
            # Ties by id, so that the order is the same at every request.
            self._ordered = tuple(sorted(self._things.values(), key=lambda t: (self._moment(t), t.id), reverse=True))
            self._moments = [self._moment(thing) for thing in reversed(self._ordered)]
            self._stretches.clear()
        if (start, end) not in self._stretches:
            count = len(self._ordered)
            first = 0 if end is None else count - bisect_left(self._moments, end)
            last = count if start is None else count - bisect_left(self._moments, start)
            self._stretches[start, end] = self._ordered[first:last]
        return self._stretches[start, end]

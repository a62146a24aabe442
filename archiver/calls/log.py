"""A day's call log in the bucket: numbered parts, each write-once, each holding what the ones before it did not.

Readers use the union, where the last part wins for an id. The parts (newline JSON) are the truth; a Parquet copy
beside each is for query engines, and may be made again from its part.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, tzinfo
from itertools import islice
from pathlib import Path

from anyio.to_thread import run_sync

from archiver.calls import parquet
from archiver.calls.listing import ListedCalls
from archiver.calls.part import MEDIATYPE, SIZE_LIMIT, pack, unpack
from archiver.errors import StoreFailed
from archiver.manifest.interface import CallDay
from archiver.model import Row
from archiver.rules import keys
from archiver.rules.call_rows import digest_of, digest_of_all, id_of
from archiver.store.body import Document
from archiver.store.interface import Conflict, Created, Store

BATCH = 2000
"""Rows handed over by the reading thread at a time."""
TRIES = 5
"""Times that a day is compared again because another run was faster with a part."""


@dataclass(frozen=True, slots=True)
class DayParts:
    """Which parts the bucket has of a day."""

    day: date
    numbers: tuple[int, ...] = ()
    """In order."""
    copies: frozenset[int] = frozenset()
    """Numbers of Parquet copies."""

    @property
    def next(self) -> int:
        """The number of the part to come."""
        return max((*self.numbers, *self.copies), default=0) + 1


@dataclass(slots=True)
class Brought:
    """What of a listing was brought into the bucket, so far."""

    new: int = 0
    changed: int = 0
    parts: int = 0
    """Parts written."""
    rows: int = 0
    """Rows in them."""
    last: int | None = None
    """Number of the last one."""
    unreadable: list[str] = field(default_factory=list)
    """Keys of parts that hold no rows that can be read: what they should hold is written again."""


async def find_parts(store: Store, day: date, *, with_copies: bool = False) -> DayParts:
    """One LIST, and another one for the Parquet copies."""
    named = [keys.call_part_of(stored.key) async for stored in store.list(keys.day_prefix(keys.CALLS, day))]
    if with_copies:
        copies = [keys.call_copy_of(stored.key) async for stored in store.list(keys.day_prefix(keys.CALL_COPIES, day))]
    else:
        copies = []
    numbers = sorted(found[1] for found in named if found is not None)
    return DayParts(day, tuple(numbers), frozenset(found[1] for found in copies if found is not None))


async def read_calls(store: Store, day: date) -> AsyncGenerator[Row, None]:
    """The union of a day's parts, a row per call id: the last part that names it counts. In no order.

    In memory is one part, compressed, and the ids. Raises StoreFailed for a part that cannot be read.
    """
    parts = await find_parts(store, day)
    seen: set[str] = set()
    for number in reversed(parts.numbers):
        rows = unpack(await _content(store, keys.call_part_key(day, number)))
        while batch := await _next_batch(rows, keys.call_part_key(day, number)):
            for row in batch:
                if id_of(row) not in seen:
                    seen.add(id_of(row))
                    yield row


async def survey(store: Store) -> AsyncGenerator[CallDay, None]:
    """What a manifest should know of each day, read from its parts. Raises StoreFailed where they cannot be."""
    numbers: dict[date, int] = {}
    async for stored in store.list(f"{keys.CALLS}/"):
        if (found := keys.call_part_of(stored.key)) is not None:
            numbers[found[0]] = numbers.get(found[0], 0) + 1
    for day, parts in numbers.items():
        digests = {id_of(row): digest_of(row) async for row in read_calls(store, day)}
        union = digest_of_all(sorted(digests.items()))
        yield CallDay(day, parts, len(digests), union, union)


async def _next_batch(rows: Iterator[Row], key: str) -> list[Row]:
    try:
        return await run_sync(lambda: list(islice(rows, BATCH)))
    except ValueError as error:
        raise StoreFailed(f"{key} is not a part of a call log that can be read: {error}") from None


async def _content(store: Store, key: str) -> bytes:
    content = await store.read(key, SIZE_LIMIT)
    if content is None:
        raise StoreFailed(f"{key} is not there any more")
    return content


@dataclass(frozen=True, slots=True)
class CallLog:
    """Everything that a run writes of calls goes through here. Raises StoreFailed, DestinationUnusable, SpoolFull."""

    store: Store
    scratch: Path | None = None
    """The directory for rows of a listing under way; None: the system's."""
    zone: tzinfo = UTC
    """In which the source writes its times."""
    copies: bool = False
    """Make Parquet copies."""

    async def compare(self, listed: ListedCalls, parts: DayParts, brought: Brought) -> None:
        """Read the parts, and count what is new or changed in ``listed``."""
        listed.forget_union()
        for number in parts.numbers:
            key = keys.call_part_key(parts.day, number)
            content = await _content(self.store, key)
            try:
                await run_sync(listed.meet, unpack(content))
            except ValueError:
                brought.unreadable.append(key)
        new, changed = await run_sync(listed.news)
        if not brought.parts:
            brought.new, brought.changed = new, changed

    async def bring(self, listed: ListedCalls, parts: DayParts, brought: Brought) -> DayParts:
        """Write what is new or changed as further parts; ``brought`` tells how far it got. The parts as they are then.

        Where another run was faster with a number, what it wrote is read first.
        """
        for _ in range(TRIES):
            await self.compare(listed, parts, brought)
            complete = await self._put_parts(listed, parts, brought)
            if brought.parts or not complete:
                parts = await find_parts(self.store, parts.day, with_copies=self.copies)
            if complete:
                return parts
        raise StoreFailed(f"other writers keep the call log of {parts.day} busy")

    async def copy(self, parts: DayParts) -> None:
        """Make the Parquet copies that are missing, if any are wanted."""
        for number in parts.numbers if self.copies else ():
            if number not in parts.copies:
                await self._copy(parts.day, number)

    async def _put_parts(self, listed: ListedCalls, parts: DayParts, brought: Brought) -> bool:
        """False where a number was taken by other rows meanwhile."""
        packed = pack(listed.lines())
        number = parts.next
        while (part := await run_sync(next, packed, None)) is not None:
            document = Document(part.content)
            outcome = await self.store.put_new(
                keys.call_part_key(parts.day, number), document, document.digest, MEDIATYPE
            )
            if isinstance(outcome, Conflict):
                return False
            brought.last = number
            brought.parts += isinstance(outcome, Created)
            brought.rows += part.rows * isinstance(outcome, Created)
            number += 1
        return True

    async def _copy(self, day: date, number: int) -> None:
        content = await _content(self.store, keys.call_part_key(day, number))
        try:
            document = Document(await run_sync(parquet.copy_of, unpack(content), self.zone))
        except ValueError:
            return  # no part that can be read: told by whoever compares
        # A copy made by another version of the library has other bytes and the same rows: it is as good.
        await self.store.put_new(keys.call_copy_key(day, number), document, document.digest, parquet.MEDIATYPE)

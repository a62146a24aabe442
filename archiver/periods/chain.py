"""The chain of statements and amendments as it lies in the bucket, in the order in which they were written.

Nothing locks it: two runs may write side by side, and then it has two heads until the next document names both. The
bucket is asked, not the manifest: one that was lost, or restored from an old backup, would grow a second branch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date

from archiver.errors import StoreFailed
from archiver.manifest.interface import Manifest
from archiver.rules import keys, statement
from archiver.rules.period import Filed, heads, last_of
from archiver.store.interface import Store


@dataclass(slots=True)
class Chain:
    """What is known of it."""

    filed: list[Filed]
    numbers: dict[date, int]
    """The highest number that is taken, by day: 0 is the statement."""
    unreadable: list[str] = field(default_factory=list)
    """Keys that hold no document of ours."""

    @property
    def heads(self) -> tuple[Filed, ...]:
        """What the next document names as previous."""
        return tuple(heads(self.filed))

    def last(self, day: date) -> Filed | None:
        """What holds of a day now."""
        return last_of(self.filed, day)

    def next_key(self, day: date) -> str:
        """Where the next document of a day goes."""
        return keys.period_document_key(day, self.numbers.get(day, -1) + 1)

    def add(self, filed: Filed) -> None:
        """Take in a document that was just written."""
        self.filed.append(filed)
        self.take(filed.key)

    def take(self, key: str) -> None:
        """The key of a document is taken, whatever lies there."""
        if (named := keys.period_document_of(key)) is not None:
            day, number = named
            self.numbers[day] = max(number, self.numbers.get(day, 0))


async def read_chain(store: Store, manifest: Manifest) -> Chain:
    """One LIST, and a read for each document that the manifest does not know: then it does. Raises StoreFailed."""
    known = {each.key: each for each in await manifest.filed()}
    chain = Chain(list(known.values()), {})
    for key in known:  # also where somebody has taken it out of the bucket since
        chain.take(key)
    news: list[Filed] = []
    async for key in documents(store):
        chain.take(key)
        if key in known:
            continue
        try:
            filed, _ = statement.read(key, await store.read(key, statement.SIZE_LIMIT) or b"")
        except (ValueError, StoreFailed):
            chain.unreadable.append(key)
            continue
        news.append(filed)
    await manifest.file(news)
    chain.filed += news
    return chain


async def documents(store: Store, day: date | None = None) -> AsyncIterator[str]:
    """Keys of all documents in the bucket, or of a day's, in key order."""
    async for stored in store.list(f"{keys.PERIODS}/" if day is None else keys.day_prefix(keys.PERIODS, day)):
        if keys.period_document_of(stored.key) is not None:
            yield stored.key

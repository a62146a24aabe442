"""A day's call log in the bucket, held against what the manifest knows of it. Reads; writes nothing anywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import date

from anyio.to_thread import run_sync

from archiver.calls.part import SIZE_LIMIT, unpack
from archiver.manifest.interface import CallDay
from archiver.rules import keys
from archiver.rules.audit import Difference, Kind, gone
from archiver.rules.call_rows import digest_of, digest_of_all, id_of
from archiver.store.interface import KeyHistory, Store

Parts = Mapping[int, KeyHistory]
"""Parts of a day by their numbers, those that are deleted and kept as older versions included."""


async def days(store: Store) -> AsyncIterator[tuple[date, Parts]]:
    """Every day of which the bucket has, or had, parts; in order."""
    at: date | None = None
    parts: dict[int, KeyHistory] = {}
    async for history in store.history(f"{keys.CALLS}/"):
        found = keys.call_part_of(history.key)
        if found is None:
            continue
        if at is not None and found[0] != at:
            yield at, parts
            parts = {}
        at, parts[found[1]] = found[0], history
    if at is not None:
        yield at, parts


async def strays(store: Store) -> AsyncIterator[Difference]:
    """What lies among parts and copies and is none, and copies without their part."""
    for area, part_of in ((keys.CALLS, keys.call_part_of), (keys.CALL_COPIES, keys.call_copy_of)):
        async for stored in store.list(f"{area}/"):
            found = part_of(stored.key)
            if found is None:
                yield Difference(Kind.ORPHAN, stored.key, "no key that this program makes")
            elif area == keys.CALL_COPIES and await store.head(keys.call_part_key(*found)) is None:
                yield Difference(Kind.ORPHAN, stored.key, "a Parquet copy without the part that it copies")


async def inspect(store: Store, known: CallDay | None, day: date, parts: Parts, *, read: bool) -> list[Difference]:
    """What differs. With ``read`` every part is read, and its rows are compared. Raises StoreFailed."""
    there = {number: history for number, history in parts.items() if history.current}
    found = [*_rewritten(there)]
    if known is None:
        words = "the manifest does not know it: archiver manifest rebuild takes it in"
        return found + [Difference(Kind.EXTRA, history.key, words) for history in there.values()]
    union: dict[str, bytes] = {}
    broken = 0
    for number in sorted(there) if read else ():
        key = there[number].key
        content = await store.read(key, SIZE_LIMIT)
        try:
            union |= await run_sync(_digests, content or b"")
        except ValueError as error:
            broken += 1
            found.append(Difference(Kind.DIGEST_DIFFERS, key, f"no part of a call log that can be read: {error}"))
    digest = digest_of_all(sorted(union.items())) if read else None
    if known.union and digest == known.union:
        return found  # the rows are all there, whichever parts hold them
    missing = sorted(set(range(1, max([known.parts, *parts]) + 1)) - there.keys())
    if len(there) < known.parts or digest:
        found += [gone(keys.call_part_key(day, number), deleted=number in parts) for number in missing]
    if known.union and digest and not missing and not broken:
        words = "the day's rows are not those that were archived"
        last = keys.call_part_key(day, max(there, default=1))
        found.append(Difference(Kind.DIGEST_DIFFERS, last, words, known.union, digest))
    return found


def _digests(content: bytes) -> dict[str, bytes]:
    return {id_of(row): digest_of(row) for row in unpack(content)}


def _rewritten(there: Parts) -> Iterator[Difference]:
    for history in there.values():
        if history.versions is not None and history.versions > 1:
            yield Difference(Kind.VERSION_DIFFERS, history.key, "it has more than one version", 1, history.versions)

"""What stays in the bucket of recordings that were disposed of: read wherever one might return."""

from __future__ import annotations

from datetime import date

from archiver.errors import StoreFailed
from archiver.rules import disposal, keys
from archiver.rules.disposal import Tombstone
from archiver.store.interface import Store


async def read_tombstone(store: Store, recording_id: str, day: date) -> Tombstone | None:
    """Of a recording; None if it has none. StoreFailed for one that cannot be read, or speaks of another."""
    key = keys.tombstone_key(recording_id, day)
    content = await store.read(key, disposal.SIZE_LIMIT)
    if content is None:
        return None
    tombstone = tombstone_in(key, content)
    if tombstone.recording_id != recording_id:
        raise StoreFailed(f"{key} speaks of another recording")
    return tombstone


def tombstone_in(key: str, content: bytes) -> Tombstone:
    """What the document under ``key`` says; StoreFailed if it is none."""
    try:
        return disposal.read_tombstone(content)
    except ValueError as error:
        raise StoreFailed(f"{key}: {error}") from None

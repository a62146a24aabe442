"""Objects in a dict, for tests of the rules above the port. Same contract; nothing survives the process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from archiver.errors import StoreFailed
from archiver.model import Digest, StoredObject
from archiver.store.interface import AlreadyThere, Body, Check, Conflict, Created, KeyHistory, PutOutcome
from archiver.store.object_key import checked_key


class MemoryStore:
    """``objects`` and ``mediatypes`` may be looked at and damaged by tests; ``puts`` counts the calls of put_new."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.mediatypes: dict[str, str] = {}
        self.puts = 0

    @property
    def location(self) -> str:
        return "memory:"

    async def put_new(self, key: str, body: Body, digest: Digest, mediatype: str) -> PutOutcome:
        checked_key(key)
        self.puts += 1
        with body.open() as stream:
            data = stream.read()
        if len(data) != body.size or Digest.sha256_of(data) != digest:
            raise StoreFailed(f"the body for {key} is not the one its digest names")
        if key not in self.objects:
            self.objects[key], self.mediatypes[key] = data, mediatype
            return Created(StoredObject(key, body.size, digest))
        stored = StoredObject(key, len(self.objects[key]), Digest.sha256_of(self.objects[key]))
        return AlreadyThere(stored) if stored.digest == digest else Conflict(stored)

    async def head(self, key: str) -> StoredObject | None:
        data = self.objects.get(checked_key(key))
        return None if data is None else StoredObject(key, len(data), Digest.sha256_of(data))

    async def read(self, key: str, limit: int) -> bytes | None:
        data = self.objects.get(checked_key(key))
        if data is not None and len(data) > limit:
            raise StoreFailed(f"{key} has {len(data)} bytes, more than the {limit} that were expected")
        return data

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        for key in sorted(self.objects, key=str.encode):
            if key.startswith(prefix):
                yield StoredObject(key, len(self.objects[key]))

    async def rehash(self, key: str) -> StoredObject | None:
        return await self.head(key)

    async def history(self, prefix: str) -> AsyncIterator[KeyHistory]:
        async for stored in self.list(prefix):
            yield KeyHistory(stored.key, stored)

    async def leftovers(self) -> Sequence[str]:
        return ()

    async def check(self) -> Sequence[Check]:
        return [Check("destination", True, "objects are kept in memory and lost at the end of the process")]

    async def aclose(self) -> None:
        """Nothing to release."""

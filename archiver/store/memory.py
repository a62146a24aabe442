"""Objects in a dict, for tests of the rules above the port. Same contract; nothing survives the process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import BinaryIO

from archiver.clock import Clock, SystemClock
from archiver.errors import StoreFailed
from archiver.model import Check, Digest, Protection, Retention, StoredObject
from archiver.store.interface import (
    AlreadyThere,
    Body,
    Conflict,
    Created,
    Deleted,
    Deletion,
    KeyHistory,
    PutOutcome,
    Refused,
    Version,
)
from archiver.store.object_key import checked_key


class MemoryStore:
    """``objects`` and ``mediatypes`` may be looked at and damaged by tests; ``puts`` counts the calls of put_new."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.objects: dict[str, bytes] = {}
        self.mediatypes: dict[str, str] = {}
        self.protections: dict[str, Protection] = {}
        self._clock = clock or SystemClock()
        self.puts = 0

    @property
    def location(self) -> str:
        return "memory:"

    @property
    def enforces(self) -> bool:
        return False

    async def put_new(
        self, key: str, body: Body, digest: Digest, mediatype: str, protection: Protection | None = None
    ) -> PutOutcome:
        checked_key(key)
        self.puts += 1
        with body.open() as stream:
            data = stream.read()
        if len(data) != body.size or Digest.sha256_of(data) != digest:
            raise StoreFailed(f"the body for {key} is not the one its digest names")
        created = key not in self.objects
        if created:
            self.objects[key], self.mediatypes[key] = data, mediatype
        elif Digest.sha256_of(self.objects[key]) != digest:
            return Conflict(self._stored(key))
        if protection is not None:
            self.protections[key] = protection.joined(self.protections.get(key))
        return Created(self._stored(key)) if created else AlreadyThere(self._stored(key))

    async def head(self, key: str) -> StoredObject | None:
        return self._stored(key) if checked_key(key) in self.objects else None

    def _stored(self, key: str) -> StoredObject:
        data = self.objects[key]
        return StoredObject(key, len(data), Digest.sha256_of(data), protection=self.protections.get(key))

    async def read(self, key: str, limit: int) -> bytes | None:
        data = self.objects.get(checked_key(key))
        if data is not None and len(data) > limit:
            raise StoreFailed(f"{key} has {len(data)} bytes, more than the {limit} that were expected")
        return data

    async def download(self, key: str, file: BinaryIO) -> StoredObject | None:
        data = self.objects.get(checked_key(key))
        if data is not None:
            file.seek(0)
            file.truncate()
            file.write(data)
        return await self.head(key)

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        for key in sorted(self.objects, key=str.encode):
            if key.startswith(prefix):
                yield StoredObject(key, len(self.objects[key]))

    async def rehash(self, key: str) -> StoredObject | None:
        return await self.head(key)

    async def history(self, prefix: str) -> AsyncIterator[KeyHistory]:
        async for stored in self.list(prefix):
            yield KeyHistory(stored.key, stored)

    async def check_locks(self) -> Sequence[Check]:
        return [Check("retention", True, "weaker: memory cannot lock; only this program keeps to a retention")]

    async def versions(self, key: str) -> Sequence[Version]:
        return [Version(None, len(self.objects[key]))] if checked_key(key) in self.objects else []

    async def protection(self, key: str, version_id: str | None = None) -> Protection | None:
        return self.protections.get(key, Protection()) if checked_key(key) in self.objects else None

    async def extend(self, key: str, version_id: str | None, retention: Retention) -> Retention | None:
        if checked_key(key) not in self.objects:
            return None
        self.protections[key] = Protection(retention).joined(self.protections.get(key))
        return self.protections[key].retention

    async def hold(self, key: str, version_id: str | None, *, on: bool) -> bool:
        if checked_key(key) not in self.objects:
            return False
        self.protections[key] = Protection(self.protections.get(key, Protection()).retention, on)
        return True

    async def delete_version(self, key: str, version_id: str | None) -> Deletion:
        held = self.protections.get(checked_key(key), Protection())
        if held.forbids_deletion(self._clock.now()):
            return Refused(held)
        self.objects.pop(key, None)
        self.protections.pop(key, None)
        return Deleted()

    async def leftovers(self) -> Sequence[str]:
        return ()

    async def sweep(self) -> None:
        """Nothing: there is no scratch."""

    async def check(self) -> Sequence[Check]:
        return [Check("destination", True, "objects are kept in memory and lost at the end of the process")]

    async def aclose(self) -> None:
        """Nothing to release."""

"""What has to hold everything that is put: recordings by policy and matters, documents by what they stand beside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, BinaryIO

from archiver.clock import Clock
from archiver.manifest.interface import Manifest
from archiver.model import Check, Digest, Finding, Protection, Recording, Retention, StoredObject, Window
from archiver.rules import hold, keys
from archiver.rules.hold import Order, Subject
from archiver.rules.retention import Assignment, Policy, protection_of
from archiver.rules.sidecar import Kept
from archiver.store.interface import Body, Deletion, KeyHistory, PutOutcome, Store, Version

UNCLEAR = "retention_unclear"
"""Code of the finding that the longest class was chosen for want of facts."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What has to hold one recording."""

    assignment: Assignment | None = None
    """None where there is no policy for it."""
    matters: tuple[str, ...] = ()

    def kept(self, audio: StoredObject) -> Kept | None:
        """For the sidecar: what holds the audio as it was read back, or the time that is over already."""
        if self.assignment is None:
            return None
        held = audio.protection.retention if audio.protection else None
        return Kept(self.assignment.retention_class, held or self.assignment.retention, self.assignment.missing_facts)

    def columns(self, audio: StoredObject) -> dict[str, Any]:
        """For the manifest, likewise."""
        kept = self.kept(audio)
        if kept is None:
            return {"matters": self.matters}
        return {"matters": self.matters, "retention": kept.retention, "retention_class": kept.retention_class}

    @property
    def unclear(self) -> tuple[Finding, ...]:
        """Said where the longest class was chosen because the row lacks what a rule asks for."""
        missing = self.assignment.missing_facts if self.assignment else ()
        return (Finding(UNCLEAR, f"the row has no {', '.join(missing)}"),) if missing else ()


@dataclass(slots=True)
class Keeper:
    """Knows the policy and the orders of all matters."""

    clock: Clock
    policy: Policy | None = None
    orders: Sequence[Order] = ()

    def of_recording(self, recording: Recording) -> Demand:
        """Of accepted audio."""
        subject = subject_of(recording)
        return Demand(self.assignment(subject), self.matters(subject))

    def of_quarantine(self, recording: Recording) -> Demand:
        """Of rejected bytes."""
        assignment = self.policy.of_quarantine(recording.created_at) if self.policy else None
        return Demand(assignment, self.matters(subject_of(recording)))

    def assignment(self, subject: Subject) -> Assignment | None:
        """What the policy says of a recording."""
        return self.policy.assign(subject.row, subject.created_at, subject.duration) if self.policy else None

    def matters(self, subject: Subject) -> tuple[str, ...]:
        """The matters that hold it."""
        return hold.covered(self.orders, subject)

    def protection(self, retention: Retention | None, matters: Sequence[str]) -> Protection | None:
        """What a put has to ask for; None where there is nothing (any more)."""
        if retention is None and not matters:
            return None  # nearly always, and twice a recording
        lock = protection_of(retention, self.clock.now())
        wanted = Protection(lock.retention if lock else None, bool(matters))
        return None if wanted == Protection() else wanted


def subject_of(recording: Recording) -> Subject:
    """As holds and retention look at it."""
    duration = recording.duration.total_seconds() if recording.duration else None
    return Subject(recording.id, recording.created_at, duration, recording.row)


class KeepingStore(Store):
    """A store whose documents are held as long as what they belong to, whoever puts them.

    The documents of a day (call logs, statements) as long as the longest of its recordings that the manifest knows;
    amendments as long as the sidecar that they amend. Everything else goes through as it comes.
    """

    def __init__(self, store: Store, keeper: Keeper, manifest: Manifest) -> None:
        self._store = store
        self._keeper = keeper
        self._manifest = manifest

    @property
    def location(self) -> str:
        return self._store.location

    @property
    def enforces(self) -> bool:
        return self._store.enforces

    async def put_new(
        self, key: str, body: Body, digest: Digest, mediatype: str, protection: Protection | None = None
    ) -> PutOutcome:
        """As the port promises, under what the key demands where nothing else is asked for."""
        wanted = protection or await self._of(key)
        return await self._store.put_new(key, body, digest, mediatype, wanted)

    async def _of(self, key: str) -> Protection | None:
        if (amended := keys.amendment_of(key)) is not None:
            held = await self._store.protection(amended[0])
            return None if held is None else self._keeper.protection(held.retention, ("held",) * held.legal_hold)
        if self._keeper.policy is None or (day := keys.document_day(key)) is None:
            return None
        return self._keeper.protection(await day_retention(self._keeper.policy, self._manifest, day), ())

    async def head(self, key: str) -> StoredObject | None:
        return await self._store.head(key)

    async def read(self, key: str, limit: int) -> bytes | None:
        return await self._store.read(key, limit)

    async def download(self, key: str, file: BinaryIO) -> StoredObject | None:
        return await self._store.download(key, file)

    def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        return self._store.list(prefix)

    async def rehash(self, key: str) -> StoredObject | None:
        return await self._store.rehash(key)

    def history(self, prefix: str) -> AsyncIterator[KeyHistory]:
        return self._store.history(prefix)

    async def leftovers(self) -> Sequence[str]:
        return await self._store.leftovers()

    async def sweep(self) -> None:
        await self._store.sweep()

    async def check(self) -> Sequence[Check]:
        return await self._store.check()

    async def check_locks(self) -> Sequence[Check]:
        return await self._store.check_locks()

    async def versions(self, key: str) -> Sequence[Version]:
        return await self._store.versions(key)

    async def protection(self, key: str, version_id: str | None = None) -> Protection | None:
        return await self._store.protection(key, version_id)

    async def extend(self, key: str, version_id: str | None, retention: Retention) -> Retention | None:
        return await self._store.extend(key, version_id, retention)

    async def hold(self, key: str, version_id: str | None, *, on: bool) -> bool:
        return await self._store.hold(key, version_id, on=on)

    async def delete_version(self, key: str, version_id: str | None) -> Deletion:
        return await self._store.delete_version(key, version_id)

    async def aclose(self) -> None:
        await self._store.aclose()


async def day_retention(policy: Policy, manifest: Manifest, day: date) -> Retention:
    """What has to hold the documents of a day, as far as its recordings are known."""
    known = [policy.assign(each.row, each.created_at, each.duration) async for each in manifest.listed(day)]
    return policy.of_day(Window.of_day(day).end, known)

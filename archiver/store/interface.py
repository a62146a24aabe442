"""The port to the bucket. Its contract stands here; ``tests/store/test_contract.py`` holds every adapter to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from archiver.model import Check, Digest, Protection, Retention, StoredObject


class Body(Protocol):
    """Bytes to be put: in memory or in a file. May be opened again for a retry."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def taken(self) -> Digest | None:
        """The SHA-256 that was taken of these very bytes as they lie in memory; None where it has to be taken."""

    def open(self) -> BinaryIO:
        """A new binary stream at the first byte; the caller closes it."""


@dataclass(frozen=True, slots=True)
class Created:
    """The put wrote the object."""

    stored: StoredObject
    pushed_back: bool = False
    """True if the store asked to be spared (429, 503) before it took it."""


@dataclass(frozen=True, slots=True)
class AlreadyThere:
    """The key held these very bytes before: nothing was written."""

    stored: StoredObject


@dataclass(frozen=True, slots=True)
class Conflict:
    """The key holds other bytes: nothing was written, nothing may be."""

    stored: StoredObject


PutOutcome = Created | AlreadyThere | Conflict

Doubtful = Callable[[str, str], None]
"""Is told the location of a store whose create-only puts cannot be relied on, and why."""


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """A key, as it stands and as often as it was written."""

    key: str
    current: StoredObject | None
    """What a reader gets: size and version id, digest left out. None: deleted, while older versions are kept."""
    versions: int | None = 1
    """How many versions hold bytes; None where the store keeps versions that these credentials may not list."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a key."""

    version_id: str | None
    """None in a store without versions."""
    size: int
    deletion: bool = False
    """True for the mark that a deletion leaves: it has no bytes and no lock."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """The version is gone, or was not there any more."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The version is still there: ``protection`` forbids it, or if that is over, the credentials do."""

    protection: Protection | None


Deletion = Deleted | Refused


class Locks(Protocol):
    """What keeps objects, and what lets them go: of single versions. ``version_id`` None: where there is but one.

    A store that cannot lock by itself keeps what it is told and holds only this program to it (``enforces``).
    """

    @property
    def enforces(self) -> bool:
        """True if the store itself refuses deletion; False if only this program does. doctor proves it."""

    async def check_locks(self) -> Sequence[Check]:
        """Pre-flight: does the store do what ``enforces`` claims? Leaves a probe that is locked for a minute."""

    async def versions(self, key: str) -> Sequence[Version]:
        """Every version of this very key, the newest first; none if it was never there."""

    async def protection(self, key: str, version_id: str | None = None) -> Protection | None:
        """What protects a version (of None: the newest one) now; None if it is not there."""

    async def extend(self, key: str, version_id: str | None, retention: Retention) -> Retention | None:
        """Hold a version at least so long and so firmly; what holds it now, read back. None if it is not there.

        Never shortens and never weakens, whatever is asked. Idempotent.
        """

    async def hold(self, key: str, version_id: str | None, *, on: bool) -> bool:
        """Set or lift the legal hold of a version, and read it back; False if it is not there. Idempotent."""

    async def delete_version(self, key: str, version_id: str | None) -> Deletion:
        """Delete one version for good; no lock and no hold is ever bypassed. Idempotent."""


class Store(Locks, Protocol):
    """A bucket to which objects are only ever added.

    Keys are relative to the configured prefix. Methods may be called concurrently. Transient trouble is retried
    inside; what is raised after that is StoreFailed (this object), or DestinationUnusable (no object will do better:
    bucket missing, access denied, disk full).
    """

    @property
    def location(self) -> str:
        """Where it is, for people: a URL without credentials."""

    async def put_new(
        self, key: str, body: Body, digest: Digest, mediatype: str, protection: Protection | None = None
    ) -> PutOutcome:
        """Create the object if the key is free; never overwrite.

        ``digest`` is the SHA-256 of the body; the store must hold exactly these bytes, durably, before this returns
        Created: the adapter has compared size and digest with what the store says it holds. Idempotent: a repeat
        after a lost answer is AlreadyThere. Among racing puts of one key at most one is Created.

        With ``protection`` the object is under it from its first moment on, and it was read back: StoreFailed if the
        store does not hold it. One that was there already is brought under at least as much; a Conflict is left alone.
        """

    async def head(self, key: str) -> StoredObject | None:
        """Size, SHA-256 and version of an object, or None. Where the store kept no digest, the bytes are read."""

    async def read(self, key: str, limit: int) -> bytes | None:
        """The object's bytes, or None if it is not there; StoreFailed if there are more than ``limit``."""

    async def download(self, key: str, file: BinaryIO) -> StoredObject | None:
        """Write the object's bytes over what ``file`` holds, in pieces; size and SHA-256 as they came. None: not there.

        ``file`` is seekable; where it cannot be written its OSError is raised.
        """

    def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Every object whose key starts with ``prefix``, in key order, digests left out."""

    async def rehash(self, key: str) -> StoredObject | None:
        """As ``head``, from the bytes as they are read now, in pieces: no stored checksum is believed."""

    def history(self, prefix: str) -> AsyncIterator[KeyHistory]:
        """As ``list``, with version ids, and with the keys that are deleted but have older versions."""

    async def leftovers(self) -> Sequence[str]:
        """Names, for people, of what dead processes left in the store's own scratch; none where it has no scratch."""

    async def sweep(self) -> None:
        """Remove those leftovers, as a run does before anything else; nothing where there are none."""

    async def check(self) -> Sequence[Check]:
        """Pre-flight: reachable, writable create-only, read back equal. Leaves nothing behind that it can delete."""

    async def aclose(self) -> None:
        """Release connections and scratch."""

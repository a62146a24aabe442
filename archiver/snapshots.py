"""Copies of the manifest in the bucket, for jobs that keep no disk: fetched at the start, saved now and then.

A snapshot is a compressed copy under a number that nobody had before, and a seal beside it, written last. Both are
create-only: of two jobs that save at once one takes the next number. What is damaged or was never sealed is passed
over for the one before. Losing all of them costs listings: the bucket tells the rest (``custody.adopt``).
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
import os
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from errno import EIO
from pathlib import Path
from typing import Protocol

import anyio
from anyio import from_thread
from anyio.to_thread import run_sync

from archiver.clock import Clock
from archiver.errors import ArchiverError, SpoolFull, StoreFailed
from archiver.model import Digest, StoredObject
from archiver.rules import keys, snapshot
from archiver.scratch import ScratchDirectory
from archiver.store.body import Document, FileBody
from archiver.store.interface import Conflict, Refused, Store

log = logging.getLogger(__name__)

MEDIATYPE = "application/gzip"
CHUNK = 1 << 20
LEVEL = 3
"""Of compression: a page of the manifest is mostly text, and three quarters of what gzip can do come at once."""
TRIES = 20
"""Numbers tried in a row: each was taken by another job meanwhile."""


class Kept(Protocol):
    """The manifest, as far as it is copied."""

    async def backup(self, target: Path) -> None:
        """A consistent copy in a new file."""

    async def changes(self) -> int:
        """Rows that were written since it was opened."""

    async def note_snapshot(self, number: int) -> None:
        """Keep the number of the snapshot that this manifest was last fetched from, or saved as."""


@dataclass(slots=True)
class Snapshots:
    """Those of one archive. ``scratch`` must be open; it holds a copy and its compressed form at a time."""

    store: Store
    scratch: ScratchDirectory
    clock: Clock
    software: str
    _last: int = 0
    """The newest number that was seen or written."""
    _saved: int = 0
    """``changes`` of the manifest when it was last saved."""
    _may_remove: bool = True

    async def fetch(self, above: int) -> tuple[int, Path] | None:
        """The newest whole snapshot with a number greater than ``above``, unpacked into scratch; None if there is none.

        Raises StoreFailed and DestinationUnusable where the bucket does not answer, SpoolFull.
        """
        numbers = await self._numbers()
        self._last = max(numbers, default=0)
        for number in sorted(numbers, reverse=True):
            if number <= above:
                return None
            try:
                return number, await self._unpacked(number)
            except ValueError as error:
                log.warning("snapshot of the manifest passed over", extra={"number": number, "reason": str(error)})
        return None

    async def save(self, manifest: Kept) -> bool:
        """Save it, unless it has not changed since. No run fails by this: False, and said, where it failed."""
        try:
            changes = await manifest.changes()
            if changes == self._saved:
                return True
            await self._put(manifest)
        except ArchiverError as error:
            words = {"reason": error.fact, "hint": error.hint}
            log.warning("the manifest could not be saved to the destination", extra=words)
            return False
        self._saved = changes
        return True

    @asynccontextmanager
    async def saving(self, manifest: Kept, seconds: float) -> AsyncIterator[None]:
        """``save`` every so often meanwhile, and at the end, however that comes."""
        self._saved = await manifest.changes()
        scope = anyio.CancelScope()
        task = asyncio.create_task(self._keep_saving(manifest, seconds, scope))
        try:
            yield
        finally:
            scope.cancel()
            with anyio.CancelScope(shield=True):
                await task
                await self.save(manifest)

    async def _keep_saving(self, manifest: Kept, seconds: float, scope: anyio.CancelScope) -> None:
        with scope:
            while True:
                await anyio.sleep(seconds)
                await self.save(manifest)

    async def _numbers(self) -> set[int]:
        found = [keys.snapshot_of(stored.key) async for stored in self.store.list(f"{keys.SNAPSHOTS}/")]
        return {number for number in found if number is not None}

    async def _unpacked(self, number: int) -> Path:
        """The database in scratch; ValueError for what is not whole."""
        key, seal_key = keys.snapshot_keys(number)
        content = await self.store.read(seal_key, snapshot.SIZE_LIMIT)
        if content is None:
            raise ValueError("it was never sealed")
        seal = snapshot.read(content)
        with self._file() as packed:
            with packed.open("wb") as file:
                came = await self.store.download(key, file)
            if came is None or (came.size, came.digest) != (seal.stored.size, seal.stored.digest):
                raise ValueError("it is not what its seal says")
            with self._file(keep=True) as database:
                await run_sync(_unpack, packed, database, seal.database_size)
            return database

    async def _put(self, manifest: Kept) -> None:
        with self._file() as database, self._file() as packed:
            database.unlink()  # a backup makes its file itself
            await manifest.backup(database)
            size = database.stat().st_size
            digest = await run_sync(_pack, database, packed)
            database.unlink()
            number, stored = await self._put_data(FileBody(packed, packed.stat().st_size), digest)
        seal = Document(snapshot.build(snapshot.Seal(stored, size, self.clock.now(), self.software)))
        await self.store.put_new(keys.snapshot_keys(number)[1], seal, seal.digest, snapshot.MEDIATYPE)
        await manifest.note_snapshot(number)
        await self._remove_old()
        log.debug("manifest saved to the destination", extra={"number": number, "bytes": stored.size})

    async def _put_data(self, body: FileBody, digest: Digest) -> tuple[int, StoredObject]:
        """Under the next number that is free."""
        self._last = self._last or max(await self._numbers(), default=0)
        for _ in range(TRIES):
            self._last += 1
            outcome = await self.store.put_new(keys.snapshot_keys(self._last)[0], body, digest, MEDIATYPE)
            if not isinstance(outcome, Conflict):
                return self._last, outcome.stored
        raise StoreFailed("other jobs keep taking the next number for a snapshot of the manifest")

    async def _remove_old(self) -> None:
        """Remove what is beyond the newest few, seal first. Where that is not permitted, it stays."""
        if not self._may_remove:
            return
        try:
            for number in snapshot.to_be_removed(await self._numbers()):
                for key in reversed(keys.snapshot_keys(number)):
                    for version in await self.store.versions(key):
                        deletion = await self.store.delete_version(key, version.version_id)
                        self._may_remove &= not isinstance(deletion, Refused)
        except ArchiverError:
            self._may_remove = False

    @contextmanager
    def _file(self, *, keep: bool = False) -> Iterator[Path]:
        """A new file in scratch, gone at the end, or if the block fails. SpoolFull where there is no room for it."""
        path = None
        try:
            fd, path = self.scratch.new_file()
            os.close(fd)
            yield path
        except BaseException as error:
            keep = False
            if isinstance(error, OSError):
                words = os.strerror(error.errno or EIO).lower()
                raise SpoolFull(
                    f"{self.scratch.parent} cannot take a copy of the manifest: {words}",
                    "it needs room for twice the manifest; or let manifest.url point elsewhere",
                ) from None
            raise
        finally:
            if path is not None and not keep:
                path.unlink(missing_ok=True)


def _pack(database: Path, packed: Path) -> Digest:
    """Compress a file; SHA-256 of what came of it."""
    with (
        database.open("rb") as source,
        packed.open("wb") as target,
        gzip.GzipFile("", "wb", LEVEL, target, mtime=0) as zipped,
    ):
        while chunk := source.read(CHUNK):
            from_thread.check_cancelled()
            zipped.write(chunk)
    with packed.open("rb") as result:
        return Digest("sha256", hashlib.file_digest(result, "sha256").hexdigest())


def _unpack(packed: Path, database: Path, size: int) -> None:
    """ValueError if it cannot be unpacked, or not to this size."""
    left = size
    try:
        with gzip.open(packed, "rb") as zipped, database.open("wb") as target:
            while left >= 0 and (chunk := zipped.read(min(CHUNK, left + 1))):
                from_thread.check_cancelled()
                left -= len(chunk)
                target.write(chunk)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"it cannot be unpacked: {error}") from None
    if left:
        raise ValueError("it unpacks to another size than its seal says")

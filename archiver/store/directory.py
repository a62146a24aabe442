"""A directory as the bucket: each object is a file, made whole elsewhere and then linked to its name.

The way of a put: temporary file in ``<root>/.scratch/`` (same file system), written and hashed, fsync; ``link`` to the
final name, which fails if the name is taken, so nothing is ever overwritten; unlink of the temporary name; fsync of the
directory. A process that dies on the way leaves no name, or the whole object, never a part of one.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

import anyio
from anyio import from_thread
from anyio.to_thread import run_sync

from archiver.clock import Clock, SystemClock
from archiver.errors import ArchiverError, StoreFailed
from archiver.model import Check, Digest, Protection, Retention, StoredObject
from archiver.scratch import ScratchDirectory, make_private_directory
from archiver.store.body import Document
from archiver.store.directory_errors import file_errors, link_errors
from archiver.store.directory_locks import LockFiles
from archiver.store.directory_names import names_in
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

T = TypeVar("T")

SCRATCH = ".scratch"
CHUNK = 1 << 20
AT_A_TIME = 500
"""Files whose sizes are asked for at once."""
THREADS = 16
"""Blocking operations at once: more than a disk does better with, fewer than the threads of everything else."""


class DirectoryStore:
    """Objects as files below ``root``: files 0600, directories 0700 whatever the umask.

    ``root`` is made at the first use if its parent is there. Links that an operator made inside it are followed.
    """

    def __init__(self, root: Path, clock: Clock | None = None) -> None:
        """``clock`` tells when a retention is over: nobody else does here."""
        self._root = root.absolute()
        self._clock = clock or SystemClock()
        self._scratch = ScratchDirectory(self._root / SCRATCH)
        self._locks = LockFiles(self._root, self._scratch.new_file, self._make_parents)
        self._ready = False
        self._durable: set[Path] = set()
        self._lock = threading.Lock()
        self._threads = anyio.CapacityLimiter(THREADS)

    @property
    def location(self) -> str:
        return self._root.as_uri()

    @property
    def enforces(self) -> bool:
        return False

    async def put_new(
        self, key: str, body: Body, digest: Digest, mediatype: str, protection: Protection | None = None
    ) -> PutOutcome:
        """As the port promises. The media type is not kept: the extension of the key says it."""
        checked_key(key)
        return await self._in_thread(partial(self._put, key, body, digest, protection))

    async def head(self, key: str) -> StoredObject | None:
        return await self._in_thread(partial(self._head, checked_key(key)))

    async def read(self, key: str, limit: int) -> bytes | None:
        return await self._in_thread(partial(self._read, checked_key(key), limit))

    async def download(self, key: str, file: BinaryIO) -> StoredObject | None:
        return await self._in_thread(partial(self._download, checked_key(key), file))

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """As the port promises; in memory are the names of the directories on the way, packed."""
        folder, _, start = prefix.rpartition("/")
        pending = [(folder, await self._in_thread(partial(self._names, folder, start)))]
        while pending:
            found, below = await self._in_thread(partial(self._next_objects, *pending[-1]))
            for stored in found:
                yield stored
            if below is not None:
                pending.append((below, await self._in_thread(partial(self._names, below, ""))))
            elif not found:
                pending.pop()

    async def rehash(self, key: str) -> StoredObject | None:
        """A directory keeps no checksums: ``head`` reads the bytes as well."""
        return await self.head(key)

    async def history(self, prefix: str) -> AsyncIterator[KeyHistory]:
        """As the port promises: a file has one version."""
        async for stored in self.list(prefix):
            yield KeyHistory(stored.key, stored)

    async def check_locks(self) -> Sequence[Check]:
        fact = "weaker: a directory cannot lock; only this program keeps to a retention, and to a hold"
        return [Check("retention", True, fact)]

    async def versions(self, key: str) -> Sequence[Version]:
        checked_key(key)
        size = await self._in_thread(partial(self._size, key))
        return [] if size is None else [Version(None, size)]

    async def protection(self, key: str, version_id: str | None = None) -> Protection | None:
        return await self._in_thread(partial(self._protection, checked_key(key)))

    async def extend(self, key: str, version_id: str | None, retention: Retention) -> Retention | None:
        checked_key(key)
        held = await self._in_thread(partial(self._change, key, lambda: self._locks.join(key, Protection(retention))))
        return None if held is None else held.retention

    async def hold(self, key: str, version_id: str | None, *, on: bool) -> bool:
        checked_key(key)
        held = await self._in_thread(partial(self._change, key, lambda: self._locks.hold(key, on=on)))
        return held is not None

    async def delete_version(self, key: str, version_id: str | None) -> Deletion:
        return await self._in_thread(partial(self._delete, checked_key(key)))

    async def leftovers(self) -> Sequence[str]:
        return await self._in_thread(self._leftovers)

    async def sweep(self) -> None:
        await self._in_thread(self._scratch.sweep)

    async def check(self) -> Sequence[Check]:
        try:
            return await self._in_thread(self._check)
        except ArchiverError as error:
            return [Check("directory", False, error.fact, error.hint)]

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            await run_sync(self._close)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await run_sync(work, limiter=self._threads)

    def _prepare(self) -> None:
        """Make the root and the scratch directory, once."""
        with self._lock:
            if self._ready:
                return
            with file_errors(self._root, f"{self._root} cannot be used"):
                make_private_directory(self._root)
                with suppress(PermissionError):  # above the root is not ours
                    _sync_directory(self._root.parent)
                self._scratch.__enter__()
            self._ready = True

    def _put(self, key: str, body: Body, digest: Digest, protection: Protection | None = None) -> PutOutcome:
        self._prepare()
        path = self._root / key
        with file_errors(self._root, f"{key} cannot be written"):
            if path.exists():
                return self._adopt(key, digest, protection)
            fd, temporary = self._scratch.new_file()
            try:
                with os.fdopen(fd, "wb") as file:
                    _fill(file, key, body, digest)
                self._make_parents(path.parent)
                held = None if protection is None else self._locks.join(key, protection)  # before there is a name
                with link_errors(self._root):
                    os.link(temporary, path)
            except FileExistsError:  # another put was faster
                return self._adopt(key, digest, protection)
            finally:
                temporary.unlink(missing_ok=True)
            _sync_directory(path.parent)
        return Created(StoredObject(key, body.size, digest, protection=held))

    def _adopt(self, key: str, digest: Digest, protection: Protection | None) -> PutOutcome:
        """Compare with what is there. It may be the work of a process that died before its fsync: made durable here."""
        stored = self._head(key)
        if stored is None:
            raise StoreFailed(f"{key} is taken by something that is not a file")
        if stored.digest != digest:
            return Conflict(stored)
        path = self._root / key
        with path.open("rb") as file:
            os.fsync(file.fileno())
        self._make_parents(path.parent)
        _sync_directory(path.parent)
        if protection is not None:
            stored = replace(stored, protection=self._locks.join(key, protection))
        return AlreadyThere(stored)

    def _size(self, key: str) -> int | None:
        with file_errors(self._root, f"{key} cannot be read"):
            path = self._root / key
            return path.stat().st_size if path.is_file() else None

    def _protection(self, key: str) -> Protection | None:
        with file_errors(self._root, f"the lock file of {key} cannot be read"):
            return (self._locks.read(key) or Protection()) if (self._root / key).is_file() else None

    def _change(self, key: str, change: Callable[[], Protection]) -> Protection | None:
        if self._size(key) is None:
            return None
        self._prepare()
        with file_errors(self._root, f"the lock file of {key} cannot be written"):
            return change()

    def _delete(self, key: str) -> Deletion:
        held = self._protection(key)
        if held is not None and held.forbids_deletion(self._clock.now()):
            return Refused(held)
        path = self._root / key
        with file_errors(self._root, f"{key} cannot be removed"):
            if held is not None:
                path.unlink(missing_ok=True)
                _sync_directory(path.parent)
            self._locks.forget(key)
        return Deleted()

    def _make_parents(self, folder: Path) -> None:
        """Make the directories from the root down to ``folder``; each is durable in its parent before this returns."""
        for path in [*reversed(folder.relative_to(self._root).parents), folder.relative_to(self._root)][1:]:
            directory = self._root / path
            with self._lock:
                made = make_private_directory(directory)
                if made or directory not in self._durable:
                    _sync_directory(directory.parent)
                    self._durable.add(directory)

    def _head(self, key: str, copy: BinaryIO | None = None) -> StoredObject | None:
        """Size and digest from the bytes, which go to ``copy`` too: what that raises is no fault of the directory's."""
        hashed, size = hashlib.sha256(), 0
        with file_errors(self._root, f"{key} cannot be read"):
            try:
                file = (self._root / key).open("rb")
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None
        with file:
            while chunk := self._next_chunk(file, key):
                from_thread.check_cancelled()
                hashed.update(chunk)
                size += len(chunk)
                if copy is not None:
                    copy.write(chunk)
        with file_errors(self._root, f"{key} cannot be read"):
            protection = self._locks.read(key)
        return StoredObject(key, size, Digest("sha256", hashed.hexdigest()), protection=protection)

    def _next_chunk(self, file: BinaryIO, key: str) -> bytes:
        with file_errors(self._root, f"{key} cannot be read"):
            return file.read(CHUNK)

    def _download(self, key: str, file: BinaryIO) -> StoredObject | None:
        file.seek(0)
        file.truncate()
        return self._head(key, file)

    def _read(self, key: str, limit: int) -> bytes | None:
        with file_errors(self._root, f"{key} cannot be read"):
            try:
                with (self._root / key).open("rb") as file:
                    data = file.read(limit + 1)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None
        if len(data) > limit:
            raise StoreFailed(f"{key} has more than the {limit} bytes that were expected")
        return data

    def _names(self, folder: str, start: str) -> Iterator[bytes]:
        if folder and any(not part or part.startswith(".") for part in folder.split("/")):
            return iter(())
        with file_errors(self._root, f"{self._root / folder} cannot be listed"):
            return iter(names_in(self._root / folder, start))

    def _next_objects(self, folder: str, names: Iterator[bytes]) -> tuple[Sequence[StoredObject], str | None]:
        """The next few objects of ``folder``, and the directory that follows on them; neither at the end alone."""
        found: list[StoredObject] = []
        with file_errors(self._root, f"{self._root / folder} cannot be listed"):
            for name in names:
                key = f"{folder}/{os.fsdecode(name)}".removeprefix("/")
                if key.endswith("/"):
                    return found, key.removesuffix("/")
                with suppress(FileNotFoundError):  # removed since
                    found.append(StoredObject(key, (self._root / key).stat().st_size))
                if len(found) == AT_A_TIME:
                    break
        return found, None

    def _leftovers(self) -> Sequence[str]:
        with file_errors(self._root, f"{self._scratch.parent} cannot be read"):
            return [str(path.relative_to(self._root)) for path in self._scratch.abandoned()]

    def _check(self) -> Sequence[Check]:
        self._prepare()
        key, body = f"doctor/probe-{secrets.token_hex(8)}", Document(secrets.token_bytes(64))
        path = self._root / key
        created, again = self._put(key, body, body.digest), self._put(key, body, body.digest)
        other = Document(b"other bytes")
        refused = self._put(key, other, other.digest)
        equal = self._read(key, body.size) == body.content
        with file_errors(self._root, f"{path} cannot be removed"):
            path.unlink()
            path.parent.rmdir() if not any(path.parent.iterdir()) else None
            usage = shutil.disk_usage(self._root)
        kept = isinstance(created, Created) and isinstance(again, AlreadyThere) and isinstance(refused, Conflict)
        return [
            Check("directory", True, f"{self._root} is writable, {usage.free / 2**30:.1f} GiB free"),
            Check(
                "create-only", kept, "a second put did not replace the first" if kept else "a put replaced an object"
            ),
            Check("read back", equal, "a probe was read back equal" if equal else "a probe was read back different"),
        ]

    def _close(self) -> None:
        with self._lock:
            if self._ready:
                self._ready = False
                with file_errors(self._root, f"{self._scratch.path} cannot be removed"):
                    self._scratch.__exit__(None, None, None)


def _fill(file: BinaryIO, key: str, body: Body, digest: Digest) -> None:
    """Write the body, durably; StoreFailed if it is not of the size and digest that it should be."""
    hashed, size = hashlib.sha256(), 0
    with body.open() as stream:
        while chunk := _next_chunk(stream, key):
            from_thread.check_cancelled()
            hashed.update(chunk)
            size += len(chunk)
            file.write(chunk)
    if size != body.size or Digest("sha256", hashed.hexdigest()) != digest:
        raise StoreFailed(f"the body for {key} is not the one its digest names")
    file.flush()
    os.fsync(file.fileno())


def _next_chunk(stream: BinaryIO, key: str) -> bytes:
    """Apart from the writing, so that a failing spool is not taken for a failing destination."""
    try:
        return stream.read(CHUNK)
    except OSError as error:
        raise StoreFailed(
            f"the body for {key} cannot be read: {os.strerror(error.errno or errno.EIO).lower()}"
        ) from None


def _sync_directory(path: Path) -> None:
    """Make the names in ``path`` durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems know no fsync of directories: they need none
            raise
    finally:
        os.close(fd)

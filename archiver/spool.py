"""Audio in flight: in memory up to a budget, beyond that in a scratch file; hashed once, while it is at hand.

Memory is taken from the budget before a byte is accepted and given back when the receiver's context ends. There is no
deadlock and no starvation, because nobody who holds memory ever waits for more: a body asks once, in order of arrival,
and one that outgrows what it got takes what happens to be free, or moves to the disk.
"""

from __future__ import annotations

import hashlib
import io
import mmap
import os
import tempfile
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import anyio
from anyio.to_thread import run_sync

from archiver.errors import SpoolFull
from archiver.model import AudioFacts, Digest
from archiver.scratch import ScratchDirectory
from archiver.spool_room import DiskRoom, MemoryBudget, unwritable

if TYPE_CHECKING:
    from hashlib import _Hash

MIB = 1 << 20
OURS = ("sha256", "sha512")
"""Digests that are taken of every body."""
FIRST_STEP = 256 * 1024
"""Memory that a body of undeclared length starts with; it doubles from there."""
WRITTEN_AT_ONCE = 256 * 1024
"""Bytes that are collected of a body that goes to the disk."""
DISK_STEP = 32 * MIB
"""Disk that a body of undeclared length asks for at a time."""


class TooLarge(Exception):
    """The body is, or says it will be, larger than the spool takes. An expected outcome of receiving, not a failure.

    Raised out of ``begin`` or ``write`` because only that stops the source; the pipeline turns it into its outcome.
    """

    def __init__(self, size: int, limit: int, *, declared: bool) -> None:
        super().__init__(f"the body {'declares' if declared else 'has'} {size} bytes, more than the limit of {limit}")
        self.size = size
        self.limit = limit
        self.declared = declared


@dataclass(frozen=True, slots=True)
class FetchedAudio:
    """A whole body with its digests: a ``store.interface.Body``. Valid until the receiver's context ends."""

    size: int
    sha256: Digest
    sha512: Digest
    _content: bytearray | Path = field(repr=False)

    @property
    def taken(self) -> Digest | None:
        """The SHA-256, of a body in memory; a file on the disk may be damaged since."""
        return None if isinstance(self._content, Path) else self.sha256

    def open(self) -> BinaryIO:
        """A new stream at the first byte, over the very buffer or file that was received: nothing is copied."""
        if isinstance(self._content, Path):
            return self._content.open("rb")
        return io.BufferedReader(_BufferStream(memoryview(self._content).toreadonly()))

    def view(self) -> AbstractContextManager[bytes | bytearray | mmap.mmap]:
        """All bytes, not to be changed: the buffer itself, or the file mapped. Blocking (page faults): for a thread."""
        return self._view()

    @contextmanager
    def _view(self) -> Iterator[bytes | bytearray | mmap.mmap]:
        if not isinstance(self._content, Path):
            yield self._content
        elif self.size == 0:
            yield b""  # an empty file cannot be mapped
        else:
            with self._content.open("rb") as file:
                mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            try:
                yield mapping
            finally:
                with suppress(BufferError):  # a slice lives on: the mapping goes with it
                    mapping.close()


Examine = Callable[[FetchedAudio], AudioFacts]


class _BufferStream(io.RawIOBase):
    """A stream over a buffer without a copy of it (BytesIO would copy a bytearray)."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._view)}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readall(self) -> bytes:
        rest = bytes(self._view[self._at :])
        self._at += len(rest)
        return rest

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed's WriteableBuffer is private
        piece = self._view[self._at : self._at + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def _system_directory() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        raise SpoolFull(
            "the system has no temporary directory that can be written", "set limits.spool_dir to a writable one"
        ) from None


class Spool:
    """Where bodies are received; an async context manager that owns the memory budget and the scratch directory.

    ``memory_bytes`` bounds what all bodies together hold in memory; bodies over ``spill_bytes`` go to a file in
    ``directory`` (default: the system's temporary directory), of whose disk ``reserve_bytes`` always stay free; bodies
    over ``max_bytes`` are TooLarge. Making or entering it raises SpoolFull where there can be no scratch directory.
    """

    def __init__(
        self,
        memory_bytes: int,
        directory: Path | None,
        *,
        max_bytes: int,
        spill_bytes: int = 8 * MIB,
        reserve_bytes: int = 256 * MIB,
    ) -> None:
        self.directory = directory if directory is not None else _system_directory()
        self.max_bytes = max_bytes
        self.spill_bytes = min(spill_bytes, memory_bytes)
        self.memory = MemoryBudget(memory_bytes)
        self.disk = DiskRoom(self.directory, reserve_bytes)
        self.scratch = ScratchDirectory(self.directory)
        self.threads = anyio.CapacityLimiter(os.cpu_count() or 1)
        """For those who compute: more of them than cores would only take Python's lock from one another."""

    async def __aenter__(self) -> Self:
        try:
            await run_sync(self.scratch.__enter__)
        except OSError as error:
            raise unwritable(self.directory, error) from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await run_sync(self.scratch.__exit__, kind, error, trace)

    def receive(self, examine: Examine | None = None) -> Receiver:
        """A receiver for one recording; its memory and its file are given back when the context ends, however.

        ``examine`` looks at the whole body, in a worker thread.
        """
        return Receiver(self, examine)


class Receiver:
    """Takes one body (``source.interface.AudioSink``); begun again, it starts anew. One task at a time.

    The event loop only copies what comes. What takes longer (hashing, examining, the disk) is done in a worker thread:
    of a body in memory once, when all of it has come.
    """

    def __init__(self, spool: Spool, examine: Examine | None = None) -> None:
        self._spool = spool
        self._examine = examine
        self.facts: AudioFacts | None = None
        """What ``examine`` said of the whole body."""
        self._declared: int | None = None
        self.received = 0
        self._hashers: dict[str, _Hash] = {}
        self._buffer = bytearray()
        """The body; or what is still to be written of one that lies in a file."""
        self._held = 0
        self._promised = 0
        self._file: io.FileIO | None = None
        self._path: Path | None = None
        self._whole: FetchedAudio | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.discard()

    async def begin(self, content_length: int | None, digests: Collection[str] = ()) -> None:
        """Make room for a body, waiting for memory if need be. Raises TooLarge or SpoolFull."""
        await self.discard()
        self._check_size(content_length or 0, declared=True)
        self._start(content_length, digests)
        if content_length is not None and content_length > self._spool.spill_bytes:
            await self._spill()
        else:
            undeclared = min(FIRST_STEP, self._spool.spill_bytes, self._spool.max_bytes)
            first = undeclared if content_length is None else content_length
            await self._spool.memory.take(first)
            self._hold(first)

    def begin_at_once(self, content_length: int | None, digests: Collection[str] = ()) -> bool:
        """Begin a first body; False where that has to wait, or the length is not declared."""
        length = content_length
        if self._hashers or length is None or length > min(self._spool.spill_bytes, self._spool.max_bytes):
            return False
        if not self._spool.memory.take_at_once(length):
            return False
        self._start(length, digests)
        self._hold(length)
        return True

    def write(self, chunk: bytes) -> Coroutine[Any, Any, None] | None:
        """Take the next bytes; what is returned is to be awaited before more come. Both raise TooLarge or SpoolFull."""
        end = self.received + len(chunk)
        if self._file is None and end <= self._held:
            self._buffer[self.received : end] = chunk
        elif self._file is not None and len(self._buffer) < WRITTEN_AT_ONCE and end <= self._spool.max_bytes:
            self._buffer += chunk
        else:
            return self._write_further(chunk)
        self.received = end
        return None

    async def end(self) -> None:
        """Hash and examine the whole body. ValueError before the declared length is complete; SpoolFull."""
        if not self._hashers or self._declared not in (None, self.received):
            raise ValueError("the body is not whole")
        if self._file is not None:
            await self._to_file()
        else:
            del self._buffer[self.received :]
            self._spool.memory.give(self._held - self.received)
            self._held = self.received
        self._whole = await run_sync(self._look, limiter=self._spool.threads)

    def digest(self, algorithm: str) -> Digest:
        """Of the whole body, after its end."""
        return Digest(algorithm, self._hashers[algorithm].hexdigest())

    def audio(self) -> FetchedAudio:
        """What was received, as a body. ValueError before its end."""
        if self._whole is None:
            raise ValueError("the body is not whole")
        return self._whole

    async def discard(self) -> None:
        """Give memory, promises and the file back."""
        self._whole = self.facts = None
        self._hashers = {}
        self.received = 0
        self._buffer = bytearray()
        self._spool.memory.give(self._held)
        self._spool.disk.promised -= self._promised
        self._held = self._promised = 0
        file, path, self._file, self._path = self._file, self._path, None, None
        if file is not None and path is not None:
            with anyio.CancelScope(shield=True):
                await run_sync(_remove, file, path)

    def _start(self, declared: int | None, digests: Collection[str]) -> None:
        self._declared = declared
        self._hashers = {name: hashlib.new(name, usedforsecurity=False) for name in (*OURS, *digests)}

    def _hold(self, size: int) -> None:
        self._held = size
        self._buffer = bytearray(size)

    def _check_size(self, size: int, *, declared: bool) -> None:
        if size > self._spool.max_bytes:
            raise TooLarge(size, self._spool.max_bytes, declared=declared)

    async def _write_further(self, chunk: bytes) -> None:
        """Where the memory for it is still to be had, or it goes to the disk."""
        end = self.received + len(chunk)
        self._check_size(end, declared=False)
        if self._file is None and not self._grow(end):
            await self._spill()
        if self._file is None:
            self._buffer[self.received : end] = chunk
        else:
            self._buffer += chunk
            await self._to_file()
        self.received = end

    def _grow(self, needed: int) -> bool:
        """Get memory for ``needed`` bytes in all without waiting; False if it has to be the disk."""
        if needed > self._spool.spill_bytes:
            return False
        more = min(max(2 * self._held, needed), self._spool.spill_bytes, self._spool.max_bytes) - self._held
        if not self._spool.memory.take_now(more):
            return False
        self._held += more
        self._buffer.extend(bytes(more))
        return True

    async def _spill(self) -> None:
        """Move to a file: what was received so far first; its memory is given back."""
        await self._promise(self._declared or DISK_STEP)
        with anyio.CancelScope(shield=True):  # a file made while we are cancelled must be known to discard()
            try:
                self._file, self._path = await run_sync(_new_file, self._spool.scratch)
            except OSError as error:
                raise unwritable(self._spool.directory, error) from None
        del self._buffer[self.received :]
        await self._to_file()
        self._spool.memory.give(self._held)
        self._held = 0

    async def _promise(self, size: int) -> None:
        await self._spool.disk.promise(size)
        self._promised += size

    async def _to_file(self) -> None:
        """Hash and write what waits for it."""
        piece, self._buffer = self._buffer, bytearray()
        if len(piece) > self._promised:
            await self._promise(max(DISK_STEP, len(piece)))
        assert self._file is not None
        try:
            await run_sync(
                self._append, self._file, piece
            )  # not to be abandoned: no descriptor is closed under a write
        except OSError as error:
            raise unwritable(self._spool.directory, error) from None
        self._promised -= len(piece)
        self._spool.disk.promised -= len(piece)

    def _append(self, file: io.FileIO, piece: bytearray) -> None:
        self._hash(piece)
        rest = memoryview(piece)
        while rest:
            rest = rest[file.write(rest) :]

    def _look(self) -> FetchedAudio:
        """In a worker thread: hash what is not yet hashed, and examine."""
        if self._path is None:
            self._hash(self._buffer)
        content = self._path or self._buffer
        whole = FetchedAudio(self.received, self.digest("sha256"), self.digest("sha512"), content)
        if self._examine is not None:
            self.facts = self._examine(whole)
        return whole

    def _hash(self, piece: bytearray) -> None:
        for hasher in self._hashers.values():
            hasher.update(piece)


def _new_file(scratch: ScratchDirectory) -> tuple[io.FileIO, Path]:
    """A scratch file, open for unbuffered writing: what was written is there for whoever opens the path next."""
    fd, path = scratch.new_file()
    return io.FileIO(fd, "wb"), path


def _remove(file: io.FileIO, path: Path) -> None:
    file.close()
    path.unlink(missing_ok=True)

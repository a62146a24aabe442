"""One scratch file for everything that a run may have to put of its listings: written in sections, never in memory.

A section is made of blocks, so that several may be written at the same time, and what is given up is written over.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, BinaryIO, Self

from archiver.model import Digest
from archiver.spool_room import unwritable

LEVEL = 6
BLOCK = 64 * 2**10
"""Bytes, of which each section under way holds one in memory."""


@dataclass(frozen=True, slots=True)
class Section:
    """A finished part of the file: a ``store.interface.Body``, valid while the file is open and it is not given up."""

    fd: int
    blocks: tuple[int, ...]
    """Where each of its blocks begins."""
    size: int
    digest: Digest
    """SHA-256."""

    @property
    def taken(self) -> None:
        """A file may have changed since."""

    def open(self) -> BinaryIO:
        """A new stream at the first byte."""
        return BufferedReader(_SectionStream(self))


class _SectionStream(RawIOBase):
    def __init__(self, section: Section) -> None:
        self._section = section
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._section.size}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        number, inside = divmod(self._at, BLOCK)
        wanted = min(len(buffer), BLOCK - inside, max(0, self._section.size - self._at))
        if not wanted:
            return 0
        data = os.pread(self._section.fd, wanted, self._section.blocks[number] + inside)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class SectionWriter:
    """Lines, gzipped. Blocking; raises SpoolFull. The same lines give the same bytes."""

    def __init__(self, file: ScratchFile) -> None:
        self._file = file
        self._hashed = hashlib.sha256()
        self._blocks: list[int] = []
        self._waiting = bytearray()
        self._given_up = False
        self.written = 0
        """Bytes so far, compressed; some wait in the compressor."""
        self._packer = gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=self, mtime=0)

    def lines(self, lines: bytes) -> None:
        """Add one or more, their ends included."""
        with self._file.errors():
            self._packer.write(lines)

    def end(self) -> Section:
        """The section as it stands."""
        with self._file.errors():
            self._packer.close()
            if self._waiting:
                self._write_block()
        return Section(self._file.fd, tuple(self._blocks), self.written, Digest("sha256", self._hashed.hexdigest()))

    def give_up(self) -> None:
        """Nothing of it is wanted."""
        self._given_up = True
        self._file.free(self._blocks)
        self._blocks = []

    def write(self, data: bytes) -> int:
        """For the compressor, which says its last words when it is thrown away."""
        if self._given_up:
            return len(data)
        self._hashed.update(data)
        self._waiting += data
        self.written += len(data)
        while len(self._waiting) >= BLOCK:
            self._write_block()
        return len(data)

    def flush(self) -> None:
        """For the compressor: blocks are written when they are full."""

    def _write_block(self) -> None:
        self._blocks.append(self._file.write_block(bytes(self._waiting[:BLOCK])))
        del self._waiting[:BLOCK]


class ScratchFile:
    """A context manager: the file has no name, and goes with the process."""

    def __init__(self, directory: Path | None) -> None:
        """``directory``: None is the system's."""
        self._directory = directory
        self._end = 0
        self._free: list[int] = []
        self._lock = Lock()
        self.fd = -1

    def __enter__(self) -> Self:
        with self.errors():
            self._file = tempfile.TemporaryFile(dir=self._directory)
        self.fd = self._file.fileno()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self.fd = -1

    def begin(self) -> SectionWriter:
        """Write a section; any number of them at the same time, each in one thread at a time."""
        return SectionWriter(self)

    def free(self, blocks: Sequence[int]) -> None:
        """Write over these."""
        with self._lock:
            self._free.extend(blocks)

    def write_block(self, data: bytes) -> int:
        """Where it begins. For sections."""
        with self._lock:
            if self._free:
                start = self._free.pop()
            else:
                start, self._end = self._end, self._end + BLOCK
        os.pwrite(self.fd, data, start)
        return start

    @contextmanager
    def errors(self) -> Iterator[None]:
        """File errors within it are raised as SpoolFull."""
        try:
            yield
        except OSError as error:
            raise unwritable(self._directory, error) from None

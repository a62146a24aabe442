"""One scratch file for everything that a run may have to put of its listings: written in sections, never in memory."""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from archiver.model import Digest
from archiver.spool_room import unwritable

LEVEL = 6


@dataclass(frozen=True, slots=True)
class Section:
    """A finished part of the file: a ``store.interface.Body``, valid while the file is open."""

    fd: int
    start: int
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
        wanted = min(len(buffer), max(0, self._section.size - self._at))
        data = os.pread(self._section.fd, wanted, self._section.start + self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class SectionWriter:
    """Lines, gzipped. Blocking; raises SpoolFull. The same lines give the same bytes."""

    def __init__(self, file: ScratchFile, start: int) -> None:
        self._file = file
        self._start = start
        self._hashed = hashlib.sha256()
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
        return Section(self._file.fd, self._start, self.written, Digest("sha256", self._hashed.hexdigest()))

    def write(self, data: bytes) -> int:
        """For the compressor."""
        os.pwrite(self._file.fd, data, self._start + self.written)
        self._hashed.update(data)
        self.written += len(data)
        return len(data)

    def flush(self) -> None:
        """For the compressor: everything is written at once."""


class ScratchFile:
    """A context manager: the file has no name, and goes with the process. One section is written at a time."""

    def __init__(self, directory: Path | None) -> None:
        """``directory``: None is the system's."""
        self._directory = directory
        self._end = 0
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
        """Write a section behind the last one that was kept."""
        with self.errors():
            os.ftruncate(self.fd, self._end)
        return SectionWriter(self, self._end)

    def keep(self, section: Section) -> Section:
        """Write the next one behind it; one that is not kept is overwritten."""
        self._end = max(self._end, section.start + section.size)
        return section

    @contextmanager
    def errors(self) -> Iterator[None]:
        """File errors within it are raised as SpoolFull."""
        try:
            yield
        except OSError as error:
            raise unwritable(self._directory, error) from None

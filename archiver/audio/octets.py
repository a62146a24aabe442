"""The bytes under examination, and bounded ways to go over them.

``Octets`` can be indexed, sliced and searched without being copied as a whole; a memory map stays on disk.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from mmap import mmap
from typing import TypeAlias

from fastcrc import crc16

from archiver.model import Digest

Octets: TypeAlias = bytes | bytearray | mmap

PIECE = 1 << 20
"""Bytes handled at a time."""


def octets(data: bytes | bytearray | memoryview | mmap) -> Octets:
    """``data`` itself; only a memoryview is copied, because it cannot be searched."""
    return data.tobytes() if isinstance(data, memoryview) else data


def pieces(data: Octets, start: int, end: int) -> Iterator[bytes | bytearray]:
    """``data[start:end]`` in pieces of at most ``PIECE`` bytes."""
    for at in range(start, end, PIECE):
        yield data[at : min(at + PIECE, end)]


def sha256(data: Octets, start: int, end: int) -> Digest:
    """SHA-256 of ``data[start:end]``."""
    state = hashlib.sha256()
    for piece in pieces(data, start, end):
        state.update(piece)
    return Digest("sha256", state.hexdigest())


def crc16_arc(data: Octets, start: int, end: int) -> int:
    """CRC-16/ARC (polynomial 0x8005 reflected, initial 0) of ``data[start:end]``: the CRC of LAME's tag."""
    value = 0
    for piece in pieces(data, start, end):
        value = crc16.arc(bytes(piece), value)
    return value


def only(data: Octets, start: int, end: int, allowed: bytes) -> bool:
    """True if ``data[start:end]`` holds no byte outside ``allowed``."""
    return all(not piece.translate(None, allowed) for piece in pieces(data, start, end))


class Reader(io.RawIOBase):
    """A read-only, seekable file over octets: nothing is copied, and the position of a memory map is not moved."""

    def __init__(self, data: Octets) -> None:
        super().__init__()
        self._data = data
        self._at = 0
        self.name = ""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence]
        if base + offset < 0:
            raise OSError("seek before the start")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = len(self._data) if size is None or size < 0 else min(len(self._data), self._at + size)
        taken = bytes(self._data[self._at : end])
        self._at += len(taken)
        return taken

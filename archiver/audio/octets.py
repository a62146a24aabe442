"""The bytes under examination, and bounded ways to go over them.

``Octets`` can be indexed, sliced and searched without being copied as a whole; a memory map stays on disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from mmap import ALLOCATIONGRANULARITY, MADV_DONTNEED, mmap
from typing import TypeAlias

from fastcrc import crc16

from archiver.model import Digest

Octets: TypeAlias = bytes | bytearray | mmap

PIECE = 1 << 20
"""Bytes handled at a time."""
EVERY_BYTE = bytes(range(256))


def octets(data: bytes | bytearray | memoryview | mmap) -> Octets:
    """``data`` itself; only a memoryview is copied, because it cannot be searched."""
    return data.tobytes() if isinstance(data, memoryview) else data


def let_go(data: Octets, start: int, end: int) -> None:
    """``data[start:end]`` of a memory map need not stay in memory: whoever asks again has it from the file."""
    if isinstance(data, mmap) and end > start:
        first = start - start % ALLOCATIONGRANULARITY
        data.madvise(MADV_DONTNEED, first, end - first)


def pieces(data: Octets, start: int, end: int) -> Iterator[memoryview]:
    """``data[start:end]`` in pieces of at most ``PIECE`` bytes, not copied; each valid until the next is asked for."""
    with memoryview(data) as whole:
        for at in range(start, end, PIECE):
            with whole[at : min(at + PIECE, end)] as piece:
                yield piece
            let_go(data, at, min(at + PIECE, end))


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
        value = crc16.arc(piece, value)
    return value


def values(column: bytes) -> bytes:
    """The bytes that occur in ``column``, each once, in ascending order."""
    first = column[:1]
    if column == first * len(column):
        return first
    return EVERY_BYTE.translate(None, EVERY_BYTE.translate(None, column))


def only(data: Octets, start: int, end: int, allowed: bytes) -> bool:
    """True if ``data[start:end]`` holds no byte outside ``allowed``."""
    return all(not bytes(piece).translate(None, allowed) for piece in pieces(data, start, end))


class Reader:
    """What mutagen needs of a file, over octets: nothing is copied, and the position of a memory map is not moved."""

    def __init__(self, data: Octets) -> None:
        self._data = data
        self._size = len(data)
        self._at = 0
        self.name = ""

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence:
            offset += self._at if whence == 1 else self._size
        if offset < 0:
            raise OSError("seek before the start")
        self._at = offset
        return offset

    def tell(self) -> int:
        return self._at

    def read(self, size: int) -> bytes:
        taken = bytes(self._data[self._at : self._at + size])
        self._at += len(taken)
        return taken

"""A body as it is sent: nothing but the bytes that its digest names."""

from __future__ import annotations

import hashlib
import io
import os
from errno import EIO
from typing import TYPE_CHECKING, BinaryIO

from anyio.to_thread import run_sync

from archiver.errors import StoreFailed
from archiver.model import Digest
from archiver.store.interface import Body

if TYPE_CHECKING:
    from hashlib import _Hash

CHUNK = 4 << 20
READ_AT_ONCE = 64 << 10
"""Bytes of a body that is not worth a worker thread."""


class NamedBody:
    """A stream whose size and digest are compared by ``verify`` before a byte of it is sent, as often as need be.

    Nothing that fails goes on the wire, and no store can keep it, however careless: some answer 200 to a wrong
    checksum.
    """

    def __init__(self, body: Body, stream: BinaryIO, key: str, digest: Digest) -> None:
        self._body = body
        self._stream = stream
        self._key = key
        self._digest = digest

    async def verify(self) -> None:
        """Read it to its end; StoreFailed if it is not the body that its digest names.

        Of bytes in memory that were hashed as they came, the digest is believed: they have not changed since.
        """
        if self._body.taken == self._digest:
            return
        hashed, size = hashlib.sha256(), 0
        short = self._body.size <= READ_AT_ONCE
        while size <= self._body.size:  # a stream may have no end
            length = self._hash(hashed) if short else await run_sync(self._hash, hashed)
            if not length:
                break
            size += length
        if size != self._body.size or Digest("sha256", hashed.hexdigest()) != self._digest:
            raise StoreFailed(f"the body for {self._key} is not the one its digest names")

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except OSError as error:
            fact = f"the body for {self._key} cannot be read: {os.strerror(error.errno or EIO).lower()}"
            raise StoreFailed(fact) from None

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def _hash(self, hashed: _Hash) -> int:
        chunk = self.read(CHUNK)
        hashed.update(chunk)
        return len(chunk)

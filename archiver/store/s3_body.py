"""A body as the SDK reads it: nothing but the bytes that its digest names can be sent."""

from __future__ import annotations

import hashlib
import io
import os
from errno import EIO
from typing import BinaryIO

from anyio import from_thread

from archiver.errors import StoreFailed
from archiver.model import Digest


class NamedBody:
    """A stream that compares size and digest before it hands out its last bytes, and raises StoreFailed if they differ.

    A body that fails is therefore never complete on the wire, and no store can keep it, however careless: some answer
    200 to a wrong checksum. (Where the SDK signs the payload it reads the body once before it connects: then nothing
    is sent at all.) Reading ends at once when the task that waits for it is cancelled: a worker thread's stream only.
    """

    def __init__(self, stream: BinaryIO, key: str, size: int, digest: Digest) -> None:
        self._stream = stream
        self._key = key
        self.size = size
        self._digest = digest
        self._hashed = 0
        self._sha256 = hashlib.sha256()
        self._verified = False

    def read(self, size: int | None = -1) -> bytes:
        from_thread.check_cancelled()
        try:
            chunk = self._stream.read(-1 if size is None else size)
        except OSError as error:
            fact = f"the body for {self._key} cannot be read: {os.strerror(error.errno or EIO).lower()}"
            raise StoreFailed(fact) from None
        if not self._verified:
            self._take(chunk, ended=not chunk and size != 0)
        return chunk

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = self._stream.seek(offset, whence)
        if at == 0 and not self._verified:
            self._hashed, self._sha256 = 0, hashlib.sha256()
        return at

    def tell(self) -> int:
        return self._stream.tell()

    def _take(self, chunk: bytes, *, ended: bool) -> None:
        self._sha256.update(chunk)
        self._hashed += len(chunk)
        whole = self._hashed == self.size
        self._verified = whole and Digest("sha256", self._sha256.hexdigest()) == self._digest
        if self._hashed > self.size or (whole and not self._verified) or (ended and not whole):
            raise StoreFailed(f"the body for {self._key} is not the one its digest names")

"""A body in memory: documents, parts, probes."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO

from archiver.model import Digest


@dataclass(frozen=True, slots=True)
class Document:
    """Bytes in memory on their way into the bucket: a ``store.interface.Body``."""

    content: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content)

    def open(self) -> BinaryIO:
        """A new stream at the first byte."""
        return BytesIO(self.content)

    @property
    def digest(self) -> Digest:
        """SHA-256."""
        return Digest.sha256_of(self.content)

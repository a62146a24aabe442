"""Bodies to put: in memory (documents, parts, probes), and in a file that somebody else keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
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
    def taken(self) -> None:
        """It is hashed when it is put."""

    @property
    def digest(self) -> Digest:
        """SHA-256."""
        return Digest.sha256_of(self.content)


@dataclass(frozen=True, slots=True)
class FileBody:
    """A file that stays as it is while it is put: a ``store.interface.Body``."""

    path: Path
    size: int
    """Bytes."""

    @property
    def taken(self) -> None:
        """A file may have changed since."""

    def open(self) -> BinaryIO:
        """A new stream at the first byte."""
        return self.path.open("rb")

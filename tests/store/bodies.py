"""Bodies to put."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from archiver.model import Digest
from archiver.store.body import Document


@dataclass(frozen=True)
class LyingBody(Document):
    """Says another size than it has."""

    said: int = 0

    @property
    def size(self) -> int:
        return self.said


def digest_of(data: bytes) -> Digest:
    return Digest("sha256", hashlib.sha256(data).hexdigest())

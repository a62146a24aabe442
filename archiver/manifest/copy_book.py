"""The part of the port to the manifest that is about the second destination. Its contract stands here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from archiver.model import Digest


class CopyState(StrEnum):
    """Where an object of the first destination stands in the second."""

    COPIED = "copied"  # there, with the same bytes
    PENDING = "pending"  # still to be copied
    CONFLICT = "conflict"  # other bytes lie under its key
    LEAVING = "leaving"  # its recording was disposed of; still to be deleted there


@dataclass(frozen=True, slots=True)
class Copy:
    """An object of the first destination, and what is known of it in the second."""

    key: str
    size: int
    state: CopyState
    digest: Digest | None = None
    """SHA-256 of its bytes there; None unless it was copied."""
    version_id: str | None = None
    """Of the copy."""
    attempts: int = 0
    """Failed ones since it was last copied."""
    reason: str = ""
    """Why it is not copied."""


@dataclass(frozen=True, slots=True)
class CopyScope:
    """What has to be compared, where not everything has to be."""

    days: frozenset[date]
    """Listed, even in part, or closed since the last comparison began."""
    keys: tuple[str, ...]
    """Copies that are not made."""


@dataclass(frozen=True, slots=True)
class CopyCounts:
    """Of the second destination as a whole."""

    states: Mapping[CopyState, int]
    ended_at: datetime | None
    """When a comparison last came to its end."""
    complete: bool
    """True if the last one did."""


class CopyBook(Protocol):
    """What the manifest knows of the second destination. Raises ManifestUnusable."""

    async def begin(self, run_id: str, at: datetime) -> CopyScope | None:
        """Note that a comparison begins; what it has to look at, None for everything: if the last one never ended."""

    async def end(self, begun_at: datetime, at: datetime, *, whole: bool) -> None:
        """Note that it came to its end; ``whole`` if it looked at everything."""

    async def known(self, keys: Sequence[str]) -> dict[str, Copy]:
        """Of these keys, the copies that something is known of."""

    async def note(self, at: datetime, made: Sequence[Copy]) -> None:
        """Keep what has become of copies, in place of what was."""

    async def leaving(self) -> Sequence[str]:
        """Keys of copies that are still to be deleted, in their order."""

    async def forget(self, keys: Sequence[str]) -> None:
        """Know nothing of these copies any more: they were deleted."""

    async def counts(self) -> CopyCounts:
        """Copies by state, and when they were compared."""

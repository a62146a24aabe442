"""How the archive stands as a whole, read off the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from archiver.manifest.copy_book import CopyState
from archiver.manifest.interface import Manifest
from archiver.rules.lifecycle import State


@dataclass(frozen=True, slots=True)
class Standing:
    """The archive at a moment."""

    at: datetime
    states: Mapping[State, int]
    """Recordings by state."""
    oldest_open: datetime | None
    """Source time of the oldest open recording."""
    disagreed: int
    """Windows whose last listing is in doubt."""
    last_success: datetime | None
    """End of the last run that did its work."""
    copies: Mapping[CopyState, int] | None
    """Objects by their state in the second destination; None where there is none."""


async def standing_of(manifest: Manifest, at: datetime, *, copied: bool) -> Standing:
    """Read it; ``copied`` if there is a second destination. ManifestUnusable where that is not possible."""
    states: Counter[State] = Counter()
    for counts in (await manifest.days()).values():
        states.update(counts)
    oldest, useful = await manifest.oldest_open(), await manifest.last_run(useful=True)
    return Standing(
        at=at,
        states=states,
        oldest_open=None if oldest is None else oldest.created_at,
        disagreed=len(await manifest.unagreed_windows()),
        last_success=None if useful is None else useful.ended_at,
        copies=(await manifest.copies.counts()).states if copied else None,
    )

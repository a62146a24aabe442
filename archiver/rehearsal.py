"""A dry run: what a run would do, without a transfer, a put, or a word in the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from archiver.custody import BucketDay
from archiver.errors import SourceFailed
from archiver.manifest.interface import Manifest
from archiver.model import Recording, Window
from archiver.reporting import Reporter
from archiver.rules import keys
from archiver.rules.lifecycle import State
from archiver.rules.summary import Summary
from archiver.source.interface import Source
from archiver.store.interface import Store


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Lists like a run; in its summary ``pending`` is what a run would work on."""

    source: Source
    store: Store
    manifest: Manifest | None
    """None where there is none yet."""
    reporter: Reporter

    async def perform(self, windows: Sequence[Window], summary: Summary) -> None:
        """Fill ``summary``. Raises SourceRefused, DestinationUnusable, StoreFailed."""
        for window in windows:
            summary.windows += 1
            try:
                await self._window(window, summary)
            except SourceFailed as error:
                summary.windows_disagreed += 1
                self.reporter.event("window_disagreed", window=str(window), reason=error.fact)

    async def _window(self, window: Window, summary: Summary) -> None:
        bucket_day = await BucketDay.read(self.store, window.day)
        listing = self.source.recordings(window)
        listed: set[str] = set()
        async with aclosing(aiter(listing)) as pages:
            async for page in pages:
                fresh = [row for row in page.rows if row.id not in listed]
                listed |= {row.id for row in fresh}
                await self._page(fresh, bucket_day, summary)
        summary.windows_disagreed += not listing.outcome.agreed
        self.reporter.event(
            "window",
            window=str(window),
            listed=len(listed),
            agreed=listing.outcome.agreed,
            reason=listing.outcome.reason,
        )

    async def _page(self, rows: Sequence[Recording], bucket_day: BucketDay, summary: Summary) -> None:
        entries = await self.manifest.entries([row.id for row in rows]) if self.manifest else {}
        for row in rows:
            entry = entries.get(row.id)
            state = entry.state if entry else State.DISCOVERED
            day = entry.day if entry else row.day
            sealed = keys.sidecar_key(row.id, day) in bucket_day.sizes
            if state in (State.ARCHIVED, State.EXPIRED) or (state.is_open and sealed):
                summary.already_archived += 1
            elif state.is_open:
                summary.pending += 1
                reason = "would be archived" if row.link or state is State.STORED else "has no audio yet"
                self.reporter.event("would", recording_id=row.id, day=day.isoformat(), reason=reason)
            else:
                count_name = {State.QUARANTINED: "quarantined", State.SKIPPED: "skipped", State.FAILED: "failed"}
                name = count_name.get(state, "unavailable")
                setattr(summary, name, getattr(summary, name) + 1)

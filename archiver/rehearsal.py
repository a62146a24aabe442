"""A dry run: what a run would do, without a transfer, a put, or a word in the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from archiver.calls.lister import CallLister
from archiver.custody import BucketDay
from archiver.errors import ExitCode, SourceFailed
from archiver.intake import BadRows, Intake, Sighting
from archiver.manifest.interface import Manifest
from archiver.model import Recording, Window
from archiver.reporting import Reporter
from archiver.rules import keys
from archiver.rules.lifecycle import State
from archiver.rules.retry import is_down
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
    calls: CallLister | None
    """A dry one; None where call logs are not archived."""

    async def perform(self, windows: Sequence[Window], summary: Summary) -> ExitCode:
        """Fill ``summary``; can the listing be relied on? Raises SourceRefused, DestinationUnusable, StoreFailed.

        Work that is left to do is what a dry run is about: it is no reason for an exit code.
        """
        bad_rows = BadRows(summary, self.reporter)
        failures, summary.windows = 0, len(windows)
        for number, window in enumerate(windows, 1):
            try:
                await self._window(window, summary, bad_rows)
                failures = 0
            except SourceFailed as error:
                summary.windows_disagreed += 1
                self.reporter.event("window_disagreed", window=str(window), reason=error.fact)
                failures += 1
            if is_down(failures, answered=failures < number):
                summary.windows_disagreed += len(windows) - number
                self.reporter.event("listing_stopped", unlisted=len(windows) - number)
                break
            if self.calls is not None:
                async with self.calls.archived([window]):
                    pass  # counted and told: a dry one writes nothing
        if summary.rows_unreadable:
            return ExitCode.NEEDS_A_PERSON
        return ExitCode.INCOMPLETE if summary.windows_disagreed or summary.calls_unsettled else ExitCode.COMPLETE

    async def _window(self, window: Window, summary: Summary, bad_rows: BadRows) -> None:
        intake = Intake(window, await BucketDay.read(self.store, window.day))
        listing = self.source.recordings(window)
        async with aclosing(aiter(listing)) as pages:
            async for page in pages:
                for bad in page.bad_rows:
                    bad_rows.note(intake, bad)
                fresh = [row for row in page.rows if intake.sight(row) is Sighting.NEW]
                await self._page(fresh, intake.bucket_day, summary)
        agreed, reason = listing.outcome.agreed, listing.outcome.reason
        if not agreed:
            summary.windows_disagreed += 1
            self.reporter.event("window_disagreed", window=str(window), reason=reason)
        self.reporter.event("window", window=str(window), listed=len(intake), agreed=agreed)

    async def _page(self, rows: Sequence[Recording], bucket_day: BucketDay, summary: Summary) -> None:
        entries = await self.manifest.entries([row.id for row in rows]) if self.manifest else {}
        for row in rows:
            entry = entries.get(row.id)
            state = entry.state if entry else State.DISCOVERED
            day = entry.day if entry else row.day
            sealed = keys.sidecar_key(row.id, day) in bucket_day.sizes
            if state in (State.ARCHIVED, State.EXPIRED) or (state.is_open and sealed):
                summary.already_archived += 1
                summary.expired += state is State.EXPIRED
            elif state.is_open:
                summary.pending += 1
                reason = "would be archived" if row.link or state is State.STORED else "has no audio yet"
                self.reporter.event("would", recording_id=row.id, day=day.isoformat(), reason=reason)
            else:
                count_name = {State.QUARANTINED: "quarantined", State.SKIPPED: "skipped", State.FAILED: "failed"}
                name = count_name.get(state, "unavailable")
                setattr(summary, name, getattr(summary, name) + 1)

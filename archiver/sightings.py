"""What a run has noticed at the source: rows that were changed, are not named any more, or are named again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archiver.clock import Clock
from archiver.manifest.interface import Manifest, Observed
from archiver.model import Window
from archiver.reporting import Reporter
from archiver.rules.lifecycle import Observation, State
from archiver.rules.row_changes import misfit
from archiver.rules.summary import Summary
from archiver.rules.windows import SOURCE_RETENTION
from archiver.source.interface import Source


@dataclass(frozen=True, slots=True)
class Sightings:
    """Taken stock of once, when a run has listed what it could."""

    source: Source
    manifest: Manifest
    clock: Clock
    reporter: Reporter
    summary: Summary
    tolerance: tuple[float, float]
    """Of a duration, as verdicts are given."""

    async def take_stock(self, listed: Sequence[Window]) -> None:
        """Mark what has vanished from the windows ``listed`` with agreement; then report everything noticed."""
        now = self.clock.now()
        reach = max(now, self.source.server_time()) - SOURCE_RETENTION  # whichever clock is wrong
        for window in listed:
            await self.manifest.note_unnamed(window, self.summary.run_id, now, reach)
        async for observed in self.manifest.observed(self.summary.run_id):
            await self._report(observed)

    async def _report(self, observed: Observed) -> None:
        recording_id, state = observed.recording_id, observed.state
        match observed.observation:
            case Observation.CHANGED:
                self.summary.changed += 1
                self.reporter.event("changed", recording_id=recording_id, state=state.value, **observed.detail)
                if "duration" in observed.detail and state is State.ARCHIVED:
                    await self._measure(recording_id)
            case Observation.RETURNED:
                self.summary.returned += 1
                self.reporter.event("returned", recording_id=recording_id, state=state.value)
            case Observation.VANISHED if not state.is_open:  # of an open one the listing itself has told
                self.summary.unnamed += 1
                self.reporter.event("unnamed", recording_id=recording_id, state=state.value)
            case _:
                pass

    async def _measure(self, recording_id: str) -> None:
        """Does archived audio fit the duration that the source now gives it? It stays archived either way."""
        entry = (await self.manifest.entries([recording_id]))[recording_id]
        if entry.length is None or entry.duration is None:
            return
        doubt = misfit(entry.length, entry.duration, self.tolerance)
        await self.manifest.note_doubt(recording_id, doubt or None)
        if doubt:
            self.summary.misfits += 1
            self.reporter.event("misfit", recording_id=recording_id, reason=doubt)

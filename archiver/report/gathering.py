"""Reads what a report tells off the manifest. A million recordings cost a few counts: no list here grows with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from archiver.errors import UsageInvalid
from archiver.manifest.interface import Entry, Manifest, RunRecord, WindowRecord
from archiver.report.facts import NEEDS_A_PERSON, Day, Listed, Report
from archiver.rules.lifecycle import State
from archiver.rules.windows import days as windows_of

EXCEPTIONS = 200
"""Exceptions named one by one; more are only counted."""
WAITING = 50
RUNS = 30
LONGEST = 400
"""Days shown at most."""
OPEN = tuple(state for state in State if state.is_open)


@dataclass(frozen=True, slots=True)
class Subject:
    """What the report is about, as the configuration says."""

    archive: str
    source: str
    software: str
    tolerance: tuple[float, float]
    level: str
    copied: bool
    """True if there is a second destination."""


async def gather(
    manifest: Manifest, subject: Subject, watermark: datetime, at: datetime, most_days: int, run_id: str | None = None
) -> Report:
    """The report as of ``at``, over the last ``most_days`` days. UsageInvalid for a run that is not known."""
    runs = await manifest.runs(RUNS)
    run = await _run(manifest, runs, run_id)
    earlier, days = await _days(manifest, at.astimezone(UTC).date(), min(most_days, LONGEST))
    counts = [*earlier, *days]
    return Report(
        at=at,
        archive=subject.archive,
        source=subject.source,
        software=subject.software,
        tolerance=subject.tolerance,
        level=subject.level,
        watermark=watermark,
        days=days,
        earlier=earlier,
        exceptions=await _some(manifest, NEEDS_A_PERSON, EXCEPTIONS, counts),
        waiting=await _some(manifest, OPEN, WAITING, counts),
        changed=await manifest.flagged(),
        measured=await manifest.measured(days[0].day, days[-1].day),
        runs=runs,
        run=run,
        copies=(await manifest.copies.counts()).states if subject.copied else None,
    )


async def _run(manifest: Manifest, runs: Sequence[RunRecord], run_id: str | None) -> RunRecord | None:
    if run_id is None:
        return next((run for run in reversed(runs) if run.ended_at is not None), None)
    run = await manifest.run(run_id)
    if run is None:
        known = f"the last one is {runs[-1].run_id}" if runs else "there was none yet"
        raise UsageInvalid(f"the manifest knows no run {run_id}", known)
    return run


async def _days(manifest: Manifest, today: date, most: int) -> tuple[list[Day], list[Day]]:
    """Days before the last ``most`` of which anything is known, and those last ones without gaps."""
    counts = await manifest.days()
    windows = {each.window.day: each for each in await manifest.windows()}
    statements = Counter(each.day for each in await manifest.filed())
    known = sorted({*counts, *windows, *statements})
    late = await manifest.late(known[0], known[-1]) if known else {}

    def day(of: date) -> Day:
        window = windows.get(of)
        return Day(
            day=of,
            counts=counts.get(of, {}),
            closed=window is not None and window.closed_at is not None,
            listed=window is not None,
            doubt=_doubt(window) if window else "",
            late=late.get(of, 0),
            statements=statements[of],
        )

    last = max([today, *known[-1:]])
    first = max(last - timedelta(days=most - 1), min([last, *known[:1]]))
    return [day(of) for of in known if of < first], [day(window.day) for window in windows_of(first, last)]


def _doubt(window: WindowRecord) -> str:
    if not window.agreed:
        return window.reason or "its listing did not agree"
    return f"{window.rows_unreadable} rows could not be read" if window.rows_unreadable else ""


async def _some(manifest: Manifest, states: Sequence[State], most: int, days: Sequence[Day]) -> Listed:
    found: list[Entry] = []
    async for entry in manifest.select(states):
        if len(found) == most:
            break
        found.append(entry)
    return Listed(found, sum(day.count(*states) for day in days))

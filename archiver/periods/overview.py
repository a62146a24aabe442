"""The days as the manifest knows them: which are closed, and why the others are not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from archiver.manifest.interface import CallDay, Manifest, WindowRecord
from archiver.rules import keys
from archiver.rules.counting import counted
from archiver.rules.lifecycle import State
from archiver.rules.period import Filed, last_of


async def overview(manifest: Manifest, settled: datetime, *, with_calls: bool) -> list[dict[str, Any]]:
    """A JSON object a window, oldest first. ``settled``: windows that ended by then have had their lookback."""
    counts = await manifest.days()
    calls = {each.day: each for each in await manifest.call_days()}
    filed: dict[date, list[Filed]] = {}
    for document in await manifest.filed():
        filed.setdefault(document.day, []).append(document)
    found = []
    for record in await manifest.windows():
        day = record.window.day
        states, documents = counts.get(day, {}), filed.get(day, [])
        last = last_of(documents, day)
        found.append(
            {
                "day": day.isoformat(),
                "closed": record.closed_at is not None,
                "closed_at": record.closed_at,
                "because": [] if record.closed_at else why_open(record, states, calls.get(day), settled, with_calls),
                "states": {state.value: count for state, count in states.items()},
                "calls": calls[day].rows if day in calls else 0,
                "statement": None if last is None else last.key,
                "amendments": sum(keys.period_document_of(each.key) != (day, 0) for each in documents),
                "first_listed_at": record.first_listed_at,
                "last_listed_at": record.last_listed_at,
            }
        )
    return found


def why_open(
    record: WindowRecord, states: Mapping[State, int], calls: CallDay | None, settled: datetime, with_calls: bool
) -> list[str]:
    """Why a window is not closed, in words; a reason at least."""
    found = []
    if record.window.end > settled:
        found.append("within the lookback")
    if not record.agreed:
        found.append(f"listed unreliably: {record.reason}")
    if record.rows_unreadable:
        found.append(f"{record.rows_unreadable} rows cannot be read")
    unfinished = sum(count for state, count in states.items() if state.is_open)
    if unfinished:
        found.append(f"{counted(unfinished, 'recording')} {'is' if unfinished == 1 else 'are'} open")
    if states.get(State.FAILED):
        found.append(f"{states[State.FAILED]} recordings have failed: archiver requeue decides")
    if with_calls and (calls is None or not calls.agreed):
        found.append(f"calls: {calls.reason if calls else 'not listed yet'}")
    return found or ["the next run lists it again and closes it"]

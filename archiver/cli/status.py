"""``archiver status``: what there is, what is open, and what is at risk."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.console import Console
from archiver.cli.parameters import Duration
from archiver.errors import ExitCode
from archiver.rules.counting import counted

if TYPE_CHECKING:
    from archiver.clock import Clock
    from archiver.config import Config
    from archiver.manifest.copy_book import CopyCounts
    from archiver.manifest.interface import Entry, Flagged, RunRecord

NAMED = 20
"""Vanished recordings that are named for people; all of them are in the JSON."""


@click.command()
@click.option(
    "--max-age", type=Duration(), metavar="TIME", help="Exit 3 if no run did its work within this time: 26h, 90m."
)
@click.pass_obj
def status(console: Console, max_age: float | None) -> ExitCode:
    """Counts per state and per day, the oldest open recording, and the time to the first loss at the source.

    Reads the manifest only, also while a run is under way.
    """
    import anyio

    from archiver.clock import SystemClock

    loaded = console.load_config()
    facts = anyio.run(gather, loaded.config, SystemClock())
    age = facts["seconds_since_useful_run"]
    if console.flags.json:
        console.event("status", **facts)
    else:
        show(console, facts)
    if max_age is not None and (age is None or age > max_age):
        from archiver.report.words import seconds

        last = "none ever has" if age is None else f"the last one that did ended {seconds(age)} ago"
        console.warn(f"no run has done its work within {seconds(max_age)}: {last}", "archiver run; archiver doctor")
        return ExitCode.INCOMPLETE
    return ExitCode.COMPLETE


async def gather(config: Config, clock: Clock) -> dict[str, Any]:
    """Everything that is shown, as JSON values."""
    from archiver import due, wiring

    now = clock.now()
    async with wiring.manifest_of(config, read_only=True) as manifest:
        days = await manifest.days()
        oldest, last = await manifest.oldest_open(), await manifest.last_run()
        useful = await manifest.last_run(useful=True)
        watermark = await due.watermark(config, manifest, clock)
        disagreed = await manifest.unagreed_windows()
        call_days = await manifest.call_days()
        copies = await manifest.copies.counts() if config.second_destination.url is not None else None
        flagged = await manifest.flagged()
    states: dict[str, int] = {}
    for counts in days.values():
        for state, count in counts.items():
            states[state.value] = states.get(state.value, 0) + count
    return {
        "states": states,
        "days": {str(day): {state.value: count for state, count in days[day].items()} for day in sorted(days)},
        "calls": {
            "total": sum(each.rows for each in call_days),
            "days": {str(each.day): {"calls": each.rows, "parts": each.parts} for each in call_days},
            "unsettled": [{"window": str(each.day), "reason": each.reason} for each in call_days if not each.agreed],
        },
        "copies": copies and _copies(copies),
        "watermark": _text(watermark),
        "oldest_open": oldest and _open(oldest, now),
        **_flagged(flagged),
        "windows_disagreed": [{"window": str(each.window), "reason": each.reason} for each in disagreed],
        "seconds_since_useful_run": useful and useful.ended_at and round((now - useful.ended_at).total_seconds(), 1),
        "last_run": last and _run(last, now),
    }


def _open(oldest: Entry, now: datetime) -> dict[str, Any]:
    from archiver.rules.windows import lost_at

    lost = lost_at(oldest.created_at)
    return {
        "recording_id": oldest.recording_id,
        "created_at": _text(oldest.created_at),
        "state": oldest.state.value,
        "attempts": oldest.attempts,
        "reason": oldest.reason,
        "lost_at": _text(lost),
        "seconds_to_loss": round((lost - now).total_seconds()),
    }


def _copies(copies: CopyCounts) -> dict[str, Any]:
    counts = {state.value: count for state, count in copies.states.items()}
    return {**counts, "compared_at": _text(copies.ended_at), "complete": copies.complete}


def _run(last: RunRecord, now: datetime) -> dict[str, Any]:
    return {
        "run_id": last.run_id,
        "started_at": _text(last.started_at),
        "ended_at": _text(last.ended_at),
        "exit_code": last.exit_code,
        "age_seconds": None if last.ended_at is None else round((now - last.ended_at).total_seconds()),
    }


def show(console: Console, facts: dict[str, Any]) -> None:
    """The same for people."""
    total = sum(facts["states"].values())
    parts = ", ".join(f"{count} {state}" for state, count in sorted(facts["states"].items()))
    console.data(f"{counted(total, 'recording')}: {parts or 'none yet'}")
    calls = facts["calls"]
    console.data(f"{counted(calls['total'], 'call')} in {counted(len(calls['days']), 'day')}")
    names = [*sorted(facts["states"]), "calls"]
    days = sorted(facts["days"].keys() | {day for day, held in calls["days"].items() if held["calls"]})
    if days:
        console.data("day         " + "".join(f"{name:>13}" for name in names))
    for day in days:
        counts = {**facts["days"].get(day, {}), "calls": calls["days"].get(day, {}).get("calls", 0)}
        console.data(f"{day}  " + "".join(f"{counts.get(name, 0):>13}" for name in names))
    console.data(f"closed up to: {facts['watermark']}")
    if (copies := facts["copies"]) is not None:
        there = ", ".join(
            f"{copies[name]} {name}" for name in ("copied", "pending", "conflict", "leaving") if copies.get(name)
        )
        since = "" if copies["complete"] else "; the last comparison did not come to its end"
        console.data(f"second place: {there or 'nothing copied yet'}{since}")
    if oldest := facts["oldest_open"]:
        left = oldest["seconds_to_loss"] / 86400
        until = f"in {left:.1f} days" if left > 0 else "already past"
        console.data(f"oldest open:  {oldest['recording_id']} of {oldest['created_at']}: {oldest['reason'] or 'new'}")
        console.data(f"first loss:   {oldest['lost_at']} ({until}): the source keeps recordings for 60 days")
    else:
        console.data("oldest open:  none")
    for each in facts["in_doubt"]:
        console.data(f"in doubt:     {each['recording_id']} ({each['state']}): {each['reason']}")
    if vanished := facts["vanished"]:
        console.data(f"vanished:     {len(vanished)} are no longer named by the source")
    for each in vanished[:NAMED]:
        seen = each["last_seen"] or "never by this manifest"
        console.data(f"              {each['recording_id']} ({each['state']}): last seen {seen}")
    for window in facts["windows_disagreed"]:
        console.data(f"listed unreliably: {window['window']}: {window['reason']}")
    for window in calls["unsettled"]:
        console.data(f"calls listed unreliably: {window['window']}: {window['reason']}")
    if last := facts["last_run"]:
        ended = f"ended {last['ended_at']} with exit code {last['exit_code']}" if last["ended_at"] else "not ended"
        console.data(f"last run:     {last['run_id']}, {ended}")


def _flagged(flagged: list[Flagged]) -> dict[str, Any]:
    return {
        "vanished": [
            {**_named(each), "last_seen": _text(each.last_seen), "vanished_at": _text(each.vanished_at)}
            for each in flagged
            if each.vanished_at is not None
        ],
        "in_doubt": [{**_named(each), "reason": each.doubt} for each in flagged if each.doubt is not None],
    }


def _named(flagged: Flagged) -> dict[str, Any]:
    return {
        "recording_id": flagged.recording_id,
        "created_at": _text(flagged.created_at),
        "state": flagged.state.value,
    }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")

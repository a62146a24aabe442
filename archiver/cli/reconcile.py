"""``archiver reconcile``: calls against recordings, per day."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.console import Console
from archiver.cli.parameters import Day
from archiver.cli.spreadsheet import csv_lines
from archiver.errors import ExitCode, UsageInvalid

if TYPE_CHECKING:
    from archiver.clock import Clock
    from archiver.config import Config
    from archiver.reconciliation import DayReconciled
    from archiver.rules.evidence import Policy
    from archiver.rules.reconcile import Finding

DAYS = 7
NAMED = 20
"""Findings per status that the table names; all of them are in the CSV and the JSON."""
EXTRA = ("phonenumbers", "scipy")
HEAD = (
    "status", "day", "call_id", "call_from", "call_to", "recording_ids",
    "lag_seconds", "delta_seconds", "reason", "candidates",
)  # fmt: skip


@click.command()
@click.option("--from", "first", type=Day(), metavar="DATE", help="First UTC day; default: six days before --to.")
@click.option("--to", "last", type=Day(), metavar="DATE", help="Last UTC day, included; default: today.")
@click.option("--csv", "csv_file", metavar="FILE", help="Write every finding as CSV; - is stdout. Holds phone numbers.")
@click.option(
    "--expect",
    "expected",
    metavar="FIELD=VALUE",
    multiple=True,
    help="Only calls whose row says so must have a recording; may be repeated.",
)
@click.pass_obj
def reconcile(
    console: Console, first: date | None, last: date | None, csv_file: str | None, expected: tuple[str, ...]
) -> ExitCode:
    """Hold the archived call logs against the recordings: which call has none and should, which recording no call.

    Joined by key where the source gives one, else inferred from parties, times and lengths; what cannot be told apart
    is ambiguous and never counted as complete. Exit code 4 if a recording is missing, gone at the source or of another
    length than its call, 3 if something is ambiguous or pending, or a listing of the day cannot be relied on. Several
    --expect of one field: any of the values; of different fields: all of them.
    """
    import anyio

    from archiver.clock import SystemClock

    require_extra()
    if csv_file == "-" and console.flags.json:
        raise UsageInvalid("--json and --csv - both write to stdout", "give --csv a file")
    loaded, clock = console.load_config(), SystemClock()
    last = last or max(clock.now().date(), first or date.min)
    first = first or last - timedelta(days=DAYS - 1)
    if first > last:
        raise UsageInvalid(f"--from {first} is after --to {last}")
    days = anyio.run(gather, loaded.config, clock, first, last, policy_of(expected))
    if csv_file is not None:
        write_csv(console, csv_file, days)
    show_json(console, days)
    if not console.flags.json and csv_file != "-":
        show(console, days)
    return code_of(days)


def require_extra() -> None:
    """UsageInvalid, with what to install, where a library is missing."""
    from importlib.util import find_spec

    lacking = [name for name in EXTRA if find_spec(name) is None]
    if lacking:
        raise UsageInvalid(
            f"reconcile needs {' and '.join(lacking)}, not installed here",
            "pip install 'recording-archiver[reconcile]'",
        )


def policy_of(expected: tuple[str, ...]) -> Policy:
    """What ``--expect`` says."""
    from archiver.rules.evidence import Policy

    fields: dict[str, frozenset[str]] = {}
    for each in expected:
        name, equals, value = each.partition("=")
        if not (name and equals):
            raise UsageInvalid(f"--expect {each} is not FIELD=VALUE", "for instance --expect service=IN")
        fields[name] = fields.get(name, frozenset()) | {value}
    return Policy(fields)


async def gather(config: Config, clock: Clock, first: date, last: date, policy: Policy) -> list[DayReconciled]:
    """Every day, reconciled."""
    from archiver import wiring
    from archiver.reconciliation import Reconciler
    from archiver.rules.windows import settled_before

    settled = settled_before(clock.now(), config.windows.lookback_days)
    async with wiring.manifest_of(config, read_only=True) as manifest, wiring.store_of(config) as store:
        reconciler = Reconciler(store, manifest, config.source.zone, settled, policy)
        return [day async for day in reconciler.days(first, last)]


def code_of(days: list[DayReconciled]) -> ExitCode:
    """The exit code of all days together."""
    from archiver.rules.reconcile import exit_code

    code = exit_code(totals(days))
    return ExitCode.INCOMPLETE if code is ExitCode.COMPLETE and any(each.doubt for each in days) else code


def totals(days: list[DayReconciled]) -> dict[Any, int]:
    """Findings by status."""
    counts: dict[Any, int] = {}
    for each in days:
        for status, count in each.result.counts().items():
            counts[status] = counts.get(status, 0) + count
    return counts


def show_json(console: Console, days: list[DayReconciled]) -> None:
    """With ``--json``: a ``finding`` for each, a ``day`` behind those of each day, the ``summary``."""
    for each in days:
        for finding in each.result.findings:
            console.event("finding", **_finding(finding))
        console.event("day", day=str(each.day), doubt=each.doubt, counts=each.result.counts(), **_learnt(each))
    code, counts = code_of(days), totals(days)
    complete = code is ExitCode.COMPLETE
    console.event("summary", days=len(days), counts=counts, **_held_out(days), complete=complete)


def write_csv(console: Console, target: str, days: list[DayReconciled]) -> None:
    """Every finding as a line, to stdout or to a file that only its owner reads."""
    findings = (_finding(finding) for each in days for finding in each.result.findings)
    rows = ([row.get(name) for name in HEAD] for row in map(_flat, findings))
    text = csv_lines(HEAD, rows)
    if target == "-":
        console.data(text.replace("\r\n", "\n").rstrip("\n"))
        return
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as problem:
        raise UsageInvalid(f"cannot write {Path(target)}: {problem.strerror}") from None


def show(console: Console, days: list[DayReconciled]) -> None:
    """The table, what was learnt, and the findings that somebody should look at. No phone numbers."""
    from archiver.rules.reconcile import Status

    counts = totals(days)
    names = [status for status in Status if counts.get(status)]
    console.data("day         " + "".join(f"{name.value:>19}" for name in names))
    for each in days:
        found = each.result.counts()
        console.data(f"{each.day}  " + "".join(f"{found[name]:>19}" for name in names))
    for each in days:
        if each.doubt:
            console.data(f"not to be relied on: {each.day}: {each.doubt}")
    _show_held_out(console, days)
    quiet = (Status.MATCHED_KEY, Status.MATCHED_INFERRED, Status.NOT_EXPECTED)
    for status in [name for name in names if name not in quiet]:
        findings = [finding for each in days for finding in each.result.findings if finding.status is status]
        for finding in findings[:NAMED]:
            console.data(_in_a_line(finding))
        if len(findings) > NAMED:
            console.data(f"… and {len(findings) - NAMED} more {status.value}: --csv and --json name all")


def _show_held_out(console: Console, days: list[DayReconciled]) -> None:
    held_out = _held_out(days)["held_out"]
    if held_out and held_out["precision"] is not None:
        console.data(
            f"inference on {held_out['pairs']} pairs whose key was hidden: "
            f"precision {held_out['precision']:.4f}, recall {held_out['recall']:.4f}"
        )


def _in_a_line(finding: Finding) -> str:
    from archiver.cli.redaction import printable

    named = [f"call {finding.call_id}"] if finding.call_id else []
    ids = finding.recording_ids or tuple(each for candidate, _ in finding.candidates for each in candidate)
    named += [f"recording {each}" for each in ids]
    return printable(f"{finding.status.value:<18} {finding.day}  {', '.join(named)}: {finding.reason}")


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "status": finding.status.value,
        "day": str(finding.day),
        "call_id": finding.call_id,
        "call_from": finding.numbers[0],
        "call_to": finding.numbers[1],
        "recording_ids": list(finding.recording_ids),
        "lag_seconds": finding.lag,
        "delta_seconds": finding.delta,
        "reason": finding.reason,
        "candidates": [{"recording_ids": list(ids), "cost": cost} for ids, cost in finding.candidates],
    }


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    candidates = " | ".join(" ".join(each["recording_ids"]) for each in row["candidates"])
    return {**row, "recording_ids": " ".join(row["recording_ids"]), "candidates": candidates}


def _learnt(day: DayReconciled) -> dict[str, Any]:
    found = day.result.calibration
    return {
        "calibration": {
            "anchor": [anchor.value for anchor in found.anchors],
            "lag_seconds": found.lag.middle,
            "lag_bounds": [found.lag.low, found.lag.high],
            "delta_seconds": found.delta.middle,
            "delta_bounds": [found.delta.low, found.delta.high],
            "pairs": found.pairs,
            "by_key": found.by_key,
        },
        **_held_out([day]),
    }


def _held_out(days: list[DayReconciled]) -> dict[str, Any]:
    from archiver.rules.reconcile import HeldOut

    measured = [each.result.held_out for each in days if each.result.held_out]
    if not measured:
        return {"held_out": None}
    found = sum(measured, HeldOut(0, 0, 0))
    return {"held_out": {"pairs": found.pairs, "precision": found.precision, "recall": found.recall}}

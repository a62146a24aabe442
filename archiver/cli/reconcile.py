"""``archiver reconcile``: calls against recordings, per day."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.console import Console
from archiver.cli.parameters import Day, in_order
from archiver.cli.spreadsheet import csv_lines
from archiver.errors import ExitCode, UsageInvalid

if TYPE_CHECKING:
    from archiver.clock import Clock
    from archiver.config import Config
    from archiver.reconciliation.days import DayReconciled
    from archiver.reconciliation.writing import Written
    from archiver.rules.evidence import Policy
    from archiver.rules.reconcile import Finding

DAYS = 7
NAMED = 20
"""Findings per status that the table names; all of them are in the CSV and the JSON."""
EXTRA = ("phonenumbers", "scipy")
HEAD = (
    "status", "day", "call_id", "call_from", "call_to", "recording_ids",
    "lag_seconds", "delta_seconds", "margin", "reason", "candidates",
)  # fmt: skip


@click.command()
@click.option("--from", "first", type=Day(), metavar="DATE", help="First UTC day. Default: six days before --to.")
@click.option("--to", "last", type=Day(), metavar="DATE", help="Last UTC day, included. Default: today.")
@click.option("--csv", "csv_file", metavar="FILE", help="Write every finding as CSV; - is stdout. Holds phone numbers.")
@click.option(
    "--expect",
    "expected",
    metavar="FIELD=VALUE",
    multiple=True,
    help="In place of reconcile.expected: only calls whose row says so must have a recording; may be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Only tell; write nothing into the bucket.")
@click.pass_obj
def reconcile(
    console: Console,
    first: date | None,
    last: date | None,
    csv_file: str | None,
    expected: tuple[str, ...],
    dry_run: bool,
) -> ExitCode:
    """Hold the archived call logs against the recordings: which call has none and should, which recording no call.

    Joined by key where the source gives one, else inferred from parties, times and lengths; what cannot be told apart
    is ambiguous and never counted as complete. Exit code 4 if a recording is missing, gone at the source or of another
    length than its call, 3 if something is ambiguous or pending, or a listing of the day cannot be relied on. Several
    --expect of one field: any of the values; of different fields: all of them.

    Recordings are told their call by an amendment beside the sidecar, unless that names it. What a day that is over,
    lookback included, came to is kept as periods/dt=DAY/reconciliation.json, or as a further number if it is not what
    was kept before.
    """
    import anyio

    from archiver.clock import SystemClock

    require_extra()
    in_order(first, last)
    if csv_file == "-" and console.flags.json:
        raise UsageInvalid("--json and --csv - both write to stdout", "give --csv a file")
    loaded, clock = console.load_config(), SystemClock()
    last = last or max(clock.now().date(), first or date.min)
    first = first or last - timedelta(days=DAYS - 1)
    policy = policy_of(expected, loaded.config)
    days = anyio.run(gather, loaded.config, clock, Order(first, last, policy, dry_run))
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


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be reconciled, and how."""

    first: date
    last: date
    policy: Policy
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Told:
    """A day, and what was written down of it."""

    day: DayReconciled
    written: Written


def policy_of(expected: tuple[str, ...], config: Config) -> Policy:
    """What the configuration says, with what ``--expect`` says in place of its own."""
    from archiver.rules.evidence import Policy

    settings = config.reconcile
    try:
        return Policy.of(expected or settings.expected, settings.excluded, settings.minimum_seconds)
    except ValueError as error:
        raise UsageInvalid(f"--expect {error}") from None


async def gather(config: Config, clock: Clock, order: Order) -> list[Told]:
    """Every day, reconciled and written down."""
    from archiver import wiring
    from archiver.amendments import Amender
    from archiver.keeping import KeepingStore
    from archiver.reconciliation.days import Reconciler
    from archiver.reconciliation.writing import Writer
    from archiver.rules.windows import closable_before

    settled = closable_before(clock.now(), config.windows.lookback_days)
    async with wiring.manifest_of(config, read_only=True) as manifest, wiring.store_of(config) as bare:
        store = KeepingStore(bare, await wiring.keeper_of(config, bare, clock), manifest)
        reconciler = Reconciler(store, manifest, config.source.zone, settled, order.policy)
        amender = Amender(store, clock, wiring.new_reconcile_id(clock), wiring.SOFTWARE)
        writer = Writer(amender, manifest, order.dry_run)
        days = reconciler.days(order.first, order.last)
        return [Told(replace(day, calls={}), await writer.write(day)) async for day in days]


def code_of(days: list[Told]) -> ExitCode:
    """The exit code of all days together."""
    from archiver.rules.reconcile import exit_code

    code = exit_code(totals(days))
    unsettled = any(each.day.doubt or each.written.problems for each in days)
    return ExitCode.INCOMPLETE if code is ExitCode.COMPLETE and unsettled else code


def totals(days: list[Told]) -> dict[Any, int]:
    """Findings by status."""
    counts: dict[Any, int] = {}
    for each in days:
        for status, count in each.day.result.counts().items():
            counts[status] = counts.get(status, 0) + count
    return counts


def show_json(console: Console, days: list[Told]) -> None:
    """With ``--json``: a ``finding`` for each, a ``day`` behind those of each day, the ``summary``."""
    for each in days:
        for finding in each.day.result.findings:
            console.event("finding", **_finding(finding))
        console.event("day", **_day(each))
    code, counts = code_of(days), totals(days)
    console.event(
        "summary",
        days=len(days),
        counts=counts,
        **_held_out(days),
        amended=sum(len(each.written.amended) for each in days),
        recorded=sum(each.written.key is not None for each in days),
        complete=code is ExitCode.COMPLETE,
    )


def write_csv(console: Console, target: str, days: list[Told]) -> None:
    """Every finding as a line, to stdout or to a file that only its owner reads."""
    findings = (_finding(finding) for each in days for finding in each.day.result.findings)
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


def show(console: Console, days: list[Told]) -> None:
    """The table, what was learnt, and the findings that somebody should look at. No phone numbers."""
    from archiver.rules.reconcile import Status

    counts = totals(days)
    names = [status for status in Status if counts.get(status)]
    console.data("day         " + "".join(f"{name.value:>19}" for name in names))
    for each in days:
        found = each.day.result.counts()
        console.data(f"{each.day.day}  " + "".join(f"{found[name]:>19}" for name in names))
    for each in days:
        if each.day.doubt:
            console.data(f"not to be relied on: {each.day.day}: {each.day.doubt}")
    _show_learnt(console, days)
    _show_written(console, days)
    quiet = (Status.MATCHED_KEY, Status.MATCHED_INFERRED, Status.NOT_EXPECTED)
    for status in [name for name in names if name not in quiet]:
        findings = [finding for each in days for finding in each.day.result.findings if finding.status is status]
        for finding in findings[:NAMED]:
            console.data(_in_a_line(finding))
        if len(findings) > NAMED:
            console.data(f"… and {len(findings) - NAMED} more {status.value}: --csv and --json name all")


def _show_written(console: Console, days: list[Told]) -> None:
    for each in days:
        amended, day = len(each.written.amended), each.day.day
        if amended:
            console.data(f"told their call: {day}: {amended} recording{'s' if amended > 1 else ''}")
        if each.written.key:
            console.data(f"recorded: {each.written.key}")
        elif not each.day.recorded:
            console.data(f"not recorded yet: {day}: recordings may still be listed")
        for problem in each.written.problems:
            console.data(f"not told its call: {day}: {problem}")


def _show_learnt(console: Console, days: list[Told]) -> None:
    for each in days:
        found = each.day.result.calibration
        if found.pairs:
            console.data(
                f"learnt: {each.day.day}: created_at is {found.lag.middle:+.0f} s from {found.anchors[0].value}, "
                f"by {found.pairs} pairs {'with' if found.by_key else 'without'} a key"
            )
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
    from archiver.rules.reconciliation_document import candidates_of

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
        "margin": finding.margin,
        "candidates": candidates_of(finding),
    }


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    candidates = " | ".join(" ".join(each["recording_ids"]) for each in row["candidates"])
    return {**row, "recording_ids": " ".join(row["recording_ids"]), "candidates": candidates}


def _day(told: Told) -> dict[str, Any]:
    from archiver.rules.reconciliation_document import calibration_of, held_out_of

    day = told.day
    return {
        "day": str(day.day),
        "doubt": day.doubt,
        "counts": day.result.counts(),
        "calibration": calibration_of(day.result.calibration),
        "held_out": held_out_of(day.result.held_out),
        "amended": len(told.written.amended),
        "recorded": told.written.key,
        "problems": told.written.problems,
        "complete": day.complete,
    }


def _held_out(days: list[Told]) -> dict[str, Any]:
    from archiver.rules.reconcile import HeldOut
    from archiver.rules.reconciliation_document import held_out_of

    measured = [each.day.result.held_out for each in days if each.day.result.held_out]
    return {"held_out": held_out_of(sum(measured, HeldOut(0, 0, 0)) if measured else None)}

"""``archiver report``: how the archive stands, for people who answer for it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.console import Console
from archiver.cli.redaction import printable
from archiver.errors import UsageInvalid
from archiver.rules.counting import counted

if TYPE_CHECKING:
    from archiver.clock import Clock
    from archiver.config import Config
    from archiver.report.facts import Report

DAYS = 92


@click.command()
@click.option("--run", "run_id", metavar="ID", help="Tell of this run. Default: the last one that ended.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write a page to FILE.")
@click.option(
    "--days",
    type=click.IntRange(1, 400),
    metavar="N",
    default=DAYS,
    show_default=True,
    help="Days shown one by one.",
)
@click.pass_obj
def report(console: Console, run_id: str | None, html: Path | None, days: int) -> None:
    """How complete the archive is, its exceptions with their reasons, and what is at risk.

    --html writes one page that needs nothing else: to read, to print, to keep as evidence. Reads the manifest only.
    """
    import anyio

    from archiver.clock import SystemClock

    loaded = console.load_config()
    facts = anyio.run(collect, loaded.config, SystemClock(), days, run_id)
    if html is not None:
        from archiver.report.page import page

        write(html, page(facts))
        console.say(f"wrote {html}")
    if console.flags.json:
        console.event("report", **to_json(facts))
    elif html is None:
        show(console, facts)


async def collect(config: Config, clock: Clock, days: int, run_id: str | None) -> Report:
    """Everything that is told."""
    from archiver import due, wiring
    from archiver.report.gathering import Subject, gather

    subject = Subject(
        archive=config.destination.url,
        source=config.source.base_url,
        software=wiring.SOFTWARE,
        tolerance=config.verify.duration_tolerance_seconds,
        level=config.verify.level.value,
        copied=config.second_destination.url is not None,
    )
    async with wiring.manifest_of(config, read_only=True) as manifest:
        watermark = await due.watermark(config, manifest, clock)
        return await gather(manifest, subject, watermark, clock.now(), days, run_id)


def write(path: Path, text: str) -> None:
    """Write the page, in place of an older one, in one step. UsageInvalid where that is not possible."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(text)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageInvalid(f"{path} cannot be written: {error.strerror}", "--html FILE names another place") from None


def to_json(facts: Report) -> dict[str, Any]:
    """The facts as one object."""
    from archiver.report.page import headline
    from archiver.report.words import why

    return {
        "at": facts.at,
        "archive": facts.archive,
        "headline": headline(facts).words,
        "closed_up_to": facts.watermark,
        "states": {state.value: count for state, count in facts.states.items()},
        "days": {
            str(day.day): {
                "status": day.status.value,
                "named": day.total,
                "states": {state.value: count for state, count in day.counts.items()},
                "late": day.late,
                "statements": day.statements,
                **({"doubt": day.doubt} if day.doubt else {}),
            }
            for day in facts.days
        },
        "exceptions": {
            "total": facts.exceptions.total,
            "first": [
                {
                    "recording_id": entry.recording_id,
                    "created_at": entry.created_at,
                    "state": entry.state,
                    "plain": why(entry.state, entry.reason).plain,
                    "reason": entry.reason,
                }
                for entry in facts.exceptions.entries
            ],
        },
        "open": {"total": facts.waiting.total, "first_loss": facts.first_loss},
        "copies": facts.copies and {state.value: count for state, count in facts.copies.items()},
        "changed_at_source": len(facts.changed),
        "run": facts.run and {"run_id": facts.run.run_id, "exit_code": facts.run.exit_code},
    }


def show(console: Console, facts: Report) -> None:
    """The same for a terminal, in short."""
    from collections import Counter

    from archiver.report.page import headline
    from archiver.report.words import STATUSES, why

    first = headline(facts)
    console.data(f"{first.words}.")
    for detail in first.details:
        console.data(f"  {detail}")
    counts = Counter(day.status for day in facts.days)
    for status, (_, name, meaning) in STATUSES.items():
        if counts[status]:
            console.data(f"{counted(counts[status], 'day'):>10}  {name.lower()}: {meaning}")
    for entry in facts.exceptions.entries[:10]:
        console.data(printable(f"{entry.recording_id}: {why(entry.state, entry.reason).plain}"))
    if facts.exceptions.total > 10:
        console.data(f"… and {facts.exceptions.total - 10} more")
    console.say("archiver report --html FILE writes all of it as a page")

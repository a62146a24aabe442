"""``archiver run``: the main job."""

from __future__ import annotations

import gc
import resource
from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import click

from archiver.cli.console import Console
from archiver.cli.parameters import Day, Duration, InFlight, Size, in_order
from archiver.errors import ExitCode, UsageInvalid
from archiver.rules.counting import counted

if TYPE_CHECKING:
    from archiver.cli.watching import Watcher
    from archiver.config import Config
    from archiver.due import Request
    from archiver.rules.summary import Summary
    from archiver.runner import Ended, Run
    from archiver.telemetry.profile import Profile

GARBAGE_FROM = 20_000
"""Objects made and not freed between two looks for cycles, from here on. A recording leaves few."""
REASONS = 5
"""Reasons for what was left, at most: the commonest."""


M_MMAP_THRESHOLD = -3
"""As malloc.h has it."""
BIG = 1 << 20


@click.command()
@click.option("--from", "first", type=Day(), metavar="DATE", help="First UTC day. Default: every day not closed.")
@click.option("--to", "last", type=Day(), metavar="DATE", help="Last UTC day, included. Default: today.")
@click.option("--dry-run", is_flag=True, help="List, and say what would be done; write nothing anywhere.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after N recordings.")
@click.option("--max-duration", type=Duration(), metavar="TIME", help="Stop after this time: 90s, 15m, 2h.")
@click.option("--max-bytes", type=Size(), metavar="SIZE", help="Stop after this much audio: 500M, 10GiB.")
@click.option("--profile", "profiled", is_flag=True, help="Tell at the end where the time went, per stage.")
@click.option("--concurrency", type=InFlight(), metavar="N", help="Recordings in flight: a number, or auto.")
@click.pass_obj
def run(
    console: Console,
    first: date | None,
    last: date | None,
    dry_run: bool,
    limit: int | None,
    max_duration: float | None,
    max_bytes: int | None,
    profiled: bool,
    concurrency: int | str | None,
) -> ExitCode:
    """List recordings, archive them, close periods.

    Without dates: every day that is not closed, plus the lookback. Interrupt it at any moment; the next run resumes.
    """
    loaded = console.load_config({"limits.concurrency": concurrency})
    import anyio

    from archiver.budget import Budget
    from archiver.cli.watching import Watcher
    from archiver.due import Request

    request = Request(first, last, Budget(limit, max_bytes, max_duration))
    in_order(first, last)
    if dry_run and profiled:
        raise UsageInvalid("--profile measures a real run", "leave --dry-run out")
    watcher = Watcher(console)
    profile = None
    if profiled:
        from archiver.telemetry.profile import Profile

        profile = Profile()
    work = rehearse if dry_run else partial(archive, profile)
    ended = anyio.run(work, watcher, loaded.config, request)
    if profile is not None:
        tell_profile(console, profile, ended.summary)
    if ended.fatal is None or ended.summary.listed or console.flags.json:
        tell(console, ended.summary, watcher.left_because, dry_run=dry_run)
    if ended.fatal is not None:
        console.error(ended.fatal.fact, ended.fatal.hint)
    return ended.exit_code


async def alongside(watcher: Watcher, run: Run) -> None:
    """Beside a run, from the moment that everything it needs is there."""
    settle_memory()
    await watcher.alongside(run)


def settle_memory() -> None:
    """What there is now lives until the end: it is not to be looked through again and again for garbage.

    And blocks of ``BIG`` bytes go back to the system once they are freed. glibc's malloc would move that limit up with
    each such block, and what threads parse and drop, day after day, would stay in holes between what lives.
    """
    import ctypes

    gc.freeze()
    gc.set_threshold(GARBAGE_FROM)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not every C library has it
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, BIG)


def allow_descriptors(in_flight: int) -> None:
    """Let the process open what so many recordings in flight need, as far as it may: 1,024 is a usual start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 64 + 6 * in_flight
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def tell_profile(console: Console, profile: Profile, summary: Summary) -> None:
    """One NDJSON object of type ``profile``, or a table for people."""
    found = profile.to_json()
    level = {
        name: getattr(summary, name) for name in ("in_flight", "concurrency", "concurrency_highest", "pushed_back")
    }
    console.event("profile", **found, **level)
    console.say(f"{'step':12} {'times':>8} {'seconds':>10} {'mean ms':>10} {'longest ms':>11}")
    for name, spent in found["steps"].items():
        numbers = f"{spent['count']:8} {spent['seconds']:10.1f} {spent['mean_ms']:10.2f} {spent['longest_ms']:11.1f}"
        console.say(f"{name:12} {numbers}")
    for each in found["slowest"]:
        console.say(f"slow: {each['recording_id']}, {each['seconds']:.2f} s")
    allowed = f"{summary.concurrency} could be at the end, {summary.concurrency_highest} at most"
    console.say(
        f"in flight: {summary.in_flight} at most; {allowed}; pushed back {counted(summary.pushed_back, 'time')}"
    )


async def archive(profile: Profile | None, watcher: Watcher, config: Config, request: Request) -> Ended:
    """A real run, watched."""
    from archiver import wiring
    from archiver.clock import SystemClock

    allow_descriptors(config.limits.most_in_flight)
    clock = SystemClock()
    watched = wiring.observation_of(config, clock, watcher, watcher.environ)
    watched.profile = profile
    work = partial(
        wiring.run,
        config,
        request,
        clock,
        watched.everyone,
        partial(alongside, watcher),
        afterwards=watched.take_stock,
        trace=watched.trace,
    )
    with watcher.shown():
        return await watched.over(work)


async def rehearse(watcher: Watcher, config: Config, request: Request) -> Ended:
    """A dry run, watched."""
    from archiver import wiring
    from archiver.clock import SystemClock

    return await wiring.rehearse(config, request, SystemClock(), watcher)


def tell(console: Console, summary: Summary, left_because: Mapping[str, int], *, dry_run: bool = False) -> None:
    """The summary: the last NDJSON object, or a few lines for people.

    ``left_because`` counts the recordings left for the next run by reason.
    """
    fields = summary.to_json()
    if dry_run:
        fields["dry_run"] = True
    if console.flags.json:
        console.event(**{"kind": fields.pop("type"), **fields})
        return
    counts = [
        f"{fields[name]} {name.replace('_', ' ')}"
        for name in ("archived", "already_archived", "quarantined", "skipped", "pending", "failed", "unavailable")
        if fields[name]
    ]
    words = "dry run: " if dry_run else ""
    days = counted(summary.windows, "window")
    console.data(f"{words}{counted(summary.listed, 'recording')} listed in {days}: {', '.join(counts) or 'nothing'}")
    if not dry_run:
        level = f"{summary.in_flight} in flight at most, " if summary.in_flight else ""
        console.data(f"{summary.bytes / 2**20:.1f} MiB in {summary.seconds:.1f} s, {level}run {summary.run_id}")
    if summary.calls_listed or summary.calls_archived:
        wanted = f"{summary.calls_pending} would be archived" if dry_run else f"{summary.calls_archived} new or changed"
        console.data(f"{counted(summary.calls_listed, 'call')} listed: {wanted}")
    if summary.stopped == "budget":
        console.data("stopped at its budget: what was done is done, the next run goes on")
    for words in troubles(summary):
        console.data(words)
    for reason, count in sorted(left_because.items(), key=lambda each: -each[1])[:REASONS]:
        console.data(f"{count} left for the next run: {reason}")


def troubles(summary: Summary) -> list[str]:
    """What else a person should know, a line each."""
    told = {
        "of these were deleted since: their retention was over": summary.expired,
        "are suspect: archived and flagged": summary.suspect,
        "are kept for the longest time, since their rows lack what retention.rules ask for": summary.retention_unclear,
        "turns in which origin or destination asked to slow down": summary.pushed_back,
        "puts met other bytes under their key: nothing was overwritten": summary.conflicts,
        "rows could not be read": summary.rows_unreadable,
        "rows are used without a field that could not be read": summary.rows_odd,
        "windows could not be listed reliably: listed again by the next run": summary.windows_disagreed,
        "windows whose calls are not all archived: listed again by the next run": summary.calls_unsettled,
        "archived recordings do not fit the duration that the source has corrected": summary.misfits,
        "rows were changed by the source": summary.changed,
        "settled recordings are no longer named by the source": summary.unnamed,
        "days could not be closed: closed by the next run": summary.periods_pending,
        "open recordings are no longer named by the source": summary.vanished,
        "open recordings were forgotten by the source before they were archived": summary.forgotten,
        "copies pending: the next run makes them": summary.copies_pending,
        "objects have other bytes in the second destination: nothing was overwritten": summary.copy_conflicts,
    }
    return [f"{count} {words}" for words, count in told.items() if count]

"""``archiver audit``: the bucket against the manifest, both ways."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from archiver.cli.console import Console
from archiver.cli.parameters import Percentage, ShardOf
from archiver.errors import ExitCode, UsageInvalid

if TYPE_CHECKING:
    from archiver.audit import Audit, Order
    from archiver.cli.auditing import Teller
    from archiver.config import Config


@click.command()
@click.option("--sample", type=Percentage(), metavar="PERCENT", default="100%", help="Compare digests of so many: 5%.")
@click.option("--seed", metavar="TEXT", help="Chooses the sample, and is told at the end. Default: a new one.")
@click.option("--shard", type=ShardOf(), metavar="N/T", default="1/1", help="The Nth of T parts by id: 1/30.")
@click.option("--deep", is_flag=True, help="Read the audio; do not believe the checksums that the bucket keeps.")
@click.option("--repair", is_flag=True, help="Afterwards run over the days of what is missing, to bring it back.")
@click.option("--dry-run", is_flag=True, help="Only tell; change no recording's state.")
@click.option(
    "--destination",
    type=click.Choice(["first", "second"]),
    default="first",
    show_default=True,
    help="Which one. What is found in the second changes no recording's state.",
)
@click.pass_obj
def audit(
    console: Console,
    sample: float,
    seed: str | None,
    shard: tuple[int, int],
    deep: bool,
    repair: bool,
    dry_run: bool,
    destination: str,
) -> ExitCode:
    """Check the bucket against the manifest, both ways: missing, extra, size, digest, sidecar, amendment,
    version, orphan.

    Missing recordings become discovered, so that the next run fetches them again; those that lost their sidecar alone
    become stored, with a new one drafted that the next run writes; damaged ones become quarantined.
    Nothing in the bucket is deleted or overwritten. Exit code 5 if anything was found. It may be stopped at any point
    (exit codes 130, 143); the summary says how far it came.
    """
    if repair and dry_run:
        raise UsageInvalid("--repair and --dry-run exclude each other", "look with --dry-run first, then --repair")
    second = destination == "second"
    if repair and second:
        raise UsageInvalid("--repair mends the first destination", "the next run copies what the second one lacks")
    import anyio

    from archiver.audit import Order
    from archiver.cli.auditing import Teller, mend
    from archiver.rules.audit import Share

    loaded = console.load_config()
    teller = Teller(console)
    share = Share(sample, seed or secrets.token_hex(4), *shard)
    work = anyio.run(perform, loaded.config, Order("", share, deep=deep, dry_run=dry_run, second=second), teller)
    tally, fields = work.tally, work.to_json()
    code = tally.exit_code
    if repair and not tally.stopped:
        fields |= {"repaired": 0, "not_repaired": tally.corrupted}
        if tally.drifted or tally.unsealed or tally.call_days:
            code = anyio.run(mend, console, loaded.config, tally, fields)
    teller.summary(fields)
    return code


async def perform(config: Config, order: Order, teller: Teller) -> Audit:
    """One audit under the manifest's lock, noted there from begin to end."""
    from archiver.audit import Audit
    from archiver.cli.run import settle_memory
    from archiver.clock import SystemClock
    from archiver.noting import noted
    from archiver.periods.verification import Verification
    from archiver.reseal import Resealer
    from archiver.wiring import SOFTWARE, manifest_of, new_audit_id, second_store_of, store_of

    settle_memory()
    clock = SystemClock()
    async with (
        manifest_of(config, existing=True) as manifest,
        (second_store_of if order.second else store_of)(config) as store,
        noted(manifest, clock, new_audit_id(clock)) as note,
    ):
        resealer = Resealer(store, manifest, clock, config.source.base_url, SOFTWARE)
        work = Audit(replace(order, run_id=note.run_id), store, manifest, resealer, clock, teller)
        note.tells = lambda: {"type": "audit", **work.to_json()}
        async with teller.attending(work):
            tally = await work.perform()
            if order.share.shard == 1 and not tally.stopped:
                verified = await Verification(store, teller, presence=False).perform()
                tally.period_flaws, tally.unreadable = verified.flaws, tally.unreadable + verified.unreadable
            note.exit_code = tally.exit_code
    return work

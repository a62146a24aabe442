"""``archiver doctor``: everything that a run needs, looked at before any link is burnt."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from archiver.cli.console import Console
from archiver.errors import ArchiverError, ExitCode, UsageInvalid, first_of
from archiver.rules.permissions import Role

if TYPE_CHECKING:
    from archiver.config import Config
    from archiver.model import Check

SKEW_WORTH_A_WORD = 60.0
"""Seconds: deadlines are held against the server's clock, so a skewed machine is odd, not fatal."""
LEAST_FREE = 512 * 2**20
"""Bytes of scratch space below which a run is likely to wait or fail."""


@click.command()
@click.option(
    "--policy",
    type=click.Choice([role.value for role in Role]),
    help="Print the IAM policy with what this role needs of the bucket, and no more; check nothing.",
)
@click.pass_obj
def doctor(console: Console, policy: str | None) -> ExitCode:
    """Check token, clock, listing, destination, scratch space and manifest. Each ✗ comes with its remedy.

    With a retention policy the bucket has to prove that it enforces it: a probe is locked for a minute.
    """
    import anyio

    loaded = console.load_config()
    if policy is not None:
        console.data(_policy(loaded.config, Role(policy)))
        return ExitCode.COMPLETE
    return anyio.run(examine, console, loaded.config)


def _policy(config: Config, role: Role) -> str:
    import json

    from archiver.config import BucketTarget
    from archiver.rules.permissions import policy

    destination, target = config.destination, config.destination.target
    if not isinstance(target, BucketTarget):
        raise UsageInvalid("a directory has no IAM policy", "its owner and mode say who may write")
    encryption = destination.encryption or ""
    key = encryption.removeprefix("aws:kms:") if encryption.startswith("aws:kms:") else None
    said = policy(role, target.bucket, target.prefix, kms_key=key, snapshots=config.manifest.snapshot)
    return json.dumps(said, indent=2)


async def examine(console: Console, config: Config) -> ExitCode:
    """Run every check, also after one has failed; the first exit code of the contract's order that applies."""
    codes: set[ExitCode] = set()
    passed = failed = 0
    for look in (source_checks, destination_checks, machine_checks, manifest_checks):
        try:
            async with aclosing(look(config)) as found:
                async for check, code in found:
                    tell(console, check)
                    passed, failed = passed + check.passed, failed + (not check.passed)
                    codes.update(() if check.passed else (code,))
        except ArchiverError as error:
            from archiver.model import Check

            tell(console, Check(look.__name__.removesuffix("_checks"), False, error.fact, error.hint))
            codes.add(error.exit_code)
            failed += 1
    console.event("summary", passed=passed, failed=failed)
    return first_of(codes)


def tell(console: Console, check: Check) -> None:
    """One line, or one NDJSON object."""
    console.event("check", name=check.name, passed=check.passed, fact=check.fact, remedy=check.remedy)
    if console.flags.json:
        return
    mark = console.paint("✓", "green") if check.passed else console.paint("✗", "red")
    console.data(f"{mark} {check.name}: {check.fact}")
    if check.remedy and not check.passed:
        console.data(f"    {check.remedy}")


async def source_checks(config: Config) -> AsyncGenerator[tuple[Check, ExitCode]]:
    """Token, clock, and one page of today's listing."""
    from archiver.clock import SystemClock
    from archiver.model import Check, Window
    from archiver.wiring import source_of

    clock = SystemClock()
    async with source_of(config, clock) as source:
        account = await source.account()
        remedy = "check source.base_url: auth/me should answer 200 for a valid token"
        yield Check("token", account.answered, account.fact, remedy), ExitCode.INCOMPLETE
        skew = account.clock_skew
        words = (
            "the server sends no Date"
            if skew is None
            else "agrees with the server's"
            if abs(skew) < 2
            else f"the server is {skew:+.0f} s from this machine"
        )
        near = skew is None or abs(skew) < SKEW_WORTH_A_WORD
        yield Check("clock", near, words, "set this machine's clock (NTP)"), ExitCode.INCOMPLETE
        async with aclosing(aiter(source.recordings(Window.of_day(clock.now().date())))) as pages:
            page = await anext(pages)
        total = "" if page.total is None else f", {page.total} rows in three days"
        yield Check("listing", True, f"answers in the {page.dialect} dialect{total}"), ExitCode.INCOMPLETE


async def destination_checks(config: Config) -> AsyncGenerator[tuple[Check, ExitCode]]:
    """What the store says of itself, and the second one, if there is one."""
    from archiver.wiring import second_store_of, store_of

    async with store_of(config) as store:
        for check in await store.check():
            yield check, ExitCode.DESTINATION
        if config.retention.classes:
            for check in await store.check_locks():
                yield check, ExitCode.DESTINATION
    if config.second_destination.url is not None:
        async with second_store_of(config) as store:
            found = [*await store.check(), *(await store.check_locks() if config.retention.classes else ())]
            for check in found:
                yield replace(check, name=f"second {check.name}"), ExitCode.INCOMPLETE


async def machine_checks(config: Config) -> AsyncGenerator[tuple[Check, ExitCode]]:
    """Scratch space."""
    from archiver.model import Check
    from archiver.wiring import spool_of

    async with spool_of(config) as spool:
        free = shutil.disk_usage(spool.directory).free
        remedy = "free some space, or point limits.spool_dir at a larger disk"
        words = f"{free / 2**30:.1f} GiB free in {spool.directory}"
        yield Check("scratch", free >= LEAST_FREE, words, remedy), ExitCode.INCOMPLETE


async def manifest_checks(config: Config) -> AsyncGenerator[tuple[Check, ExitCode]]:
    """Does it open, and what is at risk by it?"""
    from archiver.clock import SystemClock
    from archiver.model import Check
    from archiver.rules.windows import lost_at
    from archiver.wiring import fetch_manifest, manifest_of

    path = config.manifest.path
    await fetch_manifest(config)
    if not path.exists():
        yield Check("manifest", True, f"none yet at {path}: the first run makes it"), ExitCode.DESTINATION
        return
    async with manifest_of(config, read_only=True) as manifest:
        problems = await manifest.integrity()
        remedy = "archiver manifest rebuild makes a new one from the bucket"
        yield Check("manifest", not problems, "; ".join(problems) or f"{path} is sound", remedy), ExitCode.DESTINATION
        oldest = await manifest.oldest_open()
    if oldest is None:
        yield Check("at risk", True, "no open recording"), ExitCode.INCOMPLETE
        return
    left = (lost_at(oldest.created_at) - SystemClock().now()).total_seconds() / 86400
    words = f"oldest open recording {oldest.recording_id}, lost at the source in {left:.1f} days"
    yield Check("at risk", left > 7, words, "archiver run"), ExitCode.INCOMPLETE

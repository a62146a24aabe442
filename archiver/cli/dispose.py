"""``archiver dispose``: what is past its retention, first planned, then deleted as planned."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.console import Console
from archiver.cli.outputs import write
from archiver.errors import ExitCode, UsageInvalid
from archiver.rules.counting import counted

if TYPE_CHECKING:
    from archiver.config import Config
    from archiver.rules.disposal import Plan


@click.command()
@click.option("--dry-run", is_flag=True, help="Only write the plan; this is what happens without --approve as well.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Where the plan goes.")
@click.option("--approve", type=click.Path(path_type=Path), metavar="PLAN", help="Carry out this plan, as it stands.")
@click.option("--certificate", type=click.Path(path_type=Path), metavar="FILE", help="Its JSON; the HTML beside it.")
@click.pass_obj
def dispose(
    console: Console, dry_run: bool, output: Path | None, approve: Path | None, certificate: Path | None
) -> ExitCode:
    """Delete what is past its retention and under no hold: a plan first, then --approve PLAN does exactly that.

    Each recording is checked again before it goes, by policy, matters, lock and hold; all versions of its audio, its
    sidecar and its amendments are deleted, and a tombstone stays. What was cut short is finished by the same plan.
    Copies in the second destination go last, each checked there too. Exit code 4 if something was kept, 3 if copies are
    still to be deleted: approve this plan, or a later one, once more.
    """
    import anyio

    config = console.load_config().config
    if approve is not None and (dry_run or output):
        raise UsageInvalid("--approve carries a plan out: it takes neither --dry-run nor --output")
    if config.retention.policy is None:
        raise UsageInvalid("without a retention policy nothing is ever past it", "name classes: retention.classes")
    if approve is None:
        plan = anyio.run(_plan, console, config)
        return _write_plan(console, plan, output)
    return _tell(console, anyio.run(_carry_out, console, config, approve), certificate or _beside(approve))


def _beside(plan: Path) -> Path:
    return plan.with_name(f"{plan.stem}.certificate.json")


async def _plan(console: Console, config: Config) -> Plan:
    from archiver.clock import SystemClock
    from archiver.disposing import disposal_of
    from archiver.wiring import manifest_of, store_of

    async with manifest_of(config, read_only=True) as manifest, store_of(config) as store:
        return await (await disposal_of(config, manifest, store, SystemClock(), "", console.event)).plan()


def _write_plan(console: Console, plan: Plan, output: Path | None) -> ExitCode:
    from archiver.rules.disposal import plan_bytes

    path = output or Path(f"disposal-{plan.made_at:%Y%m%dT%H%M%SZ}.json")
    write(path, plan_bytes(plan))
    console.event("summary", plan=str(path), digest=str(plan.digest), recordings=len(plan.recordings))
    if not console.flags.json:
        console.data(f"{counted(len(plan.recordings), 'recording')} past retention: {path}")
        console.data(f"nothing was deleted; after review: archiver dispose --approve {path}")
    return ExitCode.COMPLETE


async def _carry_out(console: Console, config: Config, path: Path) -> dict[str, Any]:
    from archiver.clock import SystemClock
    from archiver.disposal import certificate as certify
    from archiver.disposing import disposal_of, dispose_of_copies, file_disposal, new_disposal_id
    from archiver.noting import noted
    from archiver.rules.disposal import refusal
    from archiver.wiring import SOFTWARE, manifest_of, store_of

    clock, plan = SystemClock(), _read_plan(path)
    async with (
        manifest_of(config, existing=True) as manifest,
        store_of(config) as store,
        noted(manifest, clock, new_disposal_id(clock)) as note,
    ):
        if reason := refusal(plan, store.location, clock.now()):
            raise UsageInvalid(f"{path} cannot be carried out: {reason}", "archiver dispose makes a new plan")
        work = await disposal_of(config, manifest, store, clock, note.run_id, console.event)
        done = await work.carry_out(plan)
        copies = await dispose_of_copies(config, manifest, store, clock, console.event)
        said = certify(plan, done, clock.now(), SOFTWARE, copies)
        await file_disposal(store, plan, said)
        note.exit_code = _code(said)
        note.tells = lambda: {"type": "disposal", "disposed": len(done.disposed), "kept": len(done.kept)}
    return said


def _read_plan(path: Path) -> Plan:
    from archiver.rules.disposal import read_plan

    try:
        return read_plan(path.read_bytes())
    except OSError as error:
        raise UsageInvalid(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageInvalid(f"{path} cannot be carried out: {error}", "archiver dispose makes a new plan") from None


def _tell(console: Console, said: dict[str, Any], path: Path) -> ExitCode:
    import json

    from archiver.rules.certificate import page

    beside = path.with_suffix(".html")
    write(path, json.dumps(said, indent=2).encode() + b"\n", again=True)
    write(beside, page(said).encode(), again=True)
    counts = {"disposed": len(said["disposed"]), "kept": len(said["kept"])}
    if (copies := said["second_destination"]) is not None:
        counts |= {"copies_disposed": len(copies["deleted"]), "copies_kept": len(copies["stayed"])}
    console.event("summary", **counts, plan=said["plan"], certificate=str(path))
    if not console.flags.json:
        console.data(
            f"{counted(counts['disposed'], 'recording')} deleted, {counts['kept']} kept; certificate: {path}, {beside}"
        )
        if copies is not None:
            _tell_of_copies(console, copies)
        for each in said["kept"]:
            console.data(f"kept {each['recording_id']}: {each['reason']}")
    return _code(said)


def _tell_of_copies(console: Console, copies: dict[str, Any]) -> None:
    deleted, stayed = len(copies["deleted"]), copies["stayed"]
    console.data(f"second destination: copies of {counted(deleted, 'recording')} deleted, of {len(stayed)} not")
    for each in stayed:
        if not each["pending"]:
            console.data(f"kept there {each['recording_id']}: {each['reason']}")
    hint = "archiver dispose --approve, with this plan or a later one, tries again"
    for reason, count in Counter(each["reason"] for each in stayed if each["pending"]).items():
        console.warn(f"copies of {counted(count, 'recording')} are still to be deleted: {reason}", hint)


def _code(said: dict[str, Any]) -> ExitCode:
    stayed = (said["second_destination"] or {}).get("stayed", ())
    if said["kept"] or any(not each["pending"] for each in stayed):
        return ExitCode.NEEDS_A_PERSON
    return ExitCode.INCOMPLETE if stayed else ExitCode.COMPLETE

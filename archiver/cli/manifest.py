"""``archiver manifest``: rebuild it from the bucket, check it against the bucket, back it up."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli.console import Console
from archiver.errors import ExitCode
from archiver.rules.counting import counted

if TYPE_CHECKING:
    from archiver.config import Config
    from archiver.rebuild import Findings


@click.group()
def manifest() -> None:
    """Rebuild, check or back up the manifest."""


@manifest.command()
@click.pass_obj
def rebuild(console: Console) -> ExitCode:
    """Take everything that is sealed in the bucket into the manifest. What the manifest knows stays as it is."""
    import anyio

    loaded = console.load_config()
    findings = anyio.run(_rebuild, loaded.config)
    read, restored = counted(findings.sidecars, "sidecar"), counted(findings.restored, "recording")
    words = f"{read} read, {restored} restored, {findings.known} known before"
    return _tell(console, "rebuild", findings, words)


@manifest.command()
@click.pass_obj
def check(console: Console) -> ExitCode:
    """Hold manifest and bucket against each other, both ways. Exit code 5 where they differ."""
    import anyio

    loaded = console.load_config()
    findings = anyio.run(_check, loaded.config)
    return _tell(console, "check", findings, f"{counted(findings.sidecars, 'sidecar')} read, {findings.known} agree")


@manifest.command()
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def backup(console: Console, target: Path) -> ExitCode:
    """Write a consistent copy to TARGET, also while a run is under way. Never overwrites."""
    import anyio

    loaded = console.load_config()
    anyio.run(_backup, loaded.config, target)
    console.event("backup", path=target)
    console.say(f"{target}: written")
    return ExitCode.COMPLETE


def _tell(console: Console, kind: str, findings: Findings, words: str) -> ExitCode:
    console.event(kind, **asdict(findings))
    if not console.flags.json:
        console.data(words)
        for problem in findings.problems:
            console.data(problem)
    return findings.exit_code


async def _rebuild(config: Config) -> Findings:
    from archiver.clock import SystemClock
    from archiver.noting import noted
    from archiver.rebuild import rebuild as rebuild_from
    from archiver.wiring import keeper_of, manifest_of, new_rebuild_id, store_of

    clock = SystemClock()
    async with (
        manifest_of(config) as known,
        store_of(config) as store,
        noted(known, clock, new_rebuild_id(clock)) as note,
    ):
        findings = await rebuild_from(store, known, clock, await keeper_of(config, store, clock))
        note.exit_code = findings.exit_code
        note.tells = lambda: {"type": "rebuild", **asdict(findings)}
    return findings


async def _check(config: Config) -> Findings:
    from archiver.rebuild import check as check_against
    from archiver.wiring import manifest_of, store_of

    async with manifest_of(config, read_only=True) as known, store_of(config) as store:
        problems = await known.integrity()
        findings = await check_against(store, known)
    findings.problems[:0] = problems
    return findings


async def _backup(config: Config, target: Path) -> None:
    from archiver.wiring import manifest_of

    async with manifest_of(config, read_only=True) as known:
        await known.backup(target)

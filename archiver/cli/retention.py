"""``archiver retention``: what is locked already, and a policy that has grown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from archiver.cli.console import Console
from archiver.errors import ExitCode, UsageInvalid

if TYPE_CHECKING:
    from archiver.caretaker import Tally
    from archiver.config import Config


@click.group()
def retention() -> None:
    """Extend what is locked to what the policy says now. Nothing is ever shortened."""


@retention.command()
@click.pass_obj
def apply(console: Console) -> ExitCode:
    """Lock every recording, and the documents of its day, for as long as the policy says now.

    Also what was archived before there was a policy. May be repeated: what is held long enough is left as it is.
    """
    import anyio

    config = console.load_config().config
    if config.retention.policy is None:
        raise UsageInvalid("there is no policy to apply", "name classes under retention.classes")
    tally = anyio.run(_extend, console, config)
    for problem in tally.problems:
        console.error(problem)
    counts = {"matched": tally.matched, "changed": tally.changed, "documents": tally.documents}
    console.event("summary", **counts, problems=len(tally.problems))
    if not console.flags.json:
        words = f"{tally.changed} of {tally.matched} recordings extended, {tally.documents} documents of their days"
        console.data(words)
    return ExitCode.INCOMPLETE if tally.problems else ExitCode.COMPLETE


async def _extend(console: Console, config: Config) -> Tally:
    from archiver.clock import SystemClock
    from archiver.wiring import caretaker_of, manifest_of, store_of

    async with (
        manifest_of(config, existing=True) as manifest,
        store_of(config) as store,
        caretaker_of(config, manifest, store, SystemClock(), console.event) as caretaker,
    ):
        return await caretaker.extend()

"""``archiver requeue``: an operator's decision that recordings are to be tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from archiver.cli.console import Console
from archiver.errors import ExitCode, UsageInvalid
from archiver.rules.counting import counted
from archiver.rules.lifecycle import REQUEUEABLE

if TYPE_CHECKING:
    from archiver.config import Config

STATES = tuple(state.value for state in REQUEUEABLE)


@click.command()
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="Every recording in this state.")
@click.option("--id", "ids", metavar="ID", multiple=True, help="This recording; may be repeated.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the manifest's events.")
@click.pass_obj
def requeue(console: Console, states: tuple[str, ...], ids: tuple[str, ...], reason: str) -> ExitCode:
    """Bring quarantined, failed, skipped or unavailable recordings back: the next run that lists them tries again.

    What lies in quarantine/ stays there. With --state and --id both, only what fits both.
    """
    if not states and not ids:
        raise UsageInvalid("nothing chosen to requeue", "name a --state, or recordings by --id")
    import anyio

    loaded = console.load_config()
    done = anyio.run(bring_back, loaded.config, states or STATES, ids, reason)
    for recording_id in done:
        console.event("requeued", recording_id=recording_id)
    console.event("summary", requeued=len(done))
    untouched = [recording_id for recording_id in ids if recording_id not in done]
    if untouched:
        raise UsageInvalid(
            f"unknown, or not in a state to be requeued: {', '.join(untouched)}",
            f"only {', '.join(STATES)} ones can be",
        )
    if not console.flags.json:
        console.data(f"{counted(len(done), 'recording')} requeued")
    return ExitCode.COMPLETE


async def bring_back(config: Config, states: tuple[str, ...], ids: tuple[str, ...], reason: str) -> list[str]:
    """Requeue what is chosen; the ids that were."""
    from archiver.clock import SystemClock
    from archiver.manifest.interface import Change
    from archiver.rules.lifecycle import Event, State
    from archiver.wiring import manifest_of

    clock, done = SystemClock(), []
    async with manifest_of(config, existing=True) as manifest:
        change = Change(reason=f"requeued: {reason}", detail={"reason": reason})
        async for entry in manifest.select([State(state) for state in states], ids):
            moved = await manifest.advance(entry.recording_id, entry.state, Event.REQUEUED, clock.now(), None, change)
            done.extend([entry.recording_id] if moved else [])
    return done

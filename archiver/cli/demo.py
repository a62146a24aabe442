"""``archiver demo``: the main job on real sockets, with no account and no network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli.console import Console
from archiver.errors import ExitCode, UsageInvalid

if TYPE_CHECKING:
    from archiver.config import Config
    from archiver.manifest.interface import Entry
    from archiver.runner import Ended
    from archiver.sandbox import DemoStory, Sandbox

_CONFIG = """\
# Written by archiver demo: the sandbox provider's address and token. Both end with it.
source:
  allow_insecure_loopback: true       # plain http, which only a sandbox on this machine may speak
  base_url: {base_url}
  token: {token}
  audio_hosts: ["127.0.0.1"]
destination:
  url: {destination}
manifest:
  url: sqlite://{manifest}
"""


@click.command()
@click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="Where to; must be empty.")
@click.option(
    "--recordings",
    type=click.IntRange(4, 10_000),
    metavar="N",
    default=25,
    show_default=True,
    help="How many it holds.",
)
@click.option(
    "--dialect",
    type=click.Choice(("flat", "paged", "resource")),
    default="paged",
    show_default=True,
    help="Shape of the API's answers.",
)
@click.option("--keep-serving", is_flag=True, help="Leave the provider running until Ctrl-C, to try commands against.")
@click.pass_obj
def demo(console: Console, directory: Path | None, recordings: int, dialect: str, keep_serving: bool) -> ExitCode:
    """Start a provider on loopback, archive its recordings into a directory, and name the ones that went wrong.

    One was cut short at the source, one has a link that dies in the queue, one is an error page, one has no audio yet.
    """
    import anyio

    from archiver.clock import SystemClock
    from archiver.sandbox import demo_world

    home = _new_home(directory)
    today = SystemClock().now().date()
    story = demo_world(recordings, first_day=today - timedelta(days=3))
    return anyio.run(_perform, console, story, home, dialect, keep_serving)


def _new_home(directory: Path | None) -> Path:
    """An empty directory: the one asked for, or the first free ``archiver-demo``, ``archiver-demo-2``, …"""
    if directory is None:
        number, home = 1, Path("archiver-demo")
        while home.exists():
            number, home = number + 1, Path(f"archiver-demo-{number + 1}")
    else:
        home = directory
        if home.exists() and any(home.iterdir()):
            raise UsageInvalid(f"{home} is not empty", "name an empty directory, or one that does not exist yet")
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageInvalid(f"{home} cannot be made: {error.strerror}", "name another one with --dir") from None
    return home.absolute()


async def _perform(console: Console, story: DemoStory, home: Path, dialect: str, keep_serving: bool) -> ExitCode:
    import anyio

    from archiver.sandbox import Sandbox

    sandbox = Sandbox(story.world, dialect=dialect)  # type: ignore[arg-type]  # click has checked the word
    async with sandbox.listening():
        config = _configure(console, sandbox, home)
        console.data(f"A voice API answers on {sandbox.base_url} ({dialect} dialect, links signed with SigV4).")
        console.data(f"Archiving its recordings into {home / 'archive'}\n")
        ended = await _archive(console, config, story)
        entries = await _entries(config, story)
        _tell(console, story, entries, ended, home)
        if keep_serving:
            console.data(f"\nStill serving. In another terminal: {_program()} -c {home / 'archiver.yaml'} doctor")
            await anyio.sleep_forever()
    if ended.fatal is not None:
        raise ended.fatal
    return ExitCode.COMPLETE if _as_told(story, entries) else ExitCode.BUG


def _configure(console: Console, sandbox: Sandbox, home: Path) -> Config:
    from archiver.config import load

    console.conceal(sandbox.token)
    path = home / "archiver.yaml"
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(
        _CONFIG.format(
            base_url=sandbox.base_url,
            token=sandbox.token,
            destination=(home / "archive").as_uri(),
            manifest=home / "manifest.db",
        )
    )
    return load(path, {}, {}).config


async def _archive(console: Console, config: Config, story: DemoStory) -> Ended:
    from archiver import wiring
    from archiver.cli.run import tell
    from archiver.cli.watching import Watcher
    from archiver.clock import SystemClock
    from archiver.due import Request

    watcher = Watcher(console)
    request = Request(story.first_day, story.last_day)
    with watcher.shown():
        ended = await wiring.run(config, request, SystemClock(), watcher, watcher.alongside)
    tell(console, ended.summary, watcher.left_because)
    return ended


async def _entries(config: Config, story: DemoStory) -> Mapping[str, Entry]:
    from archiver.wiring import manifest_of

    async with manifest_of(config, read_only=True) as manifest:
        return await manifest.entries([recording.id for recording in story.world.recordings()])


def _as_told(story: DemoStory, entries: Mapping[str, Entry]) -> bool:
    """True if each part of the story ended as it should: the demo is not allowed to pretend."""
    ends = {story.cut_short: "quarantined", story.error_page: "quarantined", story.no_audio_yet: "discovered"}
    return all(
        recording.id in entries and entries[recording.id].state.value == ends.get(recording.id, "archived")
        for recording in story.world.recordings()
    )


def _tell(console: Console, story: DemoStory, entries: Mapping[str, Entry], ended: Ended, home: Path) -> None:
    parts = {
        story.cut_short: "was cut short at the source",
        story.error_page: "is an error page, served as 200 audio/mpeg",
        story.dead_link: "had a link that was dead before its turn",
        story.no_audio_yet: "has no audio yet",
    }
    console.data("\nFour of them were trouble:")
    for recording_id, trouble in parts.items():
        entry = entries.get(recording_id)
        became = "is lost: a bug" if entry is None else f"{entry.state}{f': {entry.reason}' if entry.reason else ''}"
        console.data(f"  {recording_id}  {trouble}\n      -> {became}")
    console.data(f"  ({ended.summary.links_refreshed} link refreshed by listing its day again)")
    sealed = entries.get(story.dead_link)
    console.data(f"\nThe archive:    {home / 'archive'}")
    if sealed is not None and sealed.sidecar is not None:
        sidecar = home / "archive" / sealed.sidecar.key
        archive = json.loads(sidecar.read_bytes())["archive"]
        console.data(f"One sidecar:    {sidecar}\n  says of its audio:")
        for name in ("recording_id", "outcome", "grade", "reasons", "reported_duration_seconds", "size", "sha256"):
            console.data(f"    {name}: {json.dumps(archive[name])}")
    console.data(f"\nNext:           {_program()} -c {home / 'archiver.yaml'} status")


def _program() -> str:
    """How the user can call this very program: by its name where that is on the path."""
    import shutil
    import sys

    return "archiver" if shutil.which("archiver") else sys.argv[0]

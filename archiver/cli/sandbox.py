"""``archiver sandbox``: a provider on loopback, for trying and for testing against."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from archiver.cli.console import Console
from archiver.errors import ExitCode, UsageInvalid
from archiver.rules.counting import counted

if TYPE_CHECKING:
    from archiver.sandbox import Dialect, Sandbox

DAYS = 3
_SNIPPET = """\
source:
  base_url: {base_url}
  token: "{token}"
  allow_insecure_loopback: true
  audio_hosts: ["{host}"]
destination:
  url: file://{here}/sandbox-archive
manifest:
  url: sqlite://{here}/sandbox-manifest.db"""


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="N", default=0, help="Port of the API. Default: a free one."
)
@click.option(
    "--dialect",
    type=click.Choice(["flat", "paged", "resource"]),
    default="paged",
    show_default=True,
    help="Shape of the API's answers.",
)
@click.option(
    "--recordings",
    type=click.IntRange(0, 1_000_000),
    metavar="N",
    default=25,
    show_default=True,
    help="How many it holds.",
)
@click.option(
    "--seed", type=int, metavar="N", default=1, show_default=True, help="The same seed makes the same recordings."
)
@click.pass_obj
def sandbox(console: Console, port: int, dialect: Dialect, recordings: int, seed: int) -> ExitCode:
    """Serve a whole provider on loopback until Ctrl-C: API, presigned links, real MP3 audio.

    Prints a configuration for it on stdout, to be kept in a file: its token is worth nothing elsewhere. The recordings
    lie on the three days before today.
    """
    from archiver.clock import SystemClock
    from archiver.sandbox import Sandbox, World

    first_day = (SystemClock().now() - timedelta(days=DAYS)).date()
    world = World.generate(seed, recordings, DAYS, first_day)
    provider = Sandbox(world, dialect=dialect, token=secrets.token_hex(16), api_port=port)
    try:
        asyncio.run(provider.serve(lambda ready: _announce(console, ready, recordings)))
    except OSError as error:
        raise UsageInvalid(
            f"port {port} cannot be used: {error.strerror}", "without --port a free one is taken"
        ) from None
    except KeyboardInterrupt:
        # Ctrl-C is how this command is meant to end.
        console.say("stopped")
    return ExitCode.COMPLETE


def _announce(console: Console, ready: Sandbox, recordings: int) -> None:
    if console.flags.json:
        console.event("sandbox", base_url=ready.base_url, token=ready.token, recordings=recordings)
    else:
        here = quote(str(Path.cwd()))
        host = ready.host
        console.data(_SNIPPET.format(base_url=ready.base_url, token=ready.token, host=host, here=here))
    console.say(f"{counted(recordings, 'recording')} at {ready.base_url}, until Ctrl-C")

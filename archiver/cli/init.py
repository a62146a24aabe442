"""``archiver init``: a first configuration, short and commented."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import click

from archiver.cli.console import Console
from archiver.cli.outputs import exists_already, write

_BASE_URL = "https://eu.cpaas.bics.com/api/v2/"
_TEMPLATE = """\
# What these mean, and every other key: config.example.yaml, or archiver config show
source:
  base_url: {base_url}
  token: ${{ARCHIVER_TOKEN}}            # taken from the environment; or token_file: /run/secrets/token
  timezone: UTC                       # in which the API writes its times
  audio_hosts: ["*.amazonaws.com"]    # where audio links may point; anything else is refused
destination:
  url: {destination}
manifest:
  url: {manifest}
windows:
  lookback_days: 3                    # listed again by every run, for recordings that appear late
"""


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default="archiver.yaml",
    show_default=True,
    help="The file to write; never an existing one.",
)
@click.option("--no-input", is_flag=True, help="Ask nothing; write the defaults.")
@click.pass_obj
def init(console: Console, output: Path, no_input: bool) -> None:
    """Write a commented configuration of a dozen lines, readable by you alone.

    On a terminal it asks for the API's address and the destination. It never asks for the token: that stays in the
    environment or in a file of its own.
    """
    if output.exists() or output.is_symlink():
        raise exists_already(output)
    from archiver.config.values import api_url, destination_url

    home = output.absolute().parent
    base_url, destination = _BASE_URL, f"file://{quote(str(home / 'archive'))}"
    if not no_input and sys.stdin.isatty():
        base_url = _ask("Root of the voice API", base_url, lambda text: api_url(text, http_on_loopback=False))
        destination = _ask("Destination (s3://BUCKET/PREFIX or file:///PATH)", destination, destination_url)
    manifest = f"sqlite://{quote(str(home / 'archiver-manifest.db'))}"
    text = _TEMPLATE.format(base_url=base_url, destination=_plain(destination), manifest=_plain(manifest))
    write(output, text.encode())
    console.event("config", path=output)
    console.say(f"wrote {output}")
    console.say("next: export ARCHIVER_TOKEN=…, then archiver config validate, archiver doctor, archiver run --dry-run")


def _ask(question: str, default: str, check: Callable[[str], str]) -> str:
    def checked(text: str) -> str:
        try:
            return check(text.strip())
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return str(click.prompt(question, default=default, value_proc=checked, err=True))


def _plain(text: str) -> str:
    """As a YAML scalar that is read back as it is."""
    import yaml

    return yaml.safe_dump(text, width=10_000, allow_unicode=True).removesuffix("...\n").strip().replace("${", "$${")

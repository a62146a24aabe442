"""``python -m tools.corpus build`` and ``python -m tools.corpus report``."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.option("--folder", type=click.Path(path_type=Path), default=Path("corpus"), show_default=True)


@click.group()
def main() -> None:
    """Make the corpus, and measure on it."""


@main.command()
@FOLDER
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed makes another corpus.")
def build(folder: Path, seed: int) -> None:
    """Encode and damage; needs lame, ffmpeg, sox, or the wheels of the extra `corpus`."""
    from tools.corpus.build import build as write  # noqa: PLC0415

    click.echo(f"{write(folder, seed)} files in {folder}", err=True)


@main.command()
@FOLDER
@click.option("--others", is_flag=True, help="Ask mp3val and ffmpeg too.")
@click.option(
    "--decode", is_flag=True, help="A column for the optional decoder, asked where the full level is content."
)
@click.option("--missed", is_flag=True, help="Name every file judged wrong.")
def report(folder: Path, others: bool, decode: bool, missed: bool) -> None:
    """Print the detection matrix; the last line is one JSON object."""
    from tools.corpus.report import report as tell  # noqa: PLC0415

    for line in tell(folder, others=others, decode=decode, verbose=missed):
        click.echo(line)


if __name__ == "__main__":
    main()

"""The global flags: declared once, taken before and after the subcommand alike, kept in ``Console.flags``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

import archiver
from archiver.cli.console import Console

REMINDER = (
    "Global flags, here or before the command (see archiver --help): "
    "-c, -v, -q, --json, --log-format, --progress, --color, --debug."
)


def add_global_flags(command: click.Command, *, hidden: bool) -> None:
    """Give ``command``, and the commands under it, the global flags. Doing it twice does no harm."""
    declared = {name for param in command.params for name in param.opts}
    if "--log-format" not in declared:
        command.params.extend(_options(hidden=hidden))
        if hidden and not isinstance(command, click.Group):
            command.epilog = "\n\n".join(filter(None, (command.epilog, REMINDER)))
    if isinstance(command, click.Group):
        for under in command.commands.values():
            add_global_flags(under, hidden=True)


def _note(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Remember a flag that was given; one that was not must not undo the same flag on the other side."""
    if ctx.get_parameter_source(str(param.name)) is not click.core.ParameterSource.COMMANDLINE:
        return
    console = ctx.ensure_object(Console)
    if param.name == "quiet":
        console.flags = replace(console.flags, verbosity=-1)
    elif param.name == "verbose":
        console.flags = replace(console.flags, verbosity=min(2, max(0, console.flags.verbosity) + value))
    else:
        console.flags = replace(console.flags, **{str(param.name): value})


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"archiver {archiver.__version__}")
        ctx.exit()


def _options(*, hidden: bool) -> list[click.Parameter]:
    common: dict[str, Any] = {"expose_value": False, "callback": _note, "hidden": hidden}
    path = click.Path(path_type=Path, readable=False)  # its reader says what is wrong, and exits 78
    return [
        click.Option(
            ["-c", "--config"],
            type=path,
            metavar="FILE",
            help="Configuration. Default: $ARCHIVER_CONFIG, else ./archiver.yaml.",
            **common,
        ),
        click.Option(["-v", "--verbose"], count=True, help="Say more; -vv says where from.", **common),
        click.Option(["-q", "--quiet"], is_flag=True, help="Warnings and errors only.", **common),
        click.Option(["--json"], is_flag=True, help="Data on stdout as JSON, one object per line.", **common),
        click.Option(
            ["--log-format"],
            type=click.Choice(["auto", "text", "json"]),
            help="Form of the lines on stderr; auto is text.",
            **common,
        ),
        click.Option(
            ["--progress"],
            type=click.Choice(["auto", "off"]),
            help="A live bar on a terminal, else a line every 30 s.",
            **common,
        ),
        click.Option(
            ["--color"],
            type=click.Choice(["auto", "always", "never"]),
            help="auto: on a terminal, unless NO_COLOR is set.",
            **common,
        ),
        click.Option(["--debug"], is_flag=True, help="Tracebacks for unexpected errors.", **common),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            hidden=hidden,
            callback=_version,
            help="Print the version and exit.",
        ),
    ]

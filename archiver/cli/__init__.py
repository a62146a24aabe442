"""The command line: ``main`` is the console entry. One module per command, imported only when it is used.

A command is a click command of its module's name (``archiver.cli.run:run``). It takes the Console with
``@click.pass_obj``, raises an ArchiverError for trouble, and **returns** its ExitCode (None is 0). It does not declare
the global flags: every command has them.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from archiver.cli.console import Console
from archiver.cli.failures import SIGPIPE, explain
from archiver.cli.globals import add_global_flags
from archiver.errors import UsageInvalid

COMMANDS = {
    "demo": "Try it without account or network: archive a sandbox provider's recordings.",
    "init": "Write a commented configuration.",
    "doctor": "Check everything before a run, burning no link.",
    "config": "Check and show the configuration.",
    "run": "List, archive, close periods: the main job.",
    "status": "Counts per state and day, and what is at risk.",
    "report": "How complete the archive is, as a page for people who answer for it.",
    "requeue": "Decide that recordings are to be tried again.",
    "audit": "Check the bucket against the manifest, both ways.",
    "periods": "Closed days: their statements, and whether they hold.",
    "reconcile": "Calls against recordings: which call has none and should.",
    "hold": "Hold recordings for a legal matter, release them, list what is held.",
    "retention": "Extend what is locked to what the policy says now.",
    "dispose": "Delete what is past its retention: plan, review, approve.",
    "manifest": "Rebuild, check or back up the manifest.",
    "probe": "Facts and verdict of local audio files.",
    "sandbox": "Serve a provider on loopback to try or test against.",
}
"""Every command with its short help, in the order of ``--help``: listing them imports none of them."""


OBJECTS_OF_A_START = 200_000
"""Objects made and not freed between two looks for cycles: more than a start makes, which leaves hardly any cycle."""


class _Commands(click.Group):
    """Loads commands by name, and maps every way they end to words and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module_name = f"{__name__}.{cmd_name}"
        try:
            command = getattr(import_module(module_name), cmd_name)
        except ModuleNotFoundError as error:
            if error.name != module_name:
                raise
            raise UsageInvalid(f"the command {cmd_name} is not part of this version") from None
        if not isinstance(command, click.Command):
            raise TypeError(f"{module_name}:{cmd_name} is not a click command")
        add_global_flags(command, hidden=True)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], COMMANDS, n=1)
            raise click.UsageError(f"no such command {args[0]!r}{f' (did you mean {close[0]}?)' if close else ''}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        from archiver.cli.logs import logging_to

        with logging_to(ctx.ensure_object(Console)):
            return super().invoke(ctx)

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]
        """Run the command line ``args`` (default: the process's) and exit with its code."""
        gc.set_threshold(OBJECTS_OF_A_START)
        # Or every package that is installed is looked through for one, at each start.
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
        console = Console()
        extra = {**extra, "obj": console, "standalone_mode": False}
        if sys.stderr is None:  # started with descriptor 2 closed: talk goes nowhere, the work matters more
            sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  # until the process ends
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a file name need not fit the terminal's encoding
                stream.reconfigure(errors="backslashreplace")
        try:
            code = super().main(args, prog_name or "archiver", **extra) or 0
        except (Exception, KeyboardInterrupt, BaseExceptionGroup) as error:
            code = explain(console, error)
        if code == SIGPIPE:
            _forget_stdout()
        sys.exit(int(code))


def _forget_stdout() -> None:
    """Let the interpreter's last flush go nowhere instead of complaining of the broken pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(name="archiver", cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Move call recordings out of a voice API into your own bucket, prove each one whole, lose none in silence.

    Start with archiver demo; then archiver init, doctor, run.
    """


add_global_flags(main, hidden=False)

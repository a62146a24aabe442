"""Every way a command can end, mapped in one place: what is printed on stderr, and the exit code."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType

import click

from archiver.cli.console import Console, OutputClosed
from archiver.cli.redaction import printable
from archiver.errors import PRECEDENCE, ArchiverError, ConfigInvalid, ExitCode, leaves
from archiver.rules.counting import counted

SIGPIPE = 141
"""What a shell reports of a program whose reader went away."""
_EXPECTED = (ArchiverError, click.ClickException, click.Abort, KeyboardInterrupt, OutputClosed)


def explain(console: Console, error: BaseException) -> int:
    """Say on stderr what happened; the exit code for it."""
    found = list(leaves(error))
    unexpected = [leaf for leaf in found if not isinstance(leaf, _EXPECTED)]
    known = [leaf for leaf in found if isinstance(leaf, ArchiverError)]
    if console.flags.debug and (unexpected or known):
        console.put(printable("".join(traceback.format_exception(error)).rstrip()))
    if unexpected:
        return _bug(console, unexpected[0])
    if known:
        return _failure(console, min(known, key=_rank))
    match found[0]:
        case click.exceptions.NoArgsIsHelpError() as asked:
            console.put(asked.format_message())
            return ExitCode.USAGE
        case click.ClickException() as wrong:
            return _usage(console, wrong)
        case OutputClosed() as closed if closed.args:
            console.error(f"stdout cannot be written: {closed.args[0]}", exit_code=ExitCode.BUG)
            return ExitCode.BUG
        case OutputClosed():
            return SIGPIPE
        case _:
            console.warn("interrupted")
            return ExitCode.SIGINT


def _usage(console: Console, error: click.ClickException) -> int:
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "archiver"
    close = getattr(error, "possibilities", None)  # of an option or a command that does not exist
    fact = f"{error.message.rstrip('.')} (did you mean {close[0]}?)" if close else error.format_message().rstrip(".")
    console.error(fact[:1].lower() + fact[1:], f"{command} --help", exit_code=ExitCode.USAGE)
    return ExitCode.USAGE


def _failure(console: Console, error: ArchiverError) -> int:
    code = error.exit_code
    if isinstance(error, ConfigInvalid):
        count = len(error.problems)
        for problem in error.problems:
            # In text without a label: editors and CI jump to lines that begin with path:line:col.
            if console.log_as_json:
                console.error(problem, exit_code=code)
            else:
                console.put(printable(problem))
        console.error(f"the configuration has {counted(count, 'problem')}", error.hint, exit_code=code)
    else:
        console.error(error.fact, error.hint, exit_code=code)
    return code


def _bug(console: Console, error: BaseException) -> int:
    # Not its message: libraries put URLs, tokens and phone numbers into theirs. The system's own words are safe.
    words = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
    fact = f"unexpected {type(error).__name__}{words}{_where(error.__traceback__)}"
    hint = "please report this; --debug shows the traceback"
    console.error(fact, hint if not console.flags.debug else "please report this", exit_code=ExitCode.BUG)
    return ExitCode.BUG


def _where(trace: TracebackType | None) -> str:
    """The innermost place in our own code."""
    package = Path(__file__).parent.parent
    frames = [frame for frame in traceback.extract_tb(trace) if Path(frame.filename).is_relative_to(package)]
    if not frames:
        return ""
    file = Path(frames[-1].filename).relative_to(package.parent)
    return f" at {file}:{frames[-1].lineno}"


def _rank(error: ArchiverError) -> int:
    return PRECEDENCE.index(error.exit_code)

"""What the user sees: stdout is data, stderr is talk.

Every line to stderr (talk, log, errors, tracebacks) goes through ``Console.put``, which takes out secrets and the
queries of URLs. Control characters in what comes from outside are made visible before that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from archiver.cli.jsonline import json_line
from archiver.cli.redaction import Redactor, printable

if TYPE_CHECKING:
    from archiver.cli.jsonlog import JsonLog
    from archiver.config import Loaded

_LABELS = {"warning": "yellow", "error": "red"}


class OutputClosed(Exception):
    """Nobody takes stdout any more: its reader went away (``| head``: no words), or it cannot be written (words)."""


@dataclass(frozen=True, slots=True)
class Flags:
    """The global flags, wherever on the command line they stood."""

    config: Path | None = None
    verbosity: int = 0
    """-1 (-q), 0, 1 (-v), 2 (-vv)."""
    json: bool = False
    log_format: str = "auto"
    progress: str = "auto"
    color: str = "auto"
    debug: bool = False


class Console:
    """The one way to print. It is ``ctx.obj`` of every command: take it with ``@click.pass_obj``."""

    def __init__(self, flags: Flags | None = None, environ: Mapping[str, str] = os.environ) -> None:
        self.flags = flags or Flags()
        self.environ = environ
        self._redactor = Redactor()
        self._write_talk: Callable[[str], object] | None = None
        self._context: dict[str, Any] = {}

    # stdout: data

    def data(self, text: str) -> None:
        """Print a line (or lines) of data. Raises OutputClosed when nobody reads any more.

        What comes from outside (a file's name, a row's field) goes through ``redaction.printable`` first.
        """
        self._to_stdout(text)

    def event(self, kind: str, **fields: Any) -> None:
        """With ``--json``, print one object ``{"type": kind, …}``; otherwise nothing.

        Datetimes become ISO 8601 in UTC with offset; a number that JSON does not know (NaN) becomes null.
        """
        if self.flags.json:
            self._to_stdout(json_line({"type": kind, **fields}))

    # stderr: talk

    def say(self, text: str, **fields: Any) -> None:
        """Tell the user something; silenced by ``-q``. ``fields`` appear in the JSON format only."""
        if self.flags.verbosity >= 0:
            self._talk("info", text, "", fields)

    def warn(self, text: str, hint: str = "", **fields: Any) -> None:
        """Tell the user something that ``-q`` does not silence."""
        self._talk("warning", text, hint, fields)

    def error(self, fact: str, hint: str = "", **fields: Any) -> None:
        """Print ``error: fact`` and ``hint: …``. Commands raise an ArchiverError instead of calling this."""
        self._talk("error", fact, hint, fields)

    def put(self, text: str) -> None:
        """Lines to stderr, cleaned of secrets; escaping and colouring are the caller's. Never raises."""
        text = self._redactor.clean(text)
        try:
            if self._write_talk is not None:
                self._write_talk(text)
            else:
                sys.stderr.write(f"{text}\n")
                sys.stderr.flush()
        except (OSError, ValueError):
            # Nobody listens any more (closed pipe, full disk): the work matters more than the talk.
            return

    @contextmanager
    def talking_through(self, write: Callable[[str], object]) -> Iterator[None]:
        """Send talk and log through ``write`` meanwhile: a live bar has to step aside for each line."""
        self._write_talk = write
        try:
            yield
        finally:
            self._write_talk = None

    def conceal(self, secret: str) -> None:
        """Never let this text through to stderr, as it is or encoded."""
        self._redactor.add(secret)

    def bind(self, **context: Any) -> None:
        """From here on every line of the JSON format carries this: the run, say."""
        self._context.update(context)
        self.__dict__.pop("json_log", None)

    @cached_property
    def json_log(self) -> JsonLog:
        """Makes lines of the JSON format."""
        from archiver.cli.jsonlog import JsonLog

        return JsonLog(self._context)

    # manners

    @property
    def log_as_json(self) -> bool:
        """True for ``--log-format json``, else ``log.format: json``. ``auto`` is text: people read cron's mails."""
        return self.flags.log_format == "json"

    @property
    def live(self) -> bool:
        """True where a bar may be drawn on stderr; otherwise one heartbeat line per 30 s, without carriage returns."""
        wanted = self.flags.progress == "auto" and self.flags.verbosity >= 0 and not self.log_as_json
        return wanted and self._is_terminal(sys.stderr)

    def coloured(self, stream: TextIO | None = None) -> bool:
        """True if ``stream`` (default: stderr) may be coloured: ``--color``, then NO_COLOR, then is it a terminal."""
        if self.flags.color != "auto":
            return self.flags.color == "always"
        return not self.environ.get("NO_COLOR") and self._is_terminal(stream or sys.stderr)

    def paint(self, text: str, colour: str, stream: TextIO | None = None) -> str:
        """``text`` in a colour of click's, where colours are wanted on ``stream`` (default: stderr)."""
        return click.style(text, fg=colour) if self.coloured(stream) else text

    def load_config(self, overrides: Mapping[str, Any] | None = None) -> Loaded:
        """Read the configuration that the flags name; its secrets are concealed from here on, its warnings are said.

        ``overrides`` are the command's own flags by dotted key (``{"limits.concurrency": 8}``), None for "not given".
        Raises ConfigInvalid.
        """
        from archiver.config import load

        loaded = load(self.flags.config, self.environ, overrides)
        self.conceal(loaded.config.source.token.get_secret_value())
        if loaded.config.ping.url is not None:
            self.conceal(loaded.config.ping.url.get_secret_value())
        if self.flags.log_format == "auto":
            self.flags = replace(self.flags, log_format=loaded.config.log.format.value)
        for warning in loaded.warnings:
            self.warn(warning)
        return loaded

    def _talk(self, level: str, text: str, hint: str, fields: Mapping[str, Any]) -> None:
        if self.log_as_json:
            from archiver.clock import SystemClock

            fields = {**({"hint": hint} if hint else {}), **fields}
            self.put(self.json_log.line(SystemClock().now(), level, text, fields))
            return
        label = f"{self.paint(level, _LABELS[level])}: " if level in _LABELS else ""
        self.put(f"{label}{printable(text)}")
        if hint:
            self.put(f"{self.paint('hint', 'cyan')}: {printable(hint)}")

    def _is_terminal(self, stream: TextIO) -> bool:
        return stream.isatty() and self.environ.get("TERM") != "dumb"

    def _to_stdout(self, text: str) -> None:
        if sys.stdout is None:  # started with descriptor 1 closed: >&-
            raise OutputClosed("it is closed")
        try:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
        except BrokenPipeError:
            raise OutputClosed from None
        except OSError as error:  # a full disk behind a redirection
            raise OutputClosed(error.strerror or "error") from None

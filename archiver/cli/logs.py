"""Log lines on stderr, as text or JSON; and silence for libraries whose logs hold URLs, tokens or phone numbers.

Use: ``logging.getLogger(__name__).info("window listed", extra={"day": day, "listed": n})``. The message is a fixed
event name, everything that varies is a field; neither holds a link, a token or a phone number.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from archiver.cli.jsonline import as_json, json_line
from archiver.cli.redaction import printable

if TYPE_CHECKING:
    from archiver.cli.console import Console

SILENCED = (
    *("boto3", "botocore", "s3transfer", "urllib3"),  # signatures and session tokens at DEBUG
    *("opentelemetry", "requests"),  # what the receiver answered; what was not taken is told by us
)
_OWN = "archiver"
_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
_COLOURS = {"debug": "bright_black", "warning": "yellow", "error": "red", "critical": "red"}


class _Handler(logging.Handler):
    """Asks the console at every record: the flags behind the subcommand are read after logging begins."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if record.levelno >= self._threshold(record.name):
                self._console.put(self._line(record))
        except Exception:
            self._console.put("a log line could not be written")

    def _threshold(self, name: str) -> int:
        verbosity = self._console.flags.verbosity
        if verbosity < 0 or name.partition(".")[0] != _OWN:
            return logging.WARNING
        return logging.DEBUG if verbosity else logging.INFO

    def _line(self, record: logging.LogRecord) -> str:
        level, fields = record.levelname.lower(), _fields(record)
        if self._console.flags.verbosity > 1:
            fields["logger"] = record.name
        at = datetime.fromtimestamp(record.created, UTC)
        traceback = ""
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception"] = record.exc_info[0].__name__
            if self._console.flags.debug:
                traceback = logging.Formatter().formatException(record.exc_info)
        if self._console.log_as_json:
            extra = {"traceback": traceback} if traceback else {}
            return self._console.json_log.line(at, level, record.getMessage(), {**fields, **extra})
        pairs = " ".join(f"{key}={_word(value)}" for key, value in as_json(fields).items())
        painted = self._console.paint(level, _COLOURS[level]) if level in _COLOURS else level
        text = printable(f"{record.getMessage()} {pairs}".rstrip()).replace("\n", "\\n")
        return "\n".join(filter(None, (f"{at.isoformat(timespec='seconds')} {painted} {text}", printable(traceback))))


@contextmanager
def logging_to(console: Console) -> Iterator[None]:
    """Meanwhile the program's log goes to ``console``. No verbosity wakes the silenced libraries."""
    for name in SILENCED:
        silent = logging.getLogger(name)
        silent.setLevel(logging.CRITICAL + 1)
        silent.propagate = False
        silent.handlers = [logging.NullHandler()]
    handler, root, own = _Handler(console), logging.getLogger(), logging.getLogger(_OWN)
    before = own.level
    own.setLevel(logging.DEBUG)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        own.setLevel(before)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else json_line({"": value})[4:-1]
    return text if text and not any(blank in text for blank in ' \t\n"=') else json_line({"": text})[4:-1]

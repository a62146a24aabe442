"""Lines on stderr as JSON, one object each: made with structlog, which is imported only where they are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from archiver.cli.jsonline import json_line

_HEAD = ("ts", "level", "event")


class JsonLog:
    """The form of talk and log alike: ``ts``, ``level``, ``event`` (words), what is bound, the fields.

    It renders and does not write: everything on stderr has to go through ``Console.put``.
    """

    def __init__(self, context: Mapping[str, Any]) -> None:
        self._log = structlog.wrap_logger(
            structlog.ReturnLogger(),
            processors=[_in_order, structlog.processors.JSONRenderer(_serialised)],
            wrapper_class=structlog.BoundLogger,
        ).bind(**context)

    def line(self, at: datetime, level: str, event: str, fields: Mapping[str, Any]) -> str:
        """One line, without its line feed."""
        rest = {key: value for key, value in fields.items() if key not in _HEAD}
        return str(self._log.info(event, ts=at.isoformat(timespec="milliseconds"), level=level, **rest))


def _in_order(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {**{name: event.pop(name) for name in _HEAD}, **event}


def _serialised(event: structlog.typing.EventDict, **_: Any) -> str:
    return json_line(event)

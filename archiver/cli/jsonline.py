"""One JSON object per line, made of whatever a command has at hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

_PLAIN = (str, int, bool)


def json_line(fields: Mapping[str, Any]) -> str:
    """A compact JSON object in ASCII, so that no terminal, locale or line splitter can break it."""
    return json.dumps(as_json(fields), separators=(",", ":"), allow_nan=False)


def as_json(value: Any) -> Any:
    """``value`` in JSON's types: datetimes in UTC with offset, spans in seconds, NaN as null, the rest as its text."""
    if value is None or type(value) in _PLAIN:  # nearly all, and several in every event
        return value
    if isinstance(value, Mapping):
        return {str(key): as_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    return _leaf(value)


def _leaf(value: Any) -> Any:
    match value:
        case Enum():
            plain = value.value
        case float():
            plain = value if math.isfinite(value) else None
        case datetime():
            plain = value.astimezone(UTC).isoformat()
        case timedelta():
            plain = value.total_seconds()
        case None | bool() | int():
            plain = value
        case _:
            plain = str(value)
    return plain

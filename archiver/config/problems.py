"""What is wrong with a configuration, where, and what was probably meant. No value is echoed: it may be a secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum
from typing import Any

SHOWN = 60
"""Problems listed before the rest is only counted: a hostile file must not fill a log."""

_LONGEST_KEY = 64
_WORDS = {
    "missing": "is required",
    "extra_forbidden": "unknown key",
    "dict_type": "must be keys with values",
    "model_type": "must be keys with values",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be text (put it in quotes)",
    "tuple_type": "must be a list",
    "path_type": "must be a path",
    "date_type": "must be a date (YYYY-MM-DD)",
    "date_parsing": "must be a date (YYYY-MM-DD)",
    "date_from_datetime_parsing": "must be a date (YYYY-MM-DD)",
    "date_from_datetime_inexact": "must be a date without a time (YYYY-MM-DD)",
}
_BOUNDS = {
    "greater_than_equal": ("must be at least", "ge"),
    "greater_than": ("must be more than", "gt"),
    "less_than_equal": ("must be at most", "le"),
    "less_than": ("must be less than", "lt"),
}


class Precedence(IntEnum):
    """Who has the last word on a value; the greater one wins."""

    DEFAULT = 0
    FILE = 1
    ENVIRONMENT = 2
    FLAG = 3


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from, or where a problem lies."""

    precedence: Precedence
    name: str
    """The file's path, the variable's name, the flag."""
    line: int = 0
    """From 1; 0 where there is none."""
    column: int = 0
    variables: tuple[str, ...] = ()
    """The ``${NAME}`` that were put in."""

    def __str__(self) -> str:
        match self.precedence:
            case Precedence.DEFAULT:
                return "default"
            case Precedence.FILE:
                return f"{self.name}:{self.line}:{self.column}" if self.line else self.name
            case Precedence.ENVIRONMENT:
                return f"environment: {self.name}" if self.name else "environment"
            case Precedence.FLAG:
                return f"flag: {self.name}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend."""

    origin: Origin
    key: str
    """Dotted; empty where the problem is the whole file's."""
    what: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.origin), self.key, self.what) if part)


def in_reading_order(problems: Iterable[Problem]) -> list[str]:
    """The problems as lines, file before environment before flags, cut at ``SHOWN``."""
    ordered = sorted(problems, key=lambda each: (each.origin.precedence, each.origin.line, each.origin.column))
    lines = [str(problem) for problem in ordered[:SHOWN]]
    if len(ordered) > SHOWN:
        lines.append(f"… and {len(ordered) - SHOWN} more problems")
    return lines


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` (did you mean …?)``, or nothing where nothing is close. Very long words are not compared: that is slow."""
    if len(word) > _LONGEST_KEY:
        return ""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""


def shown_key(key: str) -> str:
    """A key as it may be printed: escaped and cut, since it is whatever the file says."""
    return key if re.fullmatch(rf"[\w.-]{{1,{_LONGEST_KEY}}}", key, re.ASCII) else ascii(key[:_LONGEST_KEY])


def in_our_words(error: Mapping[str, Any], given: object) -> str:
    """One pydantic error said for people. ``given`` is only compared with the allowed words, never shown."""
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind in _BOUNDS:
        bound, limit = _BOUNDS[kind]
        return f"{bound} {context[limit]}"
    if kind == "enum":
        words = re.findall(r"'([^']+)'", context["expected"])
        meant = did_you_mean(given, words) if isinstance(given, str) else ""
        return f"must be one of {', '.join(words)}{meant}"
    if kind in {"too_long", "too_short"}:
        wanted = context.get("max_length") if kind == "too_long" else context.get("min_length")
        return f"must have {'at most' if kind == 'too_long' else 'at least'} {wanted} values"
    return _WORDS.get(kind, "is not valid")

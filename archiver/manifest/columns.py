"""Between the program's values and what SQLite's columns hold: text, numbers, bytes and null.

What is written and read passes here, by name and in plain sight: nothing is converted behind the statement's back. The
types say so to mypy, since SQLite's driver would take an aware datetime and write it in a form that sorts wrongly.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from sqlite3 import Cursor
from typing import Any, Protocol

Value = str | int | float | bytes | None
"""What a column can hold. A truth is an int."""
Values = Mapping[str, Value]
"""By the names of columns, or of a statement's parameters."""


class Connection(Protocol):
    """As much of ``sqlite3.Connection`` as a piece of work needs. It begins and ends no transaction."""

    def execute(self, sql: str, parameters: Values = ..., /) -> Cursor:
        """One statement."""

    def executemany(self, sql: str, parameters: Iterable[Values], /) -> Cursor:
        """One statement, once for each."""


def moment(value: datetime | None) -> str | None:
    """An aware datetime in UTC, to the microsecond, so that text compares as time does; ValueError for a naive one."""
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError(f"a time without an offset: {value.isoformat()}")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def moment_of(text: str) -> datetime:
    """Undo ``moment``."""
    return datetime.fromisoformat(text + "+00:00")  # a third of what replacing the zone costs, and the same


def moment_or_none(text: str | None) -> datetime | None:
    """Undo ``moment`` where there may be none."""
    return None if text is None else moment_of(text)


def identifier(value: str) -> str:
    """Any string a source may use as an id, without loss.

    A JSON document can name lone surrogates and NUL, which no database stores as text: such an id, and one with a
    backslash, is kept as a backslash and its ``unicode_escape`` form.
    """
    if value.isascii() and value.isprintable() and "\\" not in value:
        return value
    return "\\" + value.encode("unicode_escape").decode("ascii")


def identifier_of(text: str) -> str:
    """Undo ``identifier``."""
    return text[1:].encode("ascii").decode("unicode_escape") if text.startswith("\\") else text


def words(value: str) -> str:
    """Words for people: what cannot be stored as text is shown escaped."""
    told = value.replace("\0", "\\x00")
    return told if told.isascii() else told.encode("utf-8", "backslashreplace").decode("utf-8")


def to_json(value: Any) -> str:
    """JSON in ASCII: a lone surrogate in a source's row stays the escape that it came as. TypeError if it is none."""
    return _JSON.encode(value)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"not JSON: {type(value).__name__}")


_JSON = json.JSONEncoder(separators=(",", ":"), default=_plain)


def json_of(text: str | None) -> Any:
    """Undo ``to_json``; None for null."""
    return None if text is None else json.loads(text)


def one_of(column: str, words_: Iterable[StrEnum]) -> str:
    """The condition that a column holds one of these words, as the schema says it."""
    return f"({' OR '.join(f'{column} = {word.value!r}' for word in words_)})"


def insertion(table: str, columns: Iterable[str]) -> str:
    """The statement that adds a row; its parameters are named as its columns."""
    names = list(columns)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"


def replacement(table: str, key: str, columns: Iterable[str]) -> str:
    """The statement that adds a row, or changes these columns of the one that has its key."""
    names = list(columns)
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name != key)
    return f"{insertion(table, names)} ON CONFLICT ({key}) DO UPDATE SET {changes}"


def assignments(columns: Iterable[str]) -> str:
    """What stands behind SET; the parameters are named as the columns."""
    return ", ".join(f"{name} = :{name}" for name in columns)

"""The three shapes in which the voice API wraps a report, told apart per response.

================  ==================================================================================
``flat``          ``{"status", "data": [rows]}``: every row at once, no paging
``paged``         ``{"status", "data": {"current_page", "data": [rows], "last_page", "total", …}}``
``resource``      ``{"status", "data": [rows], "links": {…}, "meta": {"last_page", "total", …}}``
================  ==================================================================================

Taking "``data`` is a list" for ``flat`` would archive 15 rows of a ``resource`` answer and report success: ``meta``
is looked at first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archiver.model import Digest
from archiver.source.interface import Answer

UNSAID = object()


class UnusableAnswer(Exception):
    """A 200 that is not a report: an error status, HTML, half a document. Its text is safe to print."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One answer, unwrapped."""

    dialect: str
    rows: tuple[Mapping[str, Any], ...]
    not_rows: int
    """Members of the list that are no objects."""
    total: int | None
    last_page: int | None
    more: bool | None
    """Whether it names a next page (which is looked at, never followed); None where a paged answer does not say."""
    answer: Answer
    """As it came."""


def unwrap(body: bytes) -> Envelope:
    """Read one answer of a report; UnusableAnswer says why it cannot be."""
    try:
        answer = json.loads(body, parse_float=_float, parse_int=_int, parse_constant=str)
    except (ValueError, RecursionError):
        start = body.lstrip()[:1]
        raise UnusableAnswer("the answer is HTML or XML" if start == b"<" else "the answer is not whole JSON") from None
    if not isinstance(answer, dict):
        raise UnusableAnswer(f"the answer is a JSON {type(answer).__name__}, not an object")
    if str(answer.get("status")) not in ("OK", "200"):
        raise UnusableAnswer(f"the answer has status {str(answer.get('status'))[:40]!r}")
    data, meta = answer.get("data"), answer.get("meta")
    kept = _kept(body, answer)
    if isinstance(meta, dict):
        links = answer.get("links")
        next_page = links.get("next", UNSAID) if isinstance(links, dict) else UNSAID
        return _envelope("resource", data, meta, next_page, kept)
    if isinstance(data, dict) and "data" in data:
        return _envelope("paged", data["data"], data, data.get("next_page_url", UNSAID), kept)
    if isinstance(data, list):
        return _envelope("flat", data, {}, None, kept)
    raise UnusableAnswer(f"'data' is {_word(answer)} and no total says that there is nothing")


def _kept(body: bytes, answer: Mapping[str, Any]) -> Answer:
    data, frame, members = answer.get("data"), dict(answer), []
    if isinstance(data, list):
        members, frame["data"] = data, len(data)
    elif isinstance(data, dict) and isinstance(data.get("data"), list):
        members, frame["data"] = data["data"], {**data, "data": len(data["data"])}
    return Answer(Digest.sha256_of(body), len(body), members, frame)


def _envelope(dialect: str, data: object, paging: Mapping[str, Any], next_page: object, body: Answer) -> Envelope:
    more = None if next_page is UNSAID else next_page is not None
    total, last_page = _count(paging.get("total")), _count(paging.get("last_page"))
    if total is None and paging.get("total") is not None:
        raise UnusableAnswer("the stated total is no count")
    if not data and total == 0:  # {}, null, [] or nothing at all, and the source says that this is right
        return Envelope(dialect, (), 0, 0, last_page, more, body)
    if not isinstance(data, list):
        raise UnusableAnswer(f"'data' holds {type(data).__name__} where a total of {total} rows is stated")
    if last_page is None and total is not None:
        last_page = -(-total // max(1, len(data)))
    rows = tuple(row for row in data if isinstance(row, dict))
    return Envelope(dialect, rows, len(data) - len(rows), total, last_page, more, body)


def _count(value: object) -> int | None:
    """A count, which PHP may send as a string; None for anything else, and for what nobody can count."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15 else None


def _float(text: str) -> float | str:
    """A number that is none in JSON once it was read (1e999) stays the text that it was."""
    value = float(text)
    return value if math.isfinite(value) else text


def _int(text: str) -> int | str:
    """So does one whose length no integer should have."""
    return int(text) if len(text) <= 64 else text


def _word(answer: Mapping[str, Any]) -> str:
    if "data" not in answer:
        return "absent"
    return "null" if answer["data"] is None else "an empty object" if answer["data"] == {} else "no list"

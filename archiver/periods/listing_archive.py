"""The kept pages of a listing, read back and held against what they say of themselves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from archiver.gzip_lines import lines_of

LINE_LIMIT = 160 * 2**20
"""Bytes of a row, which may be as long as an answer (``source.api_client.BODY_LIMIT``)."""


@dataclass(frozen=True, slots=True)
class KeptPage:
    """One page."""

    described: dict[str, Any]
    """As a statement lists it."""
    digest: str
    """SHA-256 over its rows as they are read."""
    ids: tuple[str, ...]
    """Of the rows that have one."""


def pages_in(stream: BinaryIO) -> Iterator[KeptPage]:
    """The pages, one at a time; ValueError, perhaps after some of them, for what is no archive. Blocking."""
    lines = lines_of(stream, LINE_LIMIT)
    for line in lines:
        try:
            described = json.loads(line)
            count = described["rows"]
            del described["answer"]
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"a line that describes no page ({type(error).__name__})") from None
        hashed, ids = hashlib.sha256(), []
        for _ in range(count):
            row_line = next(lines, None)
            if row_line is None:
                raise ValueError("a page ends before its last row")
            hashed.update(row_line)
            row = json.loads(row_line)
            if isinstance(row, dict) and isinstance(row.get("id"), str | int):
                ids.append(str(row["id"]))
        yield KeptPage(described, hashed.hexdigest(), tuple(ids))

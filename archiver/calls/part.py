"""A part of a day's call log as bytes: newline JSON, one row a line, gzip. The same rows give the same bytes."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO

from archiver.gzip_lines import lines_of
from archiver.model import Row
from archiver.rules.call_rows import row_of

PART_BYTES = 64 * 2**20
"""Of lines, after which a part ends and another begins: some 130,000 calls."""
LINE_LIMIT = 2**20
"""Bytes of a line: a kept row is far below (``source.rows.ROW_LIMIT``)."""
SIZE_LIMIT = 2 * PART_BYTES
"""No part of ours is larger, even of rows that do not compress."""
MEDIATYPE = "application/gzip"
LEVEL = 6


@dataclass(frozen=True, slots=True)
class PackedPart:
    """A part to be put."""

    content: bytes
    rows: int


def pack(lines: Iterable[bytes], limit: int = PART_BYTES) -> Iterator[PackedPart]:
    """The lines in parts of about ``limit`` bytes before compression; none if there are no lines. Blocking."""
    rest = iter(lines)
    while (line := next(rest, None)) is not None:
        packed = BytesIO()
        rows = size = 0
        with gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=packed, mtime=0) as file:
            while line is not None:
                file.write(line)
                rows, size = rows + 1, size + len(line)
                line = next(rest, None) if size < limit else None
        yield PackedPart(packed.getvalue(), rows)


def unpack(content: bytes) -> Iterator[Row]:
    """The rows of a part, in its order; ValueError, perhaps after some of them, if it is none. Blocking."""
    return (row_of(line) for line in lines_of(BytesIO(content), LINE_LIMIT))

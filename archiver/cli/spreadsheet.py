"""CSV that a spreadsheet opens without acting on what stands in it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

ACTING = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a cell that a spreadsheet takes for a formula begins with; the last four are the full-width forms."""
Cell = str | float | int | None


def safe(value: Cell) -> str:
    """The cell's text. Our own numbers stand as they are; a text that would act is led by an apostrophe."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(value)
    text = value.replace("\0", "")
    return f"'{text}" if text.lstrip(" ").startswith(ACTING) else text


def csv_lines(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table with a head, comma-separated, every text in quotes (RFC 4180)."""
    out = StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([safe(cell) for cell in row] for row in rows)
    return out.getvalue()

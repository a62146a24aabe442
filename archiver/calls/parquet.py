"""A Parquet copy of a part of the call log, for DuckDB, Athena and the like. Needs pyarrow (the extra ``parquet``).

What is known of a call row is a column of strings as the source wrote it; its times are timestamps in UTC as well, and
its duration seconds. What is not known, or is none of these where it should be, stands as JSON in ``other``.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from datetime import tzinfo
from io import BytesIO
from itertools import islice
from typing import Any

from archiver.model import Row
from archiver.source.rows import read_duration, read_time

TEXTS = (
    "id", "call_from", "call_to", "service", "bridge", "status", "duration", "billing", "pulsing", "charges",
    "hangup_by", "dtmf", "location", "region", "provider", "notes", "audio", "audio_length", "storage", "name",
)  # fmt: skip
"""Columns of strings, as the source names them."""
TIMES = ("start_at", "end_at")
ROW_GROUP = 10_000
MEDIATYPE = "application/vnd.apache.parquet"


def available() -> bool:
    """Is pyarrow installed?"""
    return importlib.util.find_spec("pyarrow") is not None


def columns_of(row: Row, zone: tzinfo) -> dict[str, Any]:
    """A row as its copy holds it; ``zone`` is that of the source's times."""
    other = dict(row)
    columns: dict[str, Any] = {}
    for name in TEXTS:
        columns[name] = _text(other.pop(name, None))
    for name in TIMES:
        columns[name] = read_time(row.get(name), zone)
        if columns[name] is not None or row.get(name) is None:
            other.pop(name, None)
    duration = read_duration(row.get("duration"))
    columns["duration_seconds"] = None if duration is None else int(duration.total_seconds())
    columns["other"] = json.dumps(other) if other else None
    return columns


def copy_of(rows: Iterator[Row], zone: tzinfo) -> bytes:
    """The Parquet file of these rows. Blocking; ValueError where they cannot be read."""
    import pyarrow as pa  # noqa: PLC0415  # an optional extra, and slow to import
    from pyarrow import parquet  # noqa: PLC0415

    fields = [
        *((name, pa.string()) for name in TEXTS),
        *((name, pa.timestamp("ms", tz="UTC")) for name in TIMES),
        ("duration_seconds", pa.int64()),
        ("other", pa.string()),
    ]
    schema = pa.schema(fields)
    file = BytesIO()
    with parquet.ParquetWriter(file, schema, compression="snappy") as writer:
        while batch := [columns_of(row, zone) for row in islice(rows, ROW_GROUP)]:
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
    return file.getvalue()


def _text(value: object) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "backslashreplace").decode()

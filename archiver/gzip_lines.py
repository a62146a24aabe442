"""Newline JSON in gzip, read line by line: parts of call logs, ids of statements, pages of listings."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO


def lines_of(stream: BinaryIO, limit: int) -> Iterator[bytes]:
    """The lines, ends included; ValueError, perhaps after some of them, if they are not whole, or one is longer than
    ``limit``. Blocking; closes the stream at the end.
    """
    try:
        with stream, gzip.GzipFile(fileobj=stream) as file:
            while line := file.readline(limit):
                if not line.endswith(b"\n"):
                    raise ValueError("a line without an end")
                yield line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"no whole gzip file ({type(error).__name__})") from None

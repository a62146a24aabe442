"""The names of a directory in order, packed: one of a day may hold hundreds of thousands."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

SORTED_AT_ONCE = 10_000
END = b"\0"
"""Behind each name: no file name has it in it."""


class Names:
    """Names in the order of their bytes. In memory is what they are made of, and little more."""

    def __init__(self, names: Iterable[bytes]) -> None:
        """Takes ``names`` in, in whatever order they come."""
        self._runs: list[bytes] = []
        rest = iter(names)
        while some := sorted(islice(rest, SORTED_AT_ONCE)):
            self._runs.append(END.join([*some, b""]))

    def __iter__(self) -> Iterator[bytes]:
        return heapq.merge(*map(_unpacked, self._runs))


def names_in(folder: Path, start: str) -> Names:
    """Files and directories that begin with ``start``, hidden ones left out; none where there is no such directory.

    A directory ends with a slash, and so sorts as its keys do: ``a.x`` before ``a/b`` before ``ab``. Raises OSError.
    """
    try:
        with os.scandir(folder) as entries:
            return Names(_seen(entries, start))
    except (FileNotFoundError, NotADirectoryError):
        return Names(())


def _seen(entries: Iterable[os.DirEntry[str]], start: str) -> Iterator[bytes]:
    for entry in entries:
        if entry.name.startswith(".") or not entry.name.startswith(start):
            continue
        if entry.is_dir():
            yield os.fsencode(f"{entry.name}/")
        elif entry.is_file():
            yield os.fsencode(entry.name)


def _unpacked(run: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(run):
        end = run.index(END, start)
        yield run[start:end]
        start = end + 1

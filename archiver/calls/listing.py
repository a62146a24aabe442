"""The calls that a listing has named, kept in scratch until it has ended; what of them the bucket does not hold yet.

In memory is what tells rows apart: an id, a time, a place and a digest each, about 200 bytes. The rows themselves lie
in an unnamed scratch file once they are more than a few MiB.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from archiver.model import Call, Row
from archiver.rules.call_rows import DIGEST_BYTES, digest_of, digest_of_all, id_of, line_of, row_of
from archiver.source.listing import moment_of
from archiver.spool_room import unwritable

IN_MEMORY = 4 * 2**20
_ABSENT = bytes(DIGEST_BYTES)


class ListedCalls:
    """A context manager; its methods block and are for one thread at a time. Raises SpoolFull."""

    def __init__(self, scratch: Path | None, among: int = 1) -> None:
        """``scratch``: the directory for the rows; None: the system's. ``among`` so many the memory is shared."""
        self._scratch = scratch
        self._in_memory = IN_MEMORY // among
        self._numbers: dict[str, int] = {}
        self._moments = array("q")
        self._places = array("Q")
        self._sizes = array("L")
        self._digests = bytearray()
        self._end = 0
        self._held = bytearray()
        self._others: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        directory = None if self._scratch is None else str(self._scratch)
        self._file = tempfile.SpooledTemporaryFile(self._in_memory, dir=directory)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def union_size(self) -> int:
        """Distinct ids among the listed rows and those met in the bucket."""
        return len(self._numbers) + len(self._others)

    def add(self, calls: Sequence[Call]) -> None:
        """Take rows in. An id that was named before is replaced: the newest row counts."""
        for call in calls:
            digest = digest_of(call.row)
            number = self._numbers.setdefault(id_of(call.row), len(self._numbers))
            if number == len(self._moments):
                self._moments.append(0)
                self._places.append(0)
                self._sizes.append(0)
                self._digests += _ABSENT
            elif self._digest(self._digests, number) == digest:
                continue  # pages overlap, and a moving list is read more than once
            line = line_of(call.row)
            self._write(line)
            self._moments[number] = int(moment_of(call).timestamp())
            self._places[number], self._sizes[number] = self._end, len(line)
            self._digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES] = digest
            self._end += len(line)

    def rows(self, call_ids: Iterable[str]) -> dict[str, Row]:
        """The rows of those ids that are listed, as they came last."""
        numbers = {call_id: self._numbers[call_id] for call_id in call_ids if call_id in self._numbers}
        return {call_id: row_of(self._read(number)) for call_id, number in numbers.items()}

    def digest(self) -> str:
        """Over all ids and rows, whatever the order they were named in."""
        return digest_of_all(
            (call_id, self._digest(self._digests, self._numbers[call_id])) for call_id in sorted(self._numbers)
        )

    def union_digest(self) -> str:
        """Over ids and rows of both, where the bucket holds every listed row as it stands."""
        listed = {call_id: self._digest(self._digests, number) for call_id, number in self._numbers.items()}
        return digest_of_all(sorted((listed | self._others).items()))

    def forget_union(self) -> None:
        """Nothing has been met in the bucket (any more)."""
        self._held = bytearray(len(self._digests))
        self._others = {}

    def meet(self, rows: Iterable[Row]) -> None:
        """What the next part of the bucket holds: a later part counts more than an earlier one.

        ValueError, and nothing of it counts, if the rows cannot be read to their end.
        """
        pairs = [(id_of(row), digest_of(row)) for row in rows]
        for call_id, digest in pairs:
            number = self._numbers.get(call_id)
            if number is None:
                self._others[call_id] = digest
            else:
                self._held[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES] = digest

    def news(self) -> tuple[int, int]:
        """How many listed rows the bucket does not hold, and how many it holds in other words."""
        new = sum(self._digest(self._held, number) == _ABSENT for number in range(len(self)))
        return new, sum(1 for _ in self._different()) - new

    def lines(self) -> Iterator[bytes]:
        """The rows that the bucket does not hold as they are, by time and id."""
        ids = {number: call_id for call_id, number in self._numbers.items()} if len(self) else {}
        numbers = sorted(self._different(), key=lambda number: (self._moments[number], ids[number]))
        for number in numbers:
            yield self._read(number)

    def _different(self) -> Iterator[int]:
        return (
            number
            for number in range(len(self))
            if self._digest(self._held, number) != self._digest(self._digests, number)
        )

    @staticmethod
    def _digest(digests: bytearray, number: int) -> bytes:
        return bytes(digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES])

    def _write(self, line: bytes) -> None:
        with self._scratch_errors():
            self._file.seek(self._end)
            self._file.write(line)

    def _read(self, number: int) -> bytes:
        with self._scratch_errors():
            self._file.seek(self._places[number])
            return self._file.read(self._sizes[number])

    @contextmanager
    def _scratch_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unwritable(self._scratch, error) from None

"""What a listing was answered, page by page: digests as received, and the pages themselves with every link cut down.

A page in the archive is a line that describes it (``page_line``), then its rows, a line each. The describing line says
how many they are, and ``kept``: the SHA-256 over those lines. Of a listing of several windows each keeps the pages with
its own rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anyio.to_thread import run_sync

from archiver.model import Call, Recording, Window
from archiver.periods.scratch_file import ScratchFile, Section, SectionWriter
from archiver.source.interface import ListingOutcome, Page, Query
from archiver.source.listing import moment_of
from archiver.source.rows import redacted

LIMIT = 256 * 2**20
"""Compressed bytes of one listing: pages beyond are stated with their digests and not kept."""
PAGES_STATED = 10_000
"""Pages that a statement lists; the archive describes all that are in it."""
BLOCK = 10_000
"""Rows, some 5 MB of lines, that are held at once."""
_COMPACT = json.JSONEncoder(separators=(",", ":")).encode
OFF_LOOP = 50
"""Rows of a page from which it is written in a thread."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A listing that has agreed, with its evidence."""

    query: Query
    """Without the page."""
    dialects: tuple[str, ...]
    passes: int
    """The last one agreed."""
    pages: int
    """Of all passes; without those that hold only rows of other windows, where several were listed together."""
    kept: int
    """Of these in the archive."""
    rows: int
    """In these pages."""
    unique: int
    """Distinct ids in the span that was asked: a day wider on both sides than the windows that shared it."""
    totals: tuple[int | None, int | None]
    """As the first and the last page stated them."""
    stated: tuple[dict[str, Any], ...]
    """The describing lines, up to ``PAGES_STATED`` of them, without what surrounds the rows."""
    archive: Section

    def to_json(self, archive: Mapping[str, Any] | None) -> dict[str, Any]:
        """As a statement has it; ``archive``: how it refers to the kept pages."""
        return {
            "query": {"path": self.query.path, "parameters": dict(self.query.parameters)},
            "dialects": list(self.dialects),
            "total": {"before": self.totals[0], "after": self.totals[1]},
            "unique": self.unique,
            "passes": self.passes,
            "agreed_pass": self.passes,
            "rows": self.rows,
            "pages": {"count": self.pages, "kept": self.kept, "stated": list(self.stated)},
            "archive": archive,
        }


@dataclass(slots=True)
class Keeper:
    """Keeps the pages of one listing."""

    file: ScratchFile
    limit: int = LIMIT
    listed: Listed | None = None
    """What it came to; None before the end."""
    pages: int = 0
    _writer: SectionWriter = field(init=False)
    _query: Query | None = None
    _dialects: list[str] = field(default_factory=list)
    _stated: list[dict[str, Any]] = field(default_factory=list)
    _kept: int = 0
    _rows: int = 0
    _totals: list[int | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._writer = self.file.begin()

    async def add(self, page: Page[Recording] | Page[Call]) -> None:
        """Keep a page. Raises SpoolFull."""
        if len(page.answer.members) < OFF_LOOP:
            self._add(page)
        else:
            await run_sync(self._add, page)

    async def end(self, outcome: ListingOutcome) -> None:
        """The listing has agreed: ``listed`` is its evidence. Raises SpoolFull."""
        if self._query is None:
            raise ValueError("a listing without a page")
        archive = await run_sync(self._writer.end)
        self.listed = Listed(
            query=self._query,
            dialects=tuple(self._dialects),
            passes=outcome.passes,
            pages=self.pages,
            kept=self._kept,
            rows=self._rows,
            unique=outcome.unique,
            totals=(self._totals[0], self._totals[-1]),
            stated=tuple(self._stated),
            archive=archive,
        )

    def give_up(self) -> None:
        """Nothing of it is wanted, unless it has ended."""
        if self.listed is None:
            self._writer.give_up()

    def _add(self, page: Page[Recording] | Page[Call]) -> None:
        if self._query is None:
            parameters = {name: value for name, value in page.query.parameters.items() if name != "page"}
            self._query = Query(page.query.path, parameters)
        self.pages += 1
        self._rows += len(page.answer.members)
        self._totals = [*self._totals[:1], page.total]
        self._dialects += [page.dialect] if page.dialect not in self._dialects else []
        described = _described(page)
        if self._writer.written < self.limit:
            self._kept += 1
            blocks = _Blocks(page.answer.members)
            described["kept"] = blocks.digest()
            self._writer.lines(_line({**described, "answer": redacted(dict(page.answer.frame))}))
            for lines in blocks:
                self._writer.lines(lines)
        if len(self._stated) < PAGES_STATED:
            self._stated.append(described)


class Keepers:
    """Keeps the pages of one listing for all its windows: for each those from its first row to its last.

    A window without a row has the page behind the place where its rows would stand. Together they have every page.
    """

    def __init__(self, file: ScratchFile, windows: Sequence[Window]) -> None:
        self.windows = windows
        self.given_up = False
        self._keepers = {window.day: Keeper(file) for window in windows}
        self._newest = self._reached = windows[-1].day
        self._last: Page[Recording] | Page[Call] | None = None

    async def add(self, page: Page[Recording] | Page[Call]) -> None:
        """Keep a page. Raises SpoolFull."""
        if page.number == 1:
            self._reached = self._newest
        days = {moment_of(row).date() for row in page.rows} | {self._reached}
        oldest, newest, self._reached = min(days), max(days), min(days)
        for day, keeper in self._keepers.items():
            if oldest <= day <= newest:
                await keeper.add(page)
        self._last = page

    async def end(self, outcome: ListingOutcome) -> None:
        """The listing has agreed. Raises SpoolFull."""
        for keeper in self._keepers.values():
            if not keeper.pages and self._last is not None:  # older than every row
                await keeper.add(self._last)
            await keeper.end(outcome)

    def give_up(self) -> None:
        """Nothing of it is wanted, unless it has ended."""
        self.given_up = True
        for keeper in self._keepers.values():
            keeper.give_up()

    @property
    def listed(self) -> Mapping[Window, Listed]:
        """The evidence of each; empty unless all have ended."""
        listed = {window: self._keepers[window.day].listed for window in self.windows}
        return {} if None in listed.values() else {window: each for window, each in listed.items() if each is not None}


def _described(page: Page[Recording] | Page[Call]) -> dict[str, Any]:
    return {
        "pass": page.listing_pass,
        "page": page.number,
        "again": page.again,
        "dialect": page.dialect,
        "total": page.total,
        "rows": len(page.answer.members),
        "received": page.answer.digest.hex,
        "size": page.answer.size,
        "kept": None,
    }


class _Blocks:
    """The rows of a page as lines, so many at once. They are gone over twice, since the describing line comes first.

    Most pages are one block, and that one is kept between the two: a list of everything is made twice instead.
    """

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = rows
        self._whole = self._lines(0) if len(rows) <= BLOCK else None

    def __iter__(self) -> Iterator[bytes]:
        if self._whole is not None:
            return iter([self._whole])
        return (self._lines(start) for start in range(0, len(self._rows), BLOCK))

    def digest(self) -> str:
        """SHA-256 over all of them."""
        hashed = hashlib.sha256()
        for lines in self:
            hashed.update(lines)
        return hashed.hexdigest()

    def _lines(self, start: int) -> bytes:
        return b"".join([_line(redacted(row)) for row in self._rows[start : start + BLOCK]])


def _line(value: Any) -> bytes:
    """ASCII: a lone surrogate stays the escape that it came as."""
    return _COMPACT(value).encode() + b"\n"

"""A report of one window, read page by page until it can be believed (``rules.agreement`` says when)."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import Any, Generic

from anyio.to_thread import run_sync

from archiver.model import BadRow, Call, Recording, Window
from archiver.rules.agreement import MAX_PASSES, ListingPass
from archiver.source.ahead import PagesAhead
from archiver.source.dialects import Envelope
from archiver.source.interface import ListingOutcome, Page, Query, RowT

FetchPage = Callable[[Query], Awaitable[Envelope]]
OFF_LOOP = 1000
"""Rows from which an answer is read in a thread: a flat list of 100,000 would hold up the transfers for seconds."""
ReadRow = Callable[[Mapping[str, Any]], tuple[RowT | None, list[BadRow]]]


class ReportListing(Generic[RowT]):
    """Implements the ``Listing`` port over anything that can fetch page N."""

    def __init__(self, window: Window, asked: Query, fetch: FetchPage, read: ReadRow[RowT]) -> None:
        self._window = window
        self._asked = asked
        self._fetch = fetch
        self._read: ReadRow[RowT] = read
        self._outcome: ListingOutcome | None = None

    @property
    def outcome(self) -> ListingOutcome:
        """How it ended; RuntimeError while it has not."""
        if self._outcome is None:
            raise RuntimeError("the listing has not been read to its end")
        return self._outcome

    async def __aiter__(self) -> AsyncGenerator[Page[RowT], None]:
        previous: ListingPass | None = None
        seen: set[str] = set()
        pages = 0
        for number in range(1, MAX_PASSES + 1):
            books = ListingPass()
            async with aclosing(self._one_pass(number, books)) as one_pass:
                async for page in one_pass:
                    yield page
            head = None
            if books.pages > 1:  # there were others to move while they were read
                again = await self._fetch(self._page_query(1))
                yield replace(await self._page(number, 1, again), again=True)
                head = [identity(row) for row in again.rows]
            pages += books.pages + (head is not None)
            seen |= books.seen
            trouble = books.trouble(head)
            # The same ids under the same complaint twice: the list stands still, and its total is simply wrong.
            standing = previous is not None and number > 2 and books.seen == previous.seen
            if not trouble or standing or number == MAX_PASSES:
                total = max((total for total in books.totals if total is not None), default=None)
                self._outcome = ListingOutcome(not trouble, trouble, number, pages, len(seen), total)
                return
            previous = books

    async def _one_pass(self, listing_pass: int, books: ListingPass) -> AsyncGenerator[Page[RowT], None]:
        number = 1
        async with aclosing(PagesAhead(lambda each: self._fetch(self._page_query(each)))) as pages:
            while books.wants_page(number):
                envelope = await pages.page(number, books.last_page)
                ids = [identity(row) for row in envelope.rows]
                books.add(ids, envelope.total, envelope.last_page, envelope.more)
                yield await self._page(listing_pass, number, envelope)
                number += 1

    def _page_query(self, number: int) -> Query:
        # Built by ourselves: the next links carry neither token nor filter, and may point at the other report.
        return Query(self._asked.path, {**self._asked.parameters, "page": str(number)})

    async def _page(self, listing_pass: int, number: int, envelope: Envelope) -> Page[RowT]:
        if len(envelope.rows) < OFF_LOOP:
            return self._read_page(listing_pass, number, envelope)
        return await run_sync(self._read_page, listing_pass, number, envelope)

    def _read_page(self, listing_pass: int, number: int, envelope: Envelope) -> Page[RowT]:
        rows: list[RowT] = []
        bad_rows = [
            BadRow(None, "the row is no object", {"page": number, "number": each}, lost=True)
            for each in range(envelope.not_rows)
        ]
        for each, raw in enumerate(envelope.rows):
            row, problems = self._read_row(raw, number, each)
            inside = row is not None and moment_of(row) in self._window
            if row is not None and inside:
                rows.append(row)
            if row is None or inside:
                bad_rows.extend(problems)
        return Page(
            number,
            tuple(rows),
            tuple(bad_rows),
            envelope.dialect,
            envelope.total,
            listing_pass=listing_pass,
            again=False,
            query=self._page_query(number),
            answer=envelope.answer,
        )

    def _read_row(self, raw: Mapping[str, Any], page: int, each: int) -> tuple[RowT | None, list[BadRow]]:
        try:
            return self._read(raw)
        except Exception as error:
            # Whatever a row holds that we did not think of: it is told and counted, and the others are read.
            words = f"the row cannot be read ({type(error).__name__})"
            return None, [BadRow(None, words, {"page": page, "number": each}, lost=True)]


def moment_of(row: Recording | Call) -> datetime:
    """The time by which a row belongs to a window."""
    return row.created_at if isinstance(row, Recording) else row.end_at or row.start_at


def identity(row: Mapping[str, Any]) -> str:
    """The row's id; where it has none, a digest of what else it says, links left out since they change."""
    if isinstance(row.get("id"), str | int):
        return str(row["id"])
    rest = sorted((name, str(value)) for name, value in row.items() if name != "audio")
    return "row:" + hashlib.sha256(repr(rest).encode("utf-8", "surrogatepass")).hexdigest()

"""Was a paged listing read whole, although rows may move between its pages while it is read?

The source orders newest first and pages by position, so a row inserted while we read pushes others onto the next
page (seen twice, and the new one missed), and a row removed pulls others forward past us (missed, and nothing seen
twice). A pass is *quiet* only if nothing betrays a move:

- every page stated the same ``total``;
- as many distinct ids were seen as that ``total``, none of them on two pages;
- the last page read names no next one;
- the first page, asked for once more at the end, starts with the same ids.

Listing goes on, pass after pass, until one is quiet or passes are spent; rows of all passes count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

MAX_PASSES = 6
MAX_PAGES = 100_000
"""Pages in one pass: 1.5 million rows of 15. A source that claims more is not believed."""
STALL_LIMIT = 3
"""Pages in a row without a new id, after which a pass ends: a source may repeat a page for ever."""


@dataclass(slots=True)
class ListingPass:
    """Keeps the books of one pass over the pages. Ids are opaque; rows without an id are told apart by content."""

    first_ids: tuple[str, ...] | None = None
    seen: set[str] = field(default_factory=set)
    totals: set[int | None] = field(default_factory=set)
    last_page: int | None = None
    """As the newest page stated it."""
    more: bool | None = False
    """Whether the newest page named a next one; None where a paged answer does not say."""
    pages: int = 0
    stalled: int = 0
    repeated: bool = False

    def add(
        self, ids: Sequence[str], total: int | None, last_page: int | None = None, more: bool | None = False
    ) -> None:
        """Account for the next page."""
        fresh = set(ids) - self.seen
        self.repeated = self.repeated or len(fresh) < len(ids)
        self.stalled = 0 if fresh else self.stalled + 1
        self.seen |= fresh
        self.totals.add(total)
        self.last_page, self.more = last_page, more
        self.pages += 1
        if self.first_ids is None:
            self.first_ids = tuple(ids)

    def wants_page(self, number: int) -> bool:
        """True if page ``number`` is worth asking for."""
        if self.pages == 0:
            return True
        if self.stalled >= STALL_LIMIT or number > MAX_PAGES:
            return False
        if self.last_page is not None:
            return number <= self.last_page
        # A paginator that does not count: it names a next page, or all that is left is to try.
        return self.more if self.more is not None else self.stalled == 0

    def trouble(self, head_again: Sequence[str] | None = None) -> str:
        """Why the pass was not quiet, or nothing. ``head_again``: ids of the first page, read once more."""
        if len(self.totals) > 1:
            return "the stated total changed while pages were read"
        (total,) = self.totals or {None}
        if total is not None and len(self.seen) != total:
            return f"{len(self.seen)} distinct ids were seen, {total} are stated"
        if self.repeated:
            return "an id stands in several rows, or rows moved between pages"
        if self.more:
            return "the last page that is stated names a next one"
        if head_again is not None and tuple(head_again) != self.first_ids:
            return "the first page changed while the others were read"
        return ""

"""The port to the voice API. Its contract stands here."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from archiver.model import BadRow, Call, Digest, Link, Recording, TransferFacts, Window
from archiver.rules.windows import ROWS_TOGETHER

RowT = TypeVar("RowT", Recording, Call)


@dataclass(frozen=True, slots=True)
class Query:
    """What was asked, but for the token."""

    path: str
    """Below the voice API's base URL."""
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came, parsed once. Holds signed links: to be kept only with every one of them cut down."""

    digest: Digest
    """SHA-256 of the bytes received."""
    size: int
    members: Sequence[Any] = field(repr=False)
    """The list of rows, with whatever else stands in it."""
    frame: Mapping[str, Any] = field(repr=False)
    """Everything around that list, which is replaced by its length."""


@dataclass(frozen=True, slots=True)
class Page(Generic[RowT]):
    """One answered page of a report, cut down to the asked window. Rows may repeat between pages."""

    number: int
    rows: tuple[RowT, ...]
    bad_rows: tuple[BadRow, ...]
    dialect: str
    """``flat``, ``paged`` or ``resource``."""
    total: int | None
    """Rows of the whole answer (of the wider span that was asked) as the source counts them; None where it does not."""
    listing_pass: int
    """From 1: the list is read again while it moves."""
    again: bool
    """True for the first page asked for once more at the end of a pass."""
    query: Query
    answer: Answer


def can_be_shared(page: Page[Any]) -> bool:
    """False where several windows would be worse off with one listing: its rows have moved, one of them cannot be read
    and might belong to any day, they are too many, or they come in one answer, with links that all begin to die.
    """
    return (
        page.listing_pass == 1
        and not any(bad.lost for bad in page.bad_rows)
        and (page.total or 0) <= 2 * ROWS_TOGETHER
        and page.dialect != "flat"
    )


@dataclass(frozen=True, slots=True)
class ListingOutcome:
    """How a listing ended. ``agreed`` is False where rows moved under every pass: some may be missing."""

    agreed: bool
    reason: str
    passes: int
    pages: int
    unique: int
    """Distinct ids seen in the wider span that was asked."""
    total: int | None


class Listing(Protocol[RowT]):
    """A report of one window, read page by page until unique ids and ``total`` agree.

    Iterate it once; ``outcome`` is set when the iteration has ended. Raises SourceRefused, or SourceFailed after
    retries.
    """

    def __aiter__(self) -> AsyncGenerator[Page[RowT], None]: ...

    @property
    def outcome(self) -> ListingOutcome: ...


class AudioSink(Protocol):
    """Takes a body as it arrives, on the event loop."""

    @property
    def received(self) -> int:
        """Bytes written of this body."""

    def begin_at_once(self, content_length: int | None, digests: Collection[str] = ()) -> bool:
        """As ``begin`` where nothing has to be waited for; False, and nothing is changed, where it has."""

    async def begin(self, content_length: int | None, digests: Collection[str] = ()) -> None:
        """Called before the first byte of every body, with its declared length; discards what was written before.

        ``digests`` names the algorithms (of hashlib) that the origin states a digest of.
        """

    def write(self, chunk: bytes) -> Coroutine[Any, Any, None] | None:
        """The next bytes; what is returned, if anything, is awaited before more are written, or the body ends."""

    async def end(self) -> None:
        """As many bytes were written as declared, and no more come."""

    def digest(self, algorithm: str) -> Digest:
        """Of all that was written, after the end; ``algorithm`` is one of those that ``begin`` named."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The whole body is in the sink."""

    transfer: TransferFacts


@dataclass(frozen=True, slots=True)
class LinkExpired:
    """The origin refused the link as expired: list again, no attempt is used."""


@dataclass(frozen=True, slots=True)
class LinkRefused:
    """The origin, or our own rules, refused the link for another reason than its age."""

    reason: str
    permanent: bool = False
    """True where a fresh link would be refused as well (host not allowed, not https)."""


@dataclass(frozen=True, slots=True)
class AudioGone:
    """The origin says that there is no such audio (404, 410)."""

    reason: str


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """No whole body arrived: cut, reset, timed out, 5xx, or not what was asked. Worth another attempt."""

    reason: str
    retry_after: float | None = None
    """Seconds the origin asked us to wait."""
    outage: bool = False
    """True where the origin is overloaded or down (429, 502 to 504, unreachable): no fault of this audio."""
    pushed_back: bool = False
    """True where it asked to be spared (429, 503)."""


FetchOutcome = Fetched | LinkExpired | LinkRefused | AudioGone | FetchFailed


@dataclass(frozen=True, slots=True)
class Account:
    """The answer of the pre-flight."""

    answered: bool
    fact: str
    clock_skew: float | None
    """Seconds by which the server's clock is ahead of ours; None where it sent no ``Date``."""


class Source(Protocol):
    """The voice API. Rate limited and retried inside; never follows a link or a redirect that it was handed."""

    def recordings(self, window: Window) -> Listing[Recording]:
        """The recordings whose ``created_at`` lies in ``window``, newest first as a rule."""

    def calls(self, window: Window) -> Listing[Call]:
        """The calls that ended in ``window``."""

    async def fetch(self, link: Link, sink: AudioSink) -> FetchOutcome:
        """One GET of the audio; no retries inside. The length is counted before it is called Fetched."""

    def server_time(self) -> datetime:
        """Now, on the server's clock (from its ``Date``), carried on by our monotonic clock."""

    async def account(self) -> Account:
        """Pre-flight: does the token answer? Raises SourceRefused."""

    async def aclose(self) -> None:
        """Close connections."""

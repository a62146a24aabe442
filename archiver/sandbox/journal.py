"""What happened: every request with its answer, transfers at once, and how often each fault's turn has come."""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from archiver.sandbox.dialects import Report
from archiver.sandbox.http import Exchange
from archiver.sandbox.listing_faults import ListingFault, OnAudio, OnListing, SandboxFault
from archiver.sandbox.reply_faults import ReplyFault

Origin = Literal["api", "audio"]
_REMEMBERED = 500_000


@dataclass(frozen=True)
class RequestRecord:
    """One request and its answer. `at` is monotonic seconds, `bytes_sent` counts body bytes; header names are lower
    case.

    `target` is path and query as they came, secrets included: this is a sandbox's memory, not a log.
    """

    origin: Origin
    method: str
    target: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    status: int
    bytes_sent: int
    at: float
    report: Report | None
    page: int | None
    recording_id: str | None


@dataclass
class Entry:
    """A request on its way; the handlers fill in what they find out."""

    origin: Origin
    exchange: Exchange
    report: Report | None = None
    page: int | None = None
    recording_id: str | None = None

    def record(self) -> RequestRecord:
        request = self.exchange.request
        return RequestRecord(
            self.origin,
            request.method,
            request.target,
            request.path,
            request.query,
            request.headers,
            self.exchange.status,
            self.exchange.sent,
            request.at,
            self.report,
            self.page,
            self.recording_id,
        )


class Journal:
    """Written by the server's thread, read by any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque(maxlen=_REMEMBERED)
        self.live_transfers = 0
        self.peak_transfers = 0

    def enter(self, origin: Origin, exchange: Exchange) -> Entry:
        entry = Entry(origin, exchange)
        with self._lock:
            self._entries.append(entry)
        return entry

    def records(self) -> tuple[RequestRecord, ...]:
        with self._lock:
            entries = tuple(self._entries)
        return tuple(entry.record() for entry in entries)

    def clear(self) -> None:
        """Forget the requests and the peak so far."""
        with self._lock:
            self._entries.clear()
            self.peak_transfers = self.live_transfers

    def transfer_begins(self) -> None:
        self.live_transfers += 1
        self.peak_transfers = max(self.peak_transfers, self.live_transfers)

    def transfer_ends(self) -> None:
        self.live_transfers -= 1


class FaultDesk:
    """The faults of the whole sandbox, and whose turn it is."""

    def __init__(self, faults: Iterable[SandboxFault]) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = [_Waiting(fault) for fault in faults]
        self._occurrences: Counter[tuple[str, str, int]] = Counter()

    def inject(self, *faults: SandboxFault) -> None:
        """Add faults while running."""
        with self._lock:
            self._waiting += [_Waiting(fault) for fault in faults]

    def clear(self) -> None:
        """Take all of them away; what recordings bring along stays."""
        with self._lock:
            self._waiting.clear()

    def listing(self, report: Report, page: int) -> list[ListingFault]:
        """Give the faults of this listing request, and count it."""
        active: list[ListingFault] = []
        with self._lock:
            for waiting in self._waiting:
                on = waiting.on
                if isinstance(on, OnListing) and on.meets(report, page) and waiting.turn():
                    active.append(on.fault)
        return active

    def audio(self, recording_id: str) -> list[ReplyFault]:
        """Give the faults of this audio request, and count it."""
        active: list[ReplyFault] = []
        with self._lock:
            for waiting in self._waiting:
                on = waiting.on
                if isinstance(on, OnAudio) and on.meets(recording_id) and waiting.turn():
                    active.append(on.fault)
        return active

    def seen(self, what: Literal["listed", "fetched"], recording_id: str, revision: int) -> int:
        """How often this revision of a recording was listed or fetched before now; counts this time."""
        with self._lock:
            before = self._occurrences[what, recording_id, revision]
            self._occurrences[what, recording_id, revision] += 1
        return before


@dataclass
class _Waiting:
    on: SandboxFault
    seen: int = 0

    def turn(self) -> bool:
        active = self.on.fault.active(self.seen)
        self.seen += 1
        return active


class RateGate:
    """Lets so many requests pass within any stretch of `seconds`."""

    def __init__(self) -> None:
        self._passed: deque[float] = deque()

    def wait(self, limit: int, seconds: float) -> float:
        """Seconds until a request would pass; 0.0 when this one does, which counts it."""
        now = time.monotonic()
        while self._passed and self._passed[0] <= now - seconds:
            self._passed.popleft()
        if len(self._passed) >= limit:
            return self._passed[-limit] + seconds - now
        self._passed.append(now)
        return 0.0

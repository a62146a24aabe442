"""Requests to the voice API: authenticated, rate limited, retried, and never redirected."""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlencode, urlsplit

import anyio
from aiolimiter import AsyncLimiter
from anyio.to_thread import run_sync

from archiver.clock import ServerClock
from archiver.errors import SourceFailed, SourceRefused
from archiver.rules.retry import LISTING, GiveUp
from archiver.source.dialects import Envelope, UnusableAnswer, unwrap
from archiver.wire import Asking, Head, Take, Trouble, Wire, WireFailed, nothing_more, proxy_for

BODY_LIMIT = 128 * 2**20
"""Bytes of one answer: a flat list of some 100,000 rows."""
READ_AT_ONCE = 16 << 10
"""Bytes of an answer as it came. A longer one is read in a worker thread, where it holds up no transfer."""
CONNECTIONS = 8
"""More than ever ask at once: the listing, and days that are listed again."""
REFUSED = (401, 403)
STALL_SECONDS = 60
"""Without a byte: a long list takes its time to be made."""
ANSWER_TIMEOUT = 300.0
"""Seconds for the head of an answer, and for its body, however slowly they drip."""
TROUBLES = {
    Trouble.UNREACHABLE: "cannot connect",
    Trouble.CONNECT_TIMEOUT: "cannot connect in time",
    Trouble.STALLED: "no answer in time",
    Trouble.TOO_LONG: "no whole answer in time",
    Trouble.CUT: "the answer broke off",
}
"""Where the wire's own words are not those of an API."""


class ApiClient:
    """One tenant of the voice API. ``ca_file`` holds the authorities to trust in place of the system's."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        query_auth: bool,
        requests_per_minute: int,
        server_clock: ServerClock,
        ca_file: Path | None,
    ) -> None:
        self._token = token
        self._base_url = base_url
        self._host = urlsplit(base_url).netloc
        self._proxy = proxy_for(base_url, or_else="all")
        self._query_auth = query_auth
        self._server_clock = server_clock
        # Paced per second: a bucket of a whole minute would let two minutes' worth through within one.
        per_second = requests_per_minute / 60
        self._limiter = AsyncLimiter(per_second, 1.0) if per_second >= 1 else AsyncLimiter(1, 1 / per_second)
        self._wire = Wire(CONNECTIONS, ca_file, stall_seconds=STALL_SECONDS)

    async def report(self, path: str, params: Mapping[str, str]) -> Envelope:
        """One page of a report. SourceRefused on 401 and 403; SourceFailed when retries are spent."""
        failures = 0
        while True:
            retry_after = None
            try:
                head, envelope = await self._get(path, params)
                if envelope is not None:
                    return envelope
                trouble = f"answered HTTP {head.status}"
                if not _worth_retrying(head.status):
                    self._fail(path, trouble)
                retry_after = seconds_to_wait(head.headers.get("retry-after"), self._server_clock)
            except UnusableAnswer as error:
                trouble = str(error)
            except WireFailed as failed:
                trouble = f"{self._host}: {_words(failed)}"
            failures += 1
            decision = LISTING.decide(failures, random.random(), retry_after)  # noqa: S311 - jitter, no secret
            if isinstance(decision, GiveUp):
                self._fail(path, f"{trouble} ({failures} tries)")
            await anyio.sleep(decision.delay)

    async def ask(self, path: str) -> int:
        """The status that ``path`` answers with, once, without retries. SourceRefused on 401 and 403."""
        try:
            head, _ = await self._get(path, {}, reading=False)
        except WireFailed as failed:
            raise SourceFailed(f"{self._host}: {_words(failed)}", "check source.base_url and the network") from None
        return head.status

    async def aclose(self) -> None:
        """Close connections."""
        await self._wire.aclose()

    async def _get(self, path: str, params: Mapping[str, str], *, reading: bool = True) -> tuple[Head, Envelope | None]:
        """The head, and what a 200 says where it is to be read. Raises WireFailed, UnusableAnswer, SourceRefused."""
        query = dict(params)
        headers = {"accept": "application/json", "accept-encoding": "gzip", "user-agent": "recording-archiver"}
        if self._query_auth:
            query["access_token"] = self._token
        else:
            headers["authorization"] = f"Bearer {self._token}"
        url = f"{self._base_url}{path}" + (f"?{urlencode(query)}" if query else "")
        asking = Asking(
            "GET",
            url,
            headers,
            proxy=self._proxy,
            head_seconds=ANSWER_TIMEOUT,
            seconds=lambda _: ANSWER_TIMEOUT,
        )
        await self._limiter.acquire()
        head, envelope = await self._exchange(asking, reading)
        if head.status in REFUSED:
            raise SourceRefused(
                f"the voice API refuses the token (HTTP {head.status})",
                "check source.token and source.auth; a token may be bound to IP addresses",
            )
        return head, envelope

    async def _exchange(self, asking: Asking, reading: bool) -> tuple[Head, Envelope | None]:
        body = bytearray()

        def take(chunk: bytes) -> bool:
            body.extend(chunk)
            return len(body) > BODY_LIMIT

        def accept(head: Head) -> Take:
            self._observe(head.headers.get("date"))  # before the body, since a long one takes its time
            return take if head.status not in REFUSED else nothing_more

        head = await self._wire.exchange(asking, accept)
        if not body:
            self._observe(head.headers.get("date"))
        if head.status != 200 or not reading:
            return head, None
        read = partial(_read, bytes(body), head.headers.get("content-encoding", ""))
        return head, read() if len(body) <= READ_AT_ONCE else await run_sync(read)

    def _observe(self, date: str | None) -> None:
        if moment := _http_date(date):
            self._server_clock.observe(moment)

    def _fail(self, path: str, trouble: str) -> NoReturn:
        raise SourceFailed(f"{path}: {trouble}", "check source.base_url; `archiver doctor` looks closer")


def seconds_to_wait(retry_after: str | None, server_clock: ServerClock) -> float | None:
    """``Retry-After`` as seconds, from a number or an HTTP date (RFC 9110, 10.2.3); None if there is none."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.strip().isdigit():
        return float(retry_after)
    moment = _http_date(retry_after)
    return None if moment is None else max(0.0, (moment - server_clock.now()).total_seconds())


def _http_date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text) if text else None
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def _worth_retrying(status: int) -> bool:
    return status in (408, 425, 429) or status >= 500


def _read(body: bytes, coding: str) -> Envelope:
    return unwrap(_decoded(body, coding))


def _decoded(body: bytes, coding: str) -> bytes:
    """The body without its content coding; UnusableAnswer for one that was not asked for, and for too long a body."""
    try:
        match coding.strip().lower():
            case "" | "identity":
                plain = body
            case "gzip" | "x-gzip":
                plain = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(body, BODY_LIMIT + 1)
            case other:
                raise UnusableAnswer(f"the answer is encoded as {other[:20]!r}, which was not asked for")
    except zlib.error:
        raise UnusableAnswer("the answer is not whole gzip") from None
    if len(plain) > BODY_LIMIT:
        raise UnusableAnswer(f"the answer is longer than {BODY_LIMIT} bytes")
    return plain


def _words(failed: WireFailed) -> str:
    return TROUBLES.get(failed.trouble, failed.trouble.value)

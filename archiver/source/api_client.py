"""Requests to the voice API: authenticated, rate limited, retried, and never redirected."""

from __future__ import annotations

import random
import ssl
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NoReturn
from urllib.parse import urlsplit

import anyio
import httpx2
from aiolimiter import AsyncLimiter

from archiver.clock import ServerClock
from archiver.errors import SourceFailed, SourceRefused
from archiver.rules.retry import LISTING, GiveUp
from archiver.source.dialects import Envelope, UnusableAnswer, unwrap

BODY_LIMIT = 128 * 2**20
"""Bytes of one answer: a flat list of some 100,000 rows."""
OFF_LOOP = 256 * 2**10
"""Bytes from which an answer is parsed in a thread, not to hold up the transfers."""
TIMEOUT = httpx2.Timeout(60.0, connect=10.0)
ANSWER_TIMEOUT = 300.0
"""Seconds for one whole answer, however slowly it drips."""


class ApiClient:
    """One tenant of the voice API."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        query_auth: bool,
        requests_per_minute: int,
        server_clock: ServerClock,
        trust: ssl.SSLContext,
    ) -> None:
        self._token = token
        self._host = urlsplit(base_url).netloc
        self._query_auth = query_auth
        self._server_clock = server_clock
        # Paced per second: a bucket of a whole minute would let two minutes' worth through within one.
        per_second = requests_per_minute / 60
        self._limiter = AsyncLimiter(per_second, 1.0) if per_second >= 1 else AsyncLimiter(1, 1 / per_second)
        self._http = httpx2.AsyncClient(base_url=base_url, timeout=TIMEOUT, follow_redirects=False, verify=trust)

    async def report(self, path: str, params: Mapping[str, str]) -> Envelope:
        """One page of a report. SourceRefused on 401 and 403; SourceFailed when retries are spent."""
        failures = 0
        while True:
            retry_after = None
            try:
                status, headers, body = await self._get(path, params)
                if status == 200:
                    return await self._unwrap(body)
                trouble = f"answered HTTP {status}"
                if not _worth_retrying(status):
                    self._fail(path, trouble)
                retry_after = seconds_to_wait(headers.get("Retry-After"), self._server_clock)
            except UnusableAnswer as error:
                trouble = str(error)
            except (httpx2.HTTPError, TimeoutError) as error:
                trouble = f"{self._host}: {_words(error)}"
            failures += 1
            decision = LISTING.decide(failures, random.random(), retry_after)  # noqa: S311 - jitter, no secret
            if isinstance(decision, GiveUp):
                self._fail(path, f"{trouble} ({failures} tries)")
            await anyio.sleep(decision.delay)

    async def ask(self, path: str) -> int:
        """The status that ``path`` answers with, once, without retries. SourceRefused on 401 and 403."""
        try:
            status, _, _ = await self._get(path, {})
        except (httpx2.HTTPError, TimeoutError, UnusableAnswer) as error:
            raise SourceFailed(f"{self._host}: {_words(error)}", "check source.base_url and the network") from None
        return status

    async def aclose(self) -> None:
        """Close connections."""
        await self._http.aclose()

    async def _get(self, path: str, params: Mapping[str, str]) -> tuple[int, httpx2.Headers, bytes]:
        """Status, headers and body; raises httpx2.HTTPError, TimeoutError, UnusableAnswer, SourceRefused."""
        query = dict(params)
        headers = {"Accept": "application/json"}
        if self._query_auth:
            query["access_token"] = self._token
        else:
            headers["Authorization"] = f"Bearer {self._token}"
        await self._limiter.acquire()
        with anyio.fail_after(ANSWER_TIMEOUT):
            async with self._http.stream("GET", path, params=query, headers=headers) as response:
                self._observe(response.headers.get("Date"))
                if response.status_code in (401, 403):
                    raise SourceRefused(
                        f"the voice API refuses the token (HTTP {response.status_code})",
                        "check source.token and source.auth; a token may be bound to IP addresses",
                    )
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > BODY_LIMIT:
                        raise UnusableAnswer(f"the answer is longer than {BODY_LIMIT} bytes")
        return response.status_code, response.headers, bytes(body)

    async def _unwrap(self, body: bytes) -> Envelope:
        if len(body) < OFF_LOOP:
            return unwrap(body)
        return await anyio.to_thread.run_sync(unwrap, body)

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


def _words(error: Exception) -> str:
    """What went wrong on the wire, without the URL that httpx puts into its texts."""
    return {
        "ConnectError": "cannot connect",
        "ConnectTimeout": "cannot connect in time",
        "ReadTimeout": "no answer in time",
        "TimeoutError": "no whole answer in time",
        "ReadError": "the connection broke",
        "RemoteProtocolError": "the answer broke off",
    }.get(type(error).__name__, type(error).__name__)

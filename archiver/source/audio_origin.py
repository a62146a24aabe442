"""One GET of one presigned link: bytes counted, digests held against what the origin states, nothing followed."""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio
import httpcore2
import httpx2

from archiver.clock import ServerClock
from archiver.model import Completeness, Digest, Link, TransferFacts
from archiver.rules.networks import networks_meant
from archiver.rules.origin import refusal
from archiver.source.api_client import seconds_to_wait
from archiver.source.interface import (
    AudioGone,
    AudioSink,
    Fetched,
    FetchFailed,
    FetchOutcome,
    LinkExpired,
    LinkRefused,
)
from archiver.source.pinning import AddressRefused, PinnedBackend, Pins, Resolve, system_resolver

if TYPE_CHECKING:
    from hashlib import _Hash

TIMEOUT = httpx2.Timeout(30.0, connect=10.0)
"""Between two pieces of a body; the whole is bounded by ``longest_transfer``."""
HEADERS_TIMEOUT = 60.0
"""Seconds until the head of an answer is complete, however slowly it drips; so long for a refusal's body, too."""
SLOWEST = 4 * 2**10
"""Bytes per second: below that a transfer is cut off."""
CHECKSUM_HEADERS = {"md5": "Content-MD5", "sha1": "x-amz-checksum-sha1", "sha256": "x-amz-checksum-sha256"}
ERROR_BODY_LIMIT = 16 * 2**10
EXPIRED = re.compile(rb"Request has expired|<Code>ExpiredToken</Code>|<Code>RequestExpired</Code>")
"""How S3 says that a link is too old: AccessDenied with this message; the codes are for temporary credentials."""
S3_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")


class _PinnedTransport(httpx2.AsyncHTTPTransport):
    """httpx2's own, connecting only to addresses that were resolved and checked here."""

    def __init__(self, pins: Pins, connections: int, trust: ssl.SSLContext) -> None:
        super().__init__(verify=trust)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=trust,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=5.0,
            network_backend=PinnedBackend(pins),
        )


class AudioOrigin:
    """Where links point: S3, as a rule. Knows no token."""

    def __init__(
        self,
        audio_hosts: Sequence[str],
        *,
        audio_networks: Sequence[str],
        allow_insecure_loopback: bool,
        connections: int,
        server_clock: ServerClock,
        trust: ssl.SSLContext,
        resolve: Resolve = system_resolver,
    ) -> None:
        self._audio_hosts = tuple(audio_hosts)
        self._allow_insecure_loopback = allow_insecure_loopback
        self._server_clock = server_clock
        self._http = httpx2.AsyncClient(
            timeout=TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            transport=_PinnedTransport(
                Pins(networks_meant(audio_networks, audio_hosts, loopback=allow_insecure_loopback), resolve),
                connections,
                trust,
            ),
            headers={"Accept-Encoding": "identity", "Accept": "*/*"},
        )

    async def fetch(self, link: Link, sink: AudioSink) -> FetchOutcome:
        """See ``Source.fetch``."""
        if reason := refusal(link.url, self._audio_hosts, self._allow_insecure_loopback):
            return LinkRefused(reason, permanent=True)
        try:
            with anyio.fail_after(HEADERS_TIMEOUT) as bound:
                async with self._http.stream("GET", link.url) as response:
                    if response.status_code != 200:
                        return await self._refused(response)
                    bound.deadline = anyio.current_time() + longest_transfer(_declared_length(response))
                    return await _receive(response, sink)
        except httpx2.InvalidURL:
            return LinkRefused("the link is not a URL", permanent=True)
        except AddressRefused as refused:
            return LinkRefused(str(refused), permanent=True)
        except TimeoutError:
            return FetchFailed("the transfer took too long")
        except httpx2.HTTPError as error:
            return FetchFailed(_words(error), outage=isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout))

    async def aclose(self) -> None:
        """Close connections."""
        await self._http.aclose()

    async def _refused(self, response: httpx2.Response) -> FetchOutcome:
        status = response.status_code
        body = await _error_body(response)
        code = S3_CODE.search(body)
        words = f"HTTP {status}" + (f" {code[1].decode()}" if code else "")
        if status in (400, 403) and EXPIRED.search(body):
            return LinkExpired()
        if status in (404, 410):
            return AudioGone(words)
        if status in (206, 408, 425, 429) or status >= 500:
            wait = seconds_to_wait(response.headers.get("Retry-After"), self._server_clock)
            return FetchFailed(words, wait, outage=status in (429, 502, 503, 504))
        return LinkRefused(f"{words}, a redirect, which is never followed" if 300 <= status < 400 else words)


def longest_transfer(length: int | None) -> float:
    """Seconds that a body of this length may take; an hour where none is declared."""
    return 3600.0 if length is None else 60.0 + length / SLOWEST


async def _receive(response: httpx2.Response, sink: AudioSink) -> FetchOutcome:
    headers = response.headers
    coding = headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        return FetchFailed(f"the body is encoded as {coding[:20]!r}, which was not asked for")
    length = _declared_length(response)
    stated = _stated_digests(headers)
    etag = _md5_of_etag(headers)
    hashers: dict[str, _Hash] = {digest.algorithm: hashlib.new(digest.algorithm) for digest in (*stated, *etag)}
    received = 0
    await sink.begin(length)
    async for chunk in response.aiter_raw():
        received += len(chunk)
        await sink.write(chunk)
        for hasher in hashers.values():
            hasher.update(chunk)
    if length is not None and received != length:
        return FetchFailed(f"{received} bytes arrived of {length}")
    held = {digest for digest in (*stated, *etag) if hashers[digest.algorithm].hexdigest() == digest.hex}
    for digest in stated:
        if digest not in held:
            return FetchFailed(f"the bytes do not have the {digest.algorithm} that the origin states")
    return Fetched(
        TransferFacts(
            received=received,
            content_length=length,
            completeness=_completeness(headers, length),
            content_type=headers.get("Content-Type"),
            origin_digests=tuple(sorted(held)),
            etag_differs=any(digest not in held for digest in etag),
        )
    )


def _declared_length(response: httpx2.Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _completeness(headers: httpx2.Headers, length: int | None) -> Completeness:
    if length is not None:
        return Completeness.LENGTH
    chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    return Completeness.CHUNKED if chunked else Completeness.CLOSE


def _stated_digests(headers: httpx2.Headers) -> tuple[Digest, ...]:
    """Digests of the whole body that mean nothing else. A composite checksum (of parts) carries a dash."""
    digests = []
    for algorithm, name in CHECKSUM_HEADERS.items():
        text = headers.get(name, "")
        if not text or "-" in text or headers.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
            continue
        try:
            digests.append(Digest(algorithm, base64.b64decode(text, validate=True).hex()))
        except ValueError:
            continue  # not base64: it states nothing
    return tuple(digests)


def _md5_of_etag(headers: httpx2.Headers) -> tuple[Digest, ...]:
    """The ETag as an MD5, where it may be one: single part, and not encrypted with a key of its own."""
    own_key = "x-amz-server-side-encryption-customer-algorithm" in headers
    if own_key or headers.get("x-amz-server-side-encryption", "").startswith("aws:kms"):
        return ()
    plain = re.fullmatch(r'"?([0-9a-f]{32})"?', headers.get("ETag", ""))
    return (Digest("md5", plain[1]),) if plain else ()


async def _error_body(response: httpx2.Response) -> bytes:
    body = bytearray()
    with anyio.move_on_after(10):
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) >= ERROR_BODY_LIMIT:
                break
    return bytes(body[:ERROR_BODY_LIMIT])


def _words(error: Exception) -> str:
    """What went wrong on the wire; never the error's own text, which holds the URL."""
    return {
        "ConnectError": "the audio's host cannot be reached",
        "ConnectTimeout": "the audio's host cannot be reached in time",
        "ReadTimeout": "no further bytes in time",
        "ReadError": "the connection broke",
        "RemoteProtocolError": "the transfer broke off",
    }.get(type(error).__name__, type(error).__name__)

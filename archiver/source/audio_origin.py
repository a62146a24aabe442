"""One GET of one presigned link: bytes counted, digests held against what the origin states, nothing followed."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

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
from archiver.source.pinning import AddressRefused, Pins, Resolve, system_resolver
from archiver.wire import Asking, Head, Take, Trouble, Wire, WireFailed, nothing_more

HEADERS_TIMEOUT = 60.0
"""Seconds until the head of an answer is complete, however slowly it drips; so long for a refusal's body, too."""
SLOWEST = 4 * 2**10
"""Bytes per second: below that a transfer is cut off."""
CHECKSUM_HEADERS = {"md5": "content-md5", "sha1": "x-amz-checksum-sha1", "sha256": "x-amz-checksum-sha256"}
ERROR_BODY_LIMIT = 16 * 2**10
EXPIRED = re.compile(rb"Request has expired|<Code>ExpiredToken</Code>|<Code>RequestExpired</Code>")
"""How S3 says that a link is too old: AccessDenied with this message; the codes are for temporary credentials."""
HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "recording-archiver"}
NOT_SENT_AS_IT_IS = re.compile(r"[ \x80-\U0010ffff]+")
TROUBLES = {
    Trouble.UNREACHABLE: "the audio's host cannot be reached",
    Trouble.CONNECT_TIMEOUT: "the audio's host cannot be reached in time",
    Trouble.UNTRUSTED: "the audio's host cannot be trusted: no TLS connection",
    Trouble.TOO_LONG: "the transfer took too long",
}
"""Where the wire's own words are not enough."""
MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
"""RFC 6838, 4.2."""
S3_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")


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
        ca_file: Path | None = None,
        resolve: Resolve = system_resolver,
    ) -> None:
        self._audio_hosts = tuple(audio_hosts)
        self._allow_insecure_loopback = allow_insecure_loopback
        self._server_clock = server_clock
        self._pins = Pins(networks_meant(audio_networks, audio_hosts, loopback=allow_insecure_loopback), resolve)
        self._wire = Wire(connections, ca_file)

    async def fetch(self, link: Link, sink: AudioSink) -> FetchOutcome:
        """See ``Source.fetch``."""
        if reason := refusal(link.url, self._audio_hosts, self._allow_insecure_loopback):
            return LinkRefused(reason, permanent=True)
        parts = urlsplit(link.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        trouble = Trouble.UNREACHABLE
        try:
            addresses = await self._pins.addresses(str(parts.hostname), port)
        except AddressRefused as refused:
            return LinkRefused(str(refused), permanent=True)
        except TimeoutError:
            return FetchFailed(TROUBLES[Trouble.CONNECT_TIMEOUT], outage=True)
        except OSError:
            return FetchFailed(TROUBLES[trouble], outage=True)
        for address in addresses:
            try:
                return await self._fetch(link.url, address, sink)
            except WireFailed as failed:
                trouble = failed.trouble
                if trouble not in (Trouble.UNREACHABLE, Trouble.CONNECT_TIMEOUT):
                    break
        if trouble is Trouble.MALFORMED:
            return LinkRefused("the link is not a URL", permanent=True)
        outage = trouble in (Trouble.UNREACHABLE, Trouble.CONNECT_TIMEOUT)
        return FetchFailed(TROUBLES.get(trouble, trouble.value), outage=outage)

    async def _fetch(self, url: str, address: str, sink: AudioSink) -> FetchOutcome:
        """Raises WireFailed, and what the sink raises."""
        body = _Body(sink)
        asking = Asking(
            "GET", sendable(url), HEADERS, address=address, head_seconds=HEADERS_TIMEOUT, seconds=_seconds_for
        )
        try:
            head = await self._wire.exchange(asking, body.accept)
        except WireFailed as failed:
            if failed.trouble is Trouble.CUT and body.length is not None:
                return FetchFailed(f"{body.received} bytes arrived of {body.length}")
            raise
        if head.status != 200:
            return self._refused(head.status, head.headers, bytes(body.words))
        return await body.outcome(head)

    async def aclose(self) -> None:
        """Close connections."""
        await self._wire.aclose()

    def _refused(self, status: int, headers: Mapping[str, str], body: bytes) -> FetchOutcome:
        code = S3_CODE.search(body)
        words = f"HTTP {status}" + (f" {code[1].decode()}" if code else "")
        if status in (400, 403) and EXPIRED.search(body):
            return LinkExpired()
        if status in (404, 410):
            return AudioGone(words)
        if status in (206, 408, 425, 429) or status >= 500:
            wait = seconds_to_wait(headers.get("retry-after"), self._server_clock)
            return FetchFailed(words, wait, outage=status in (429, 502, 503, 504), pushed_back=status in (429, 503))
        return LinkRefused(f"{words}, a redirect, which is never followed" if 300 <= status < 400 else words)


def longest_transfer(length: int | None) -> float:
    """Seconds that a body of this length may take; an hour where none is declared."""
    return 3600.0 if length is None else 60.0 + length / SLOWEST


def _seconds_for(head: Head | None) -> float:
    """A refusal's body may take as long as a head."""
    return HEADERS_TIMEOUT if head is None or head.status != 200 else longest_transfer(head.length)


def sendable(url: str) -> str:
    """The URL with what may not stand in a request line escaped; control characters are left for libcurl to refuse."""
    return NOT_SENT_AS_IT_IS.sub(lambda found: quote(found[0]), url)


class _Body:
    """Takes an answer's body: audio goes into the sink, a refusal's words are kept."""

    def __init__(self, sink: AudioSink) -> None:
        self._sink = sink
        self._head: Head | None = None
        self._stated: tuple[Digest, ...] = ()
        self._etag: tuple[Digest, ...] = ()
        self.words = bytearray()

    @property
    def length(self) -> int | None:
        """As declared, of audio that has begun."""
        return self._head.length if self._head is not None else None

    @property
    def received(self) -> int:
        """Bytes of audio."""
        return self._sink.received if self._head is not None else 0

    def accept(self, head: Head) -> Take:
        """Where the body goes."""
        if head.status != 200:
            return self._keep
        if _encoding(head.headers):
            return nothing_more
        if self._begin_at_once(head):
            return self._sink.write
        return lambda chunk: self._sink.write(chunk) if self._head is not None else self._begin_with(head, chunk)

    async def outcome(self, head: Head) -> FetchOutcome:
        """Of a 200, once its body has ended."""
        headers = head.headers
        if coding := _encoding(headers):
            return FetchFailed(f"the body is encoded as {coding[:20]!r}, which was not asked for")
        if self._head is None and not self._begin_at_once(head):
            await self._begin_with(head, b"")
        length = head.length
        if length is not None and self.received != length:
            return FetchFailed(f"{self.received} bytes arrived of {length}")
        await self._sink.end()
        held = {each for each in (*self._stated, *self._etag) if self._sink.digest(each.algorithm) == each}
        for digest in self._stated:
            if digest not in held:
                return FetchFailed(f"the bytes do not have the {digest.algorithm} that the origin states")
        return Fetched(
            TransferFacts(
                received=self.received,
                content_length=length,
                completeness=_completeness(headers, length),
                content_type=_media_type(headers),
                origin_digests=tuple(sorted(held)),
                etag_differs=any(digest not in held for digest in self._etag),
            )
        )

    def _begin_at_once(self, head: Head) -> bool:
        self._stated, self._etag = _stated_digests(head.headers), _md5_of_etag(head.headers)
        if self._sink.begin_at_once(head.length, self._algorithms):
            self._head = head
        return self._head is not None

    async def _begin_with(self, head: Head, chunk: bytes) -> None:
        await self._sink.begin(head.length, self._algorithms)
        self._head = head
        if written := self._sink.write(chunk):
            await written

    @property
    def _algorithms(self) -> list[str]:
        return [digest.algorithm for digest in (*self._stated, *self._etag)]

    def _keep(self, chunk: bytes) -> bool:
        self.words += chunk[: ERROR_BODY_LIMIT - len(self.words)]
        return len(self.words) >= ERROR_BODY_LIMIT


def _media_type(headers: Mapping[str, str]) -> str | None:
    """Type and subtype, if it is one: the rest of the header is the origin's to fill, and this goes into a sidecar."""
    said = headers.get("content-type", "").partition(";")[0].strip().lower()
    return said if MEDIA_TYPE.fullmatch(said) else None


def _encoding(headers: Mapping[str, str]) -> str:
    """The content coding, if there is one."""
    coding = headers.get("content-encoding", "").strip().lower()
    return "" if coding == "identity" else coding


def _completeness(headers: Mapping[str, str], length: int | None) -> Completeness:
    if length is not None:
        return Completeness.LENGTH
    chunked = "chunked" in headers.get("transfer-encoding", "").lower()
    return Completeness.CHUNKED if chunked else Completeness.CLOSE


def _stated_digests(headers: Mapping[str, str]) -> tuple[Digest, ...]:
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


def _md5_of_etag(headers: Mapping[str, str]) -> tuple[Digest, ...]:
    """The ETag as an MD5, where it may be one: single part, and not encrypted with a key of its own."""
    own_key = "x-amz-server-side-encryption-customer-algorithm" in headers
    if own_key or headers.get("x-amz-server-side-encryption", "").startswith("aws:kms"):
        return ()
    plain = re.fullmatch(r'"?([0-9a-f]{32})"?', headers.get("etag", ""))
    return (Digest("md5", plain[1]),) if plain else ()

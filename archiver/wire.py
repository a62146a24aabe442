"""HTTP for the hot path: one exchange at a time in a worker thread, over libcurl, which works without Python's lock.

Nothing is followed, decoded or retried here. Connections are kept and used again, the most recently used one first.
libcurl's own texts carry URLs and are never passed on.
"""

from __future__ import annotations

import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import pycurl
from anyio import CapacityLimiter, from_thread

CONNECT_SECONDS = 10
STALL_SECONDS = 30
"""Without a byte in either direction."""
BUFFER = 256 << 10
IDLE_SECONDS = 50
"""After which a connection is not used again: before most servers close it."""
LOOK_ROUND = 0.2
"""Seconds between two looks at cancellation and deadlines."""
ASK_FIRST_FROM = 8 << 20
"""Bytes of a body from which the server is asked first (``Expect: 100-continue``): it costs a round trip, and up to a
second where that is not known; but a refusal comes before the upload."""


class Trouble(Enum):
    """Why there was no whole answer."""

    MALFORMED = "this is not a URL"
    UNREACHABLE = "cannot be reached"
    CONNECT_TIMEOUT = "cannot be reached in time"
    UNTRUSTED = "no trusted TLS connection"
    STALLED = "no further bytes in time"
    TOO_LONG = "took too long"
    BROKE = "the connection broke"
    CUT = "the transfer broke off"


class WireFailed(Exception):
    """An exchange that came to no whole answer."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble


_TROUBLES = {
    pycurl.E_URL_MALFORMAT: Trouble.MALFORMED,
    pycurl.E_UNSUPPORTED_PROTOCOL: Trouble.MALFORMED,
    pycurl.E_COULDNT_CONNECT: Trouble.UNREACHABLE,
    pycurl.E_COULDNT_RESOLVE_HOST: Trouble.UNREACHABLE,
    pycurl.E_COULDNT_RESOLVE_PROXY: Trouble.UNREACHABLE,
    pycurl.E_PEER_FAILED_VERIFICATION: Trouble.UNTRUSTED,
    pycurl.E_SSL_CONNECT_ERROR: Trouble.UNTRUSTED,
    pycurl.E_SSL_CACERT_BADFILE: Trouble.UNTRUSTED,
    pycurl.E_PARTIAL_FILE: Trouble.CUT,
    pycurl.E_GOT_NOTHING: Trouble.CUT,
}


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of an answer: names in lower case, repeated ones joined by commas."""

    status: int
    headers: Mapping[str, str]

    @property
    def length(self) -> int | None:
        """``Content-Length``, where it is one."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() else None


Take = Callable[[bytes], object]
"""Takes each piece of a body, in the worker thread; something true if no more is wanted. What it raises ends it."""
Accept = Callable[[Head], Take]
"""Asked once, in the worker thread, when the first piece of a body has come."""


class Upload(Protocol):
    """The body of a request, read from where it stands and, if a connection breaks, once more."""

    def read(self, size: int, /) -> bytes: ...
    def seek(self, offset: int, whence: int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Asking:
    """A request."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    upload: Upload | None = None
    size: int = 0
    """Bytes of it."""
    address: str | None = None
    """Connect to this numeric address, whatever the URL's host; the host is still whom the certificate must name."""
    proxy: str = ""
    """URL of a proxy; nothing means none, whatever the environment says."""
    head_seconds: float = 60.0
    """Until the head of the answer is complete."""
    seconds: Callable[[Head | None], float] = lambda _: 3600.0
    """For the whole exchange; asked again when the head is known."""
    once: bool = False
    """On a new connection: where a kept one ends without an answer, libcurl sends the request again by itself."""


class Wire:
    """Exchanges with one kind of server; ``ca_file`` holds the authorities to trust in place of the system's.

    ``stall_seconds``: without a byte in either direction.
    """

    def __init__(self, connections: int, ca_file: Path | None = None, *, stall_seconds: int = STALL_SECONDS) -> None:
        self.threads = CapacityLimiter(connections)
        """For those who exchange: each needs a thread and a connection."""
        self._ca_file = ca_file
        self._stall_seconds = stall_seconds
        self._idle: deque[pycurl.Curl] = deque()

    def exchange(self, asking: Asking, accept: Accept) -> Head:
        """Ask, hand the body over piece by piece, and give the head. Blocking: for a worker thread of anyio.

        Raises WireFailed, whatever ``accept`` raises, and ends soon when the task that waits is cancelled.
        """
        try:
            handle = self._idle.pop()
        except IndexError:
            handle = self._new_handle()
        exchange = _Exchange(asking, accept)
        try:
            exchange.perform(handle)
        finally:
            self._idle.append(handle)
        assert exchange.head is not None
        return exchange.head

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()

    def _new_handle(self) -> pycurl.Curl:
        handle = pycurl.Curl()
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.FOLLOWLOCATION, 0)
        handle.setopt(pycurl.PATH_AS_IS, 1)
        handle.setopt(pycurl.HTTP_CONTENT_DECODING, 0)
        handle.setopt(pycurl.CONNECTTIMEOUT, CONNECT_SECONDS)
        handle.setopt(pycurl.LOW_SPEED_LIMIT, 1)
        handle.setopt(pycurl.LOW_SPEED_TIME, self._stall_seconds)
        handle.setopt(pycurl.BUFFERSIZE, BUFFER)
        handle.setopt(pycurl.UPLOAD_BUFFERSIZE, BUFFER)
        handle.setopt(pycurl.TCP_KEEPALIVE, 1)
        handle.setopt(pycurl.MAXAGE_CONN, IDLE_SECONDS)
        handle.setopt(pycurl.NOPROGRESS, 0)
        trusted = ssl.get_default_verify_paths()
        if ca_file := str(self._ca_file) if self._ca_file else trusted.cafile:
            handle.setopt(pycurl.CAINFO, ca_file)
        if self._ca_file is None and trusted.capath:
            handle.setopt(pycurl.CAPATH, trusted.capath)
        return handle


class _Exchange:
    """The state of one exchange, and what libcurl calls back."""

    def __init__(self, asking: Asking, accept: Accept) -> None:
        self._asking = asking
        self._accept = accept
        self._take: Take | None = None
        self._lines: list[bytes] = []
        """Of the head, as they came, perhaps after those of interim answers (100 Continue) and before trailers."""
        self._enough = False
        self._raised: BaseException | None = None
        self._look_at = 0.0
        self._until = 0.0
        self.head: Head | None = None

    def perform(self, handle: pycurl.Curl) -> None:
        try:
            self._perform(handle)
        finally:
            # The handle is kept and names this object still: it must not keep bodies with it.
            self._asking, self._accept, self._take, self._raised = _NOTHING, _refused, None, None

    def _perform(self, handle: pycurl.Curl) -> None:
        now = time.monotonic()
        self._until = now + min(self._asking.head_seconds, self._asking.seconds(None))
        self._look_at = now + LOOK_ROUND
        self._set_up(handle)
        try:
            handle.perform()
        except pycurl.error as error:
            if self._raised is not None:
                raise self._raised from None
            if not self._enough:
                raise WireFailed(self._trouble(handle, int(error.args[0]))) from None
        finally:
            handle.unsetopt(pycurl.XFERINFOFUNCTION)
        if self.head is None:
            self._head_is_complete()

    def _set_up(self, handle: pycurl.Curl) -> None:
        asking = self._asking
        lines = [f"{name}: {value}" for name, value in asking.headers.items()]
        if asking.upload is not None:
            handle.setopt(pycurl.UPLOAD, 1)
            handle.setopt(pycurl.INFILESIZE_LARGE, asking.size)
            handle.setopt(pycurl.READFUNCTION, self._on_read)
            handle.setopt(pycurl.SEEKFUNCTION, self._on_seek)
            if asking.size < ASK_FIRST_FROM:
                lines.append("Expect:")
        handle.setopt(pycurl.CUSTOMREQUEST, asking.method)
        try:
            handle.setopt(pycurl.URL, asking.url)
        except UnicodeError:
            raise WireFailed(Trouble.MALFORMED) from None
        handle.setopt(pycurl.HTTPHEADER, lines)
        handle.setopt(pycurl.CONNECT_TO, [f"::{_bracketed(asking.address)}:"] if asking.address else [])
        handle.setopt(pycurl.PROXY, asking.proxy)
        handle.setopt(pycurl.FRESH_CONNECT, asking.once)
        handle.setopt(pycurl.HEADERFUNCTION, self._lines.append)
        handle.setopt(pycurl.WRITEFUNCTION, self._on_body)
        handle.setopt(pycurl.XFERINFOFUNCTION, self._on_progress)

    def _trouble(self, handle: pycurl.Curl, code: int) -> Trouble:
        connected = handle.getinfo(pycurl.CONNECT_TIME) > 0
        if code == pycurl.E_OPERATION_TIMEDOUT:
            return Trouble.STALLED if connected else Trouble.CONNECT_TIMEOUT
        if code == pycurl.E_UNSUPPORTED_PROTOCOL and connected:
            return Trouble.BROKE  # the server speaks none, not the URL
        return _TROUBLES.get(code, Trouble.BROKE)

    def _head_is_complete(self) -> Head:
        """Read it once. Raises WireFailed where it broke off, which libcurl takes for an answer without a body."""
        head = _last_head(self._lines)
        if head is None:
            raise WireFailed(Trouble.CUT)
        self.head = head
        self._until = time.monotonic() + self._asking.seconds(head)
        return head

    def _on_body(self, chunk: bytes) -> int | None:
        try:
            if self._take is None:
                self._take = self._accept(self._head_is_complete())
            if not self._take(chunk):
                return None  # all of it was taken
            self._enough = True
        except BaseException as error:
            self._raised = error
        return 0

    def _on_read(self, size: int) -> bytes | int:
        try:
            assert self._asking.upload is not None
            return self._asking.upload.read(size)
        except BaseException as error:
            self._raised = error
            return pycurl.READFUNC_ABORT

    def _on_seek(self, offset: int, whence: int) -> int:
        try:
            assert self._asking.upload is not None
            self._asking.upload.seek(offset, whence)
        except BaseException as error:
            self._raised = error
            return pycurl.SEEKFUNC_FAIL
        return pycurl.SEEKFUNC_OK

    def _on_progress(self, *_: float) -> int:
        """Called with every piece, and at least once a second."""
        now = time.monotonic()
        if now < self._look_at:
            return 0
        self._look_at = now + LOOK_ROUND
        try:
            from_thread.check_cancelled()
        except BaseException as error:
            self._raised = error
            return 1
        if now > self._until:
            self._raised = WireFailed(Trouble.TOO_LONG)
            return 1
        return 0


def nothing_more(_: bytes) -> bool:
    """Takes no body: whoever asked knows enough by the head."""
    return True


def proxy_for(url: str, *, or_else: str = "") -> str:
    """The proxy that the environment names for a URL's scheme, or for ``or_else``, as ``Asking`` takes it."""
    parts = urlsplit(url)
    proxies = getproxies()
    return "" if proxy_bypass(str(parts.hostname)) else proxies.get(parts.scheme) or proxies.get(or_else, "")


def _last_head(lines: Sequence[bytes]) -> Head | None:
    """The head of the final answer; None if it is not whole."""
    status, headers = 0, dict[str, str]()
    for line in lines:
        if line.startswith(b"HTTP/"):
            status, headers = int(line.split(None, 2)[1]), {}
        elif line.strip():
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                name, value = name.strip().lower(), value.strip()
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
        elif status >= 200:
            return Head(status, headers)
    return None


_NOTHING = Asking("GET", "", {})


def _refused(_: Head) -> Take:
    raise AssertionError("the exchange is over")


def _bracketed(address: str | None) -> str:
    return f"[{address}]" if address and ":" in address else str(address)

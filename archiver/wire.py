"""HTTP for the hot path: many exchanges at once on the event loop, over libcurl.

Nothing is followed, decoded or retried here. Connections are kept and used again. libcurl's own texts carry URLs and
are never passed on.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import pycurl

CONNECT_SECONDS = 10
STALL_SECONDS = 30
"""Without a byte in either direction."""
BUFFER = 256 << 10
IDLE_SECONDS = 50
"""After which a connection is not used again: before most servers close it."""
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


Take = Callable[[bytes], Coroutine[Any, Any, None] | bool | None]
"""Takes each piece of a body: True if no more is wanted; something to wait for before the next piece may come. What it
raises, then or later, ends the exchange."""
Accept = Callable[[Head], Take]
"""Asked once, when the first piece of a body has come."""


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
    """Exchanges with one kind of server, on one event loop.

    ``connections`` bounds how many there are at a time; ``ca_file`` holds the authorities to trust in place of the
    system's; ``stall_seconds``: without a byte in either direction.
    """

    def __init__(self, connections: int, ca_file: Path | None = None, *, stall_seconds: int = STALL_SECONDS) -> None:
        self._ca_file = ca_file
        self._stall_seconds = stall_seconds
        self._connections = connections
        self._idle: list[_Line] = []
        self._multi: pycurl.AsyncCurlMulti | None = None

    async def exchange(self, asking: Asking, accept: Accept) -> Head:
        """Ask, hand the body over piece by piece, and give the head. Raises WireFailed, and what ``accept`` raises."""
        if self._multi is None:
            self._multi = self._new_multi()
        line = self._idle.pop() if self._idle else _Line(self._new_handle())
        try:
            return await line.exchange(asking, accept, self._multi)
        finally:
            if line.over:
                self._idle.append(line)
            else:
                line.handle.close()

    async def aclose(self) -> None:
        """Close connections."""
        if self._multi is not None:
            await self._multi.aclose()
        while self._idle:
            self._idle.pop().handle.close()

    def _new_multi(self) -> pycurl.AsyncCurlMulti:
        try:
            multi = pycurl.AsyncCurlMulti()
        except pycurl.error:  # no descriptor is left: a socket would have none either
            raise WireFailed(Trouble.UNREACHABLE) from None
        multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, self._connections)
        multi.setopt(pycurl.M_MAXCONNECTS, self._connections)
        return multi

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
        trusted = ssl.get_default_verify_paths()
        if ca_file := str(self._ca_file) if self._ca_file else trusted.cafile:
            handle.setopt(pycurl.CAINFO, ca_file)
        if self._ca_file is None and trusted.capath:
            handle.setopt(pycurl.CAPATH, trusted.capath)
        return handle


class _Line:
    """A handle of libcurl with what it calls back, and the state of the exchange that it serves: one at a time."""

    over: bool = False
    """The last exchange has ended for libcurl and its driver as well: there may be another one."""
    _asking: Asking
    _accept: Accept
    _lines: list[bytes]
    """Of the head, as they came, perhaps after those of interim answers (100 Continue) and before trailers."""
    _head: Head | None
    _take: Take | None
    _enough: bool
    """No more of the body is wanted."""
    _waits_for: Coroutine[Any, Any, None] | None
    """No more of the body is taken before."""
    _raised: BaseException | None
    _news: asyncio.Event
    """It has ended, or there is something to wait for or to raise."""
    _timer: asyncio.TimerHandle | None

    def __init__(self, handle: pycurl.Curl) -> None:
        self.handle = handle
        handle.setopt(pycurl.HEADERFUNCTION, self._on_header)
        handle.setopt(pycurl.WRITEFUNCTION, self._on_body)
        handle.setopt(pycurl.READFUNCTION, self._on_read)
        handle.setopt(pycurl.SEEKFUNCTION, self._on_seek)
        self._let_go()

    async def exchange(self, asking: Asking, accept: Accept, multi: pycurl.AsyncCurlMulti) -> Head:
        """See ``Wire.exchange``."""
        self._asking, self._accept, self.over = asking, accept, False
        try:
            self._set_up()
            ended = multi.add_handle(self.handle)
            ended.add_done_callback(self._on_end)
            self._give_it(min(asking.head_seconds, asking.seconds(None)))
            try:
                failed = await self._until_it_ends(ended)
            finally:
                self._stop_the_clock()
                if not ended.done():
                    multi.remove_handle(self.handle)
                if self._waits_for is not None:
                    self._waits_for.close()
            if self._raised is not None:
                raise self._raised from None
            if failed is not None and not self._enough:
                raise WireFailed(self._trouble(int(failed.args[0]))) from None
            return self._head or self._head_is_complete()
        finally:
            self._let_go()

    async def _until_it_ends(self, ended: asyncio.Future[pycurl.Curl]) -> BaseException | None:
        """What libcurl says of it then, or what else there is to raise."""
        while self._raised is None:
            await self._news.wait()
            self._news.clear()
            waits_for = self._waits_for
            if waits_for is not None:
                left = self._stop_the_clock()  # the time for which we make it wait is not its own
                await waits_for
                self._waits_for = None
                self._give_it(left)
            if self.over:
                return ended.exception()
            if waits_for is not None and not ended.done():
                try:
                    self.handle.pause(pycurl.PAUSE_CONT)
                except pycurl.error as error:
                    return error
        return None

    def _let_go(self) -> None:
        """Forget all of it: what is kept for the next exchange must keep no body."""
        self._asking, self._accept = _NOTHING, _refused
        self._lines = []
        self._head = self._take = self._waits_for = self._raised = self._timer = None
        self._enough = False
        self._news = asyncio.Event()

    def _set_up(self) -> None:
        asking, handle = self._asking, self.handle
        lines = [f"{name}: {value}" for name, value in asking.headers.items()]
        handle.setopt(pycurl.UPLOAD, asking.upload is not None)
        handle.setopt(pycurl.NOBODY, asking.method == "HEAD")
        if asking.upload is not None:
            handle.setopt(pycurl.INFILESIZE_LARGE, asking.size)
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

    def _trouble(self, code: int) -> Trouble:
        connected = self.handle.getinfo(pycurl.CONNECT_TIME) > 0
        if code == pycurl.E_OPERATION_TIMEDOUT:
            return Trouble.STALLED if connected else Trouble.CONNECT_TIMEOUT
        if code == pycurl.E_UNSUPPORTED_PROTOCOL and connected:
            return Trouble.BROKE  # the server speaks none, not the URL
        return _TROUBLES.get(code, Trouble.BROKE)

    def _head_is_complete(self) -> Head:
        """Read it once. Raises WireFailed where it broke off, which libcurl takes for an answer without a body."""
        self._head = head = _last_head(self._lines)
        if head is None:
            raise WireFailed(Trouble.CUT)
        return head

    def _give_it(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._raise, WireFailed(Trouble.TOO_LONG))

    def _stop_the_clock(self) -> float:
        """The seconds that are left."""
        assert self._timer is not None
        self._timer.cancel()
        return self._timer.when() - asyncio.get_running_loop().time()

    def _raise(self, error: BaseException) -> None:
        """In the task that waits; libcurl's callbacks must not."""
        self._raised = self._raised or error
        self._news.set()

    def _on_end(self, _: asyncio.Future[pycurl.Curl]) -> None:
        """Called after the driver's own callback, which would take whatever the handle does next for what has ended."""
        self.over = True
        self._news.set()

    def _on_header(self, line: bytes) -> None:
        self._lines.append(line)

    def _on_body(self, chunk: bytes) -> int | None:
        if self._waits_for is not None:
            return pycurl.WRITEFUNC_PAUSE  # it is given out again
        try:
            if self._take is None:
                head = self._head_is_complete()
                self._stop_the_clock()
                self._give_it(self._asking.seconds(head))
                self._take = self._accept(head)
            answer = self._take(chunk)
        except BaseException as error:
            self._raise(error)
            return 0
        if answer is None:
            return None  # all of it was taken
        if isinstance(answer, bool):
            self._enough = answer
            return 0 if answer else None
        self._waits_for = answer
        self._news.set()
        return None

    def _on_read(self, size: int) -> bytes | int:
        try:
            assert self._asking.upload is not None
            return self._asking.upload.read(size)
        except BaseException as error:
            self._raise(error)
            return pycurl.READFUNC_ABORT

    def _on_seek(self, offset: int, whence: int) -> int:
        try:
            assert self._asking.upload is not None
            self._asking.upload.seek(offset, whence)
        except BaseException as error:
            self._raise(error)
            return pycurl.SEEKFUNC_FAIL
        return pycurl.SEEKFUNC_OK


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

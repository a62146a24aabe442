"""An HTTP/1.1 server on asyncio streams that can misbehave on purpose.

Requests are parsed by h11. Replies are written by hand, since a well-behaved library would refuse to send most of
them: a `Reply` says what is promised (framing, length) apart from what is done (how many bytes, how fast, how the
connection ends).
"""

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

import h11

_READ_BYTES = 65_536
_WRITE_BYTES = 262_144
_DRIPS_PER_SECOND = 20
_TURNS_TO_CLOSE = 5  # of the loop, until an aborted transport has let go of its socket


class Framing(Enum):
    """How a client is told where the body ends."""

    LENGTH = auto()  # Content-Length
    CHUNKED = auto()  # Transfer-Encoding: chunked
    CLOSE = auto()  # not at all: the connection's end is the body's


class Ending(Enum):
    """What becomes of the connection after the reply."""

    KEEP = auto()  # as the client wishes
    CLOSE = auto()  # an orderly close (FIN)
    RESET = auto()  # RST


@dataclass(frozen=True)
class Reply:
    """One answer: the promise first, then how it is kept.

    `stop_after` cuts the body after so many bytes, before which nothing differs from a whole reply; `endless` sends
    the body again and again. `delay` is in seconds before the first byte, `rate` in body bytes a second.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    framing: Framing = Framing.LENGTH
    declared_length: int | None = None
    stop_after: int | None = None
    ending: Ending = Ending.KEEP
    rate: float | None = None
    delay: float = 0.0
    endless: bool = False

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever the case of its name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def with_headers(self, **headers: str | None) -> "Reply":
        """Set headers by name (`_` for `-`), or take them away with None."""
        names = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        kept = tuple((key, value) for key, value in self.headers if key.lower() not in names)
        new = tuple((key.title(), value) for key, value in names.items() if value is not None)
        return replace(self, headers=kept + new)


@dataclass(frozen=True)
class Request:
    """A request as it came in. `target` is the raw path and query, `at` the monotonic time in seconds."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    at: float = field(default_factory=time.monotonic)

    @property
    def path(self) -> str:
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        return tuple(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    def header(self, name: str) -> str | None:
        """The first value of a header; `name` in lower case."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def wants_close(self) -> bool:
        return "close" in (self.header("connection") or "").lower()


class Exchange:
    """What a handler and the server tell each other about one request; `sent` counts body bytes."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.status = 0
        self.sent = 0
        self.on_done: list[Callable[[], None]] = []


Handler = Callable[[Exchange], Awaitable[Reply]]


class HttpServer:
    """One listener on loopback. `http_date` gives the `Date` header of the moment.

    It accepts by itself: `asyncio.Server` drops, with a complaint, connections that arrive while it is being closed.
    """

    def __init__(self, handler: Handler, http_date: Callable[[], str], tls: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._http_date = http_date
        self._tls = tls
        self._listener: socket.socket | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._defects: list[Exception] = []

    async def start(self, host: str, port: int) -> int:
        """Listen, and give the port (`port` 0 takes any free one)."""
        self._listener = socket.create_server((host, port), backlog=1024)
        self._listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)
        bound: int = self._listener.getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Stop listening and end every connection, in mid-transfer too. ExceptionGroup if a handler failed."""
        if self._listener is None:
            return
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        connections = tuple(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        for _ in range(_TURNS_TO_CLOSE):
            await asyncio.sleep(0)
        if self._defects:
            raise ExceptionGroup("the sandbox failed", self._defects)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # the client has gone again
        connection.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        # Not left to the task: one that is cancelled before its first step would never come to it.
        task.add_done_callback(lambda _: connection.close())

    async def _serve(self, connection: socket.socket) -> None:
        try:
            reader, writer = await self._streams(connection)
            try:
                await self._converse(reader, writer)
                writer.close()
                await writer.wait_closed()
            finally:
                writer.transport.abort()
        except (ConnectionError, TimeoutError, ssl.SSLError):
            pass  # the client went away: its affair
        except Exception as problem:
            self._defects.append(problem)

    async def _streams(self, connection: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        # A TLS peer that never says goodbye must not hold up a connection for the usual half minute.
        patience = 1.0 if self._tls else None
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, connection, ssl=self._tls, ssl_shutdown_timeout=patience
        )
        # Nothing waits in this process: what was sent is what the system has taken.
        transport.set_write_buffer_limits(0)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other, until one side wants no more."""
        leftover = b""
        while True:
            try:
                request, leftover = await _read_request(reader, leftover)
            except h11.RemoteProtocolError:
                writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
                return
            if request is None or not await self._answer(request, writer):
                return

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False when the connection is at its end."""
        exchange = Exchange(request)
        try:
            reply = await self._handler(exchange)
            exchange.status = reply.status
            if reply.delay:
                await asyncio.sleep(reply.delay)
            keep = reply.framing is not Framing.CLOSE and not request.wants_close
            if reply.ending is Ending.RESET and reply.stop_after == 0:
                await _reset(writer)  # before the first byte of the head: the client has no answer at all
                return False
            head = self._head(reply, keep=keep)
            await _send(writer, exchange, reply, head)
            if reply.ending is Ending.RESET:
                await _reset(writer)
            return keep and reply.ending is Ending.KEEP
        finally:
            for done in exchange.on_done:
                done()

    def _head(self, reply: Reply, *, keep: bool) -> bytes:
        try:
            phrase = HTTPStatus(reply.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {reply.status} {phrase}", f"Date: {self._http_date()}", "Server: sandbox"]
        lines += [f"{name}: {value}" for name, value in reply.headers]
        match reply.framing:
            case Framing.LENGTH:
                length = len(reply.body) if reply.declared_length is None else reply.declared_length
                lines.append(f"Content-Length: {length}")
            case Framing.CHUNKED:
                lines.append("Transfer-Encoding: chunked")
            case Framing.CLOSE:
                pass
        lines.append(f"Connection: {'keep-alive' if keep else 'close'}")
        return "\r\n".join((*lines, "\r\n")).encode("latin-1")


async def _read_request(reader: asyncio.StreamReader, leftover: bytes) -> tuple[Request | None, bytes]:
    """Read one request, its body thrown away, and what came after it; None at the end of the connection."""
    # A new parser for each request: its other half, which watches over replies, has nothing to say here.
    parser = h11.Connection(h11.SERVER)
    if leftover:
        parser.receive_data(leftover)
    request: Request | None = None
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(_READ_BYTES)
            if not data and request is None:
                return None, b""
            parser.receive_data(data)
        elif isinstance(event, h11.Request):
            headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
            request = Request(event.method.decode("ascii"), event.target.decode("latin-1"), headers)
        elif isinstance(event, h11.EndOfMessage):
            return request, bytes(parser.trailing_data[0])
        elif isinstance(event, h11.ConnectionClosed):
            return None, b""


async def _send(writer: asyncio.StreamWriter, exchange: Exchange, reply: Reply, head: bytes) -> None:
    """Send head and body as the reply wants it: all of it, a part of it, slowly, for ever."""
    body = memoryview(reply.body)
    end = len(body) if reply.stop_after is None else min(reply.stop_after, len(body))
    if exchange.request.method == "HEAD" or reply.status in (204, 304):
        end = 0
    step = _WRITE_BYTES if reply.rate is None else max(1, int(reply.rate / _DRIPS_PER_SECOND))
    pending = head
    while True:
        for start in range(0, end, step):
            part = body[start : min(start + step, end)]
            if reply.rate is not None:
                writer.write(pending)
                pending = b""
                await asyncio.sleep(len(part) / reply.rate)
            # Counted before it is written: whoever has read it may look at the count at once.
            exchange.sent += len(part)
            writer.write(b"".join((pending, _framed(reply, part))))
            pending = b""
            await writer.drain()
        if not (reply.endless and end):
            break
        await asyncio.sleep(0)  # a client that keeps up would leave no turn to the others
    whole = reply.stop_after is None
    if reply.framing is Framing.CHUNKED and whole and exchange.request.method != "HEAD":
        pending += b"0\r\n\r\n"
    if pending:
        writer.write(pending)
    await writer.drain()


def _framed(reply: Reply, part: memoryview) -> bytes | memoryview:
    if reply.framing is Framing.CHUNKED:
        return b"".join((b"%x\r\n" % len(part), part, b"\r\n"))
    return part


async def _reset(writer: asyncio.StreamWriter) -> None:
    """End the connection by RST, once what was written has had time to arrive."""
    await asyncio.sleep(0.02)
    raw = writer.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()

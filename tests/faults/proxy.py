"""A toxic proxy: TCP in the middle, which slows, cuts, resets and swallows what passes, by a schedule.

Toxics as in Shopify's toxiproxy, per connection and direction. A schedule gives each connection its toxics by its
number, so the same schedule does the same to the same connections; those beyond its end pass untouched, which is how
a run finds its way in the end.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, Literal

Direction = Literal["up", "down"]
"""``up``: from the archiver to the server."""
PIECE = 64 * 1024


class Cut(Exception):
    """The connection ends here; ``reset``: with RST."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self.reset = reset


@dataclass(frozen=True)
class Toxic:
    """Meets every piece on its way in one direction."""

    direction: Direction = "down"

    async def pass_on(self, data: bytes, before: int) -> Sequence[bytes]:
        """The piece, whole or in pieces, late or not at all; ``before`` bytes have passed. May raise Cut."""
        return (data,)


@dataclass(frozen=True)
class Latency(Toxic):
    """So many seconds before each piece."""

    seconds: float = 0.01

    async def pass_on(self, data: bytes, before: int) -> Sequence[bytes]:
        await asyncio.sleep(self.seconds)
        return (data,)


@dataclass(frozen=True)
class Bandwidth(Toxic):
    """So many bytes a second."""

    rate: float = 100_000

    async def pass_on(self, data: bytes, before: int) -> Sequence[bytes]:
        await asyncio.sleep(len(data) / self.rate)
        return (data,)


@dataclass(frozen=True)
class Slicer(Toxic):
    """Pieces of so many bytes at most."""

    size: int = 100

    async def pass_on(self, data: bytes, before: int) -> Sequence[bytes]:
        size = max(self.size, len(data) // 200)
        return [data[at : at + size] for at in range(0, len(data), size)]


@dataclass(frozen=True)
class LimitData(Toxic):
    """Closed, in good order, after so many bytes."""

    limit: int = 1000
    reset = False

    async def pass_on(self, data: bytes, before: int) -> Sequence[bytes]:
        if before + len(data) < self.limit:
            return (data,)
        raise _CutAfter(data[: max(0, self.limit - before)], reset=self.reset)


@dataclass(frozen=True)
class Reset(LimitData):
    """Reset (RST) after so many bytes."""

    reset = True


@dataclass(frozen=True)
class Timeout(Toxic):
    """Nothing passes any more after so many bytes, and nobody says so: closed after ``seconds``."""

    after: int = 0
    seconds: float = 1.0

    async def pass_on(self, data: bytes, before: int) -> Sequence[bytes]:
        if before + len(data) < self.after:
            return (data,)
        await asyncio.sleep(self.seconds)
        raise Cut(reset=False)


@dataclass(frozen=True)
class SlowClose(Toxic):
    """Everything passes; the end of the connection comes so much later."""

    seconds: float = 0.2


class _CutAfter(Cut):
    def __init__(self, data: bytes, *, reset: bool) -> None:
        super().__init__(reset=reset)
        self.data = data


Schedule = Sequence[Sequence[Toxic]]
"""The toxics of each connection, by its number; further connections have none."""


@dataclass
class Proxy:
    """``with Proxy(port).running() as proxy``: ``proxy.url`` leads to the server on ``port`` of this machine."""

    target: int
    schedule: Schedule = ()
    port: int = 0
    connections: int = 0
    fired: int = 0
    """Connections that met a toxic."""
    _loop: asyncio.AbstractEventLoop = field(init=False, repr=False)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def begin(self, schedule: Schedule) -> None:
        """From the next connection on; those that are open are cut, for they belong to what was before."""
        asyncio.run_coroutine_threadsafe(self._begin(schedule), self._loop).result(10)

    async def _begin(self, schedule: Schedule) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self.schedule, self.connections, self.fired = schedule, 0, 0

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        """Serve from a thread of its own."""
        ready: Future[asyncio.Event] = Future()
        thread = Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        thread.start()
        stop = ready.result(10)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(stop.set)
            thread.join()

    async def _serve(self, ready: Future[asyncio.Event]) -> None:
        stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._meet, "127.0.0.1", self.port, limit=PIECE)
        self.port = server.sockets[0].getsockname()[1]
        ready.set_result(stop)
        await stop.wait()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.connections = self.connections, self.connections + 1
        toxics = self.schedule[number] if number < len(self.schedule) else ()
        self.fired += bool(toxics)
        with suppress(OSError):
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target, limit=PIECE)
            ends = (writer, server_writer)
            self._writers.update(ends)
            try:
                await self._both(
                    self._pump(reader, server_writer, [each for each in toxics if each.direction == "up"]),
                    self._pump(server_reader, writer, [each for each in toxics if each.direction == "down"]),
                )
            except Cut as cut:
                for end in ends:
                    _end(end, reset=cut.reset)
            finally:
                self._writers.difference_update(ends)
                for end in ends:
                    end.close()

    @staticmethod
    async def _both(*pumps: Coroutine[Any, Any, None]) -> None:
        """Until both directions have ended, or one was cut."""
        tasks = [asyncio.create_task(pump) for pump in pumps]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, toxics: Sequence[Toxic]) -> None:
        passed = 0
        with suppress(OSError):
            while data := await reader.read(PIECE):
                pieces: Sequence[bytes] = (data,)
                for toxic in toxics:
                    met: list[bytes] = []
                    for piece in pieces:
                        try:
                            met += await toxic.pass_on(piece, passed + sum(map(len, met)))
                        except _CutAfter as cut:
                            writer.write(b"".join([*met, cut.data]))
                            await writer.drain()
                            raise
                    pieces = met
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    if len(pieces) > 1:
                        await asyncio.sleep(0)  # a segment of its own
                passed += len(data)
            for toxic in toxics:
                if isinstance(toxic, SlowClose):
                    await asyncio.sleep(toxic.seconds)
            if writer.can_write_eof():
                writer.write_eof()


def _end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    if reset:
        end: socket.socket = writer.get_extra_info("socket")
        with suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

"""Distance, on loopback: ``python -m benchmarks.delay SECONDS PORT…`` passes TCP on to ports of this machine, late.

SECONDS are those of a round trip: half of it in either direction, and a whole one more before the first bytes of a
connection, for its handshake. As on a real line, what is under way does not hold up what follows. The first line of
output is a JSON list with a port for each; it serves until it is terminated.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import cast

BACKLOG = 1024
APART = 1e-8
"""Seconds: the event loop runs what is due at the same moment in any order."""


class End(asyncio.Protocol):
    """One end of a connection through here; what arrives is sent from ``other``, so much later."""

    def __init__(self, delay: float, extra: float = 0.0) -> None:
        self._delay = delay
        self._due = asyncio.get_running_loop().time() + extra
        self.transport: asyncio.Transport | None = None
        self.other: End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what sends."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Bytes, on their way."""
        self._later(lambda transport: transport.write(data))

    def eof_received(self) -> bool:
        """The end of this direction travels as well; the other one stays open."""
        self._later(lambda transport: transport.write_eof())
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """So does the end of both."""
        self._later(lambda transport: transport.close())

    def _later(self, act: Callable[[asyncio.Transport], None]) -> None:
        loop = asyncio.get_running_loop()
        self._due = max(self._due, loop.time()) + APART
        loop.call_at(self._due + self._delay, self._arrive, act)

    def _arrive(self, act: Callable[[asyncio.Transport], None]) -> None:
        assert self.other is not None
        if self.other.transport is not None and not self.other.transport.is_closing():
            act(self.other.transport)


class Front(End):
    """The client's end, which is heard once there is a connection to the server."""

    def __init__(self, round_trip: float, port: int) -> None:
        super().__init__(round_trip / 2, extra=round_trip)
        self._round_trip = round_trip
        self._port = port
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the server."""
        super().connection_made(transport)
        assert self.transport is not None
        self.transport.pause_reading()
        self._task = asyncio.create_task(self._connect(self.transport))

    async def _connect(self, transport: asyncio.Transport) -> None:
        self.other = back = End(self._round_trip / 2)
        back.other = self
        await asyncio.get_running_loop().create_connection(lambda: back, "127.0.0.1", self._port)
        transport.resume_reading()


async def serve(round_trip: float, ports: list[int]) -> None:
    """Until cancelled."""
    loop = asyncio.get_running_loop()
    found = []
    for port in ports:
        server = await loop.create_server(partial(Front, round_trip, port), "127.0.0.1", 0, backlog=BACKLOG)
        found.append(server.sockets[0].getsockname()[1])
    print(json.dumps(found), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]), [int(port) for port in sys.argv[2:]]))

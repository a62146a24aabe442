"""The one place where the name in an audio link becomes an address: resolved once, checked, and connected to.

A client that resolves by itself after a check may be given another answer (DNS rebinding). So whoever opens a
connection to an audio host, with whatever library, asks here and connects to what it is given, with the *name* in SNI,
in the certificate check and in ``Host``::

    addresses = await pins.addresses(host, port)  # every one allowed; AddressRefused, OSError
    for address in addresses:                     # numeric: nothing is resolved again
        ...connect to (address, port), the next one on ConnectError...

``Pins(networks_meant(…))`` is made once per origin. No proxy is asked: it would resolve the name for itself.
``PinnedBackend`` does this for httpcore2.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import anyio
import httpcore2

from archiver.rules.networks import Network, refused_address

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to addresses, as text. OSError where there is none."""


class AddressRefused(Exception):
    """The name leads where nothing of ours may go; the words are for people and name no address."""


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """What the machine's resolver says, in its order of preference."""
    answers = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))


class Pins:
    """Resolves and checks; remembers nothing, since connections are kept and addresses of object stores are not."""

    def __init__(self, allowed: Sequence[Network], resolve: Resolve = system_resolver) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Where to connect to, best first.

        AddressRefused if any of the answers is not allowed: a name that leads to both sides is not to be trusted.
        OSError where the name cannot be resolved.
        """
        found = await self._resolve(host, port)
        if not found:
            raise OSError(f"{host} has no address")
        for address in found:
            if reason := refused_address(address, self._allowed):
                raise AddressRefused(f"{host} {reason}; source.audio_networks may allow it")
        return found


class PinnedBackend(httpcore2.AsyncNetworkBackend):
    """Connects httpcore2 to pinned addresses only. TLS goes on checking the name, which the pool knows."""

    def __init__(self, pins: Pins) -> None:
        self._pins = pins
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A stream to the first pinned address that takes it. AddressRefused; httpcore2's errors."""
        try:
            with anyio.fail_after(timeout):
                addresses = await self._pins.addresses(host, port)
        except TimeoutError:
            raise httpcore2.ConnectTimeout from None
        except OSError:
            raise httpcore2.ConnectError from None
        trouble: Exception = httpcore2.ConnectError()
        for address in addresses:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                trouble = error
        raise trouble

    async def sleep(self, seconds: float) -> None:
        """As asyncio's."""
        await self._backend.sleep(seconds)

"""The one place where the name in an audio link becomes an address: resolved once, checked, and connected to.

A client that resolves by itself after a check may be given another answer (DNS rebinding). So whoever opens a
connection to an audio host, with whatever library, asks here and connects to what it is given, with the *name* in SNI,
in the certificate check and in ``Host``::

    addresses = await pins.addresses(host, port)  # every one allowed; AddressRefused, OSError
    for address in addresses:                     # numeric: nothing is resolved again
        ...connect to (address, port), the next one on ConnectError...

``Pins(networks_meant(…))`` is made once per origin. No proxy is asked: it would resolve the name for itself.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable, Sequence

import anyio

from archiver.rules.networks import Network, refused_address
from archiver.wire import CONNECT_SECONDS

KNOWN_SECONDS = 30.0
MOST_NAMES = 1000
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to addresses, as text. OSError where there is none."""


class AddressRefused(Exception):
    """The name leads where nothing of ours may go; the words are for people and name no address."""


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """What the machine's resolver says, in its order of preference."""
    answers = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))


class Pins:
    """Resolves and checks; remembers what passed for half a minute, since object stores change their addresses."""

    def __init__(self, allowed: Sequence[Network], resolve: Resolve = system_resolver) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve
        self._known: dict[tuple[str, int], tuple[float, Sequence[str]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Where to connect to, best first.

        AddressRefused if any of the answers is not allowed: a name that leads to both sides is not to be trusted.
        OSError where the name cannot be resolved, TimeoutError where not in time.
        """
        until, found = self._known.get((host, port), (0.0, ()))
        if time.monotonic() < until:
            return found
        with anyio.fail_after(CONNECT_SECONDS):
            found = await self._resolve(host, port)
        if not found:
            raise OSError(f"{host} has no address")
        for address in found:
            if reason := refused_address(address, self._allowed):
                raise AddressRefused(f"{host} {reason}; source.audio_networks may allow it")
        if len(self._known) >= MOST_NAMES:
            self._known.clear()
        self._known[host, port] = (time.monotonic() + KNOWN_SECONDS, found)
        return found

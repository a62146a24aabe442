"""Where a link may lead: hundreds of hostile ones, a resolver that rebinds, and listeners that must see nobody."""

from __future__ import annotations

import socket
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import anyio
import pytest

from archiver.clock import ServerClock, SystemClock
from archiver.model import Digest, Link
from archiver.sandbox import Sandbox, World
from archiver.source.audio_origin import AudioOrigin
from archiver.source.interface import FetchFailed, FetchOutcome, LinkRefused
from archiver.source.pinning import Resolve, system_resolver
from tests.faults.hostile_links import GOOD, REBINDING, hostile_links

pytestmark = pytest.mark.anyio


class Nowhere:
    """A sink that must stay empty."""

    received = 0

    def begin_at_once(self, content_length: int | None, digests: Collection[str] = ()) -> bool:
        return False

    def digest(self, algorithm: str) -> Digest:
        raise AssertionError("the origin states none")

    async def end(self) -> None:
        """Nothing more comes."""

    async def begin(self, content_length: int | None, digests: Collection[str] = ()) -> None:
        raise AssertionError("a body began")

    def write(self, chunk: bytes) -> None:
        raise AssertionError("a body came")


@dataclass
class Canary:
    """Listens on one port of both loopback addresses, and counts who comes."""

    port: int = 0
    visitors: list[object] = field(default_factory=list)

    @contextmanager
    def listening(self) -> Iterator[Canary]:
        with ExitStack() as stack:
            first = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            self.port = first.getsockname()[1]
            sockets = [first]
            if socket.has_dualstack_ipv6():
                sockets.append(stack.enter_context(socket.create_server(("::1", self.port), family=socket.AF_INET6)))
            for each in sockets:
                threading.Thread(target=self._count, args=(each,), daemon=True).start()
            yield self

    def _count(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, address = listener.accept()
            except OSError:
                return  # closed
            self.visitors.append(address)
            connection.close()


@contextmanager
def canary() -> Iterator[Canary]:
    with Canary().listening() as listening:
        yield listening


def origin(resolve: Resolve, hosts: Sequence[str] = ("*.amazonaws.com",), **changes: object) -> AudioOrigin:
    usual: dict[str, object] = {
        "audio_networks": (),
        "allow_insecure_loopback": False,
        "connections": 4,
        "server_clock": ServerClock(SystemClock()),
    }
    return AudioOrigin(hosts, resolve=resolve, **(usual | changes))  # type: ignore[arg-type]


async def ask(asked: AudioOrigin, *urls: str) -> list[FetchOutcome]:
    try:
        with anyio.fail_after(60):
            return [await asked.fetch(Link(url), Nowhere()) for url in urls]
    finally:
        await asked.aclose()


async def home(host: str, port: int) -> Sequence[str]:
    """A resolver in somebody else's hands: whatever the name, it is this machine."""
    return ("127.0.0.1",)


async def test_no_hostile_link_reaches_a_canary() -> None:
    with canary() as listening:
        links = list(dict.fromkeys(hostile_links(listening.port)))
        assert len(links) >= 300
        outcomes = await ask(origin(home), *links)
        assert listening.visitors == []
        assert all(isinstance(each, LinkRefused) and each.permanent for each in outcomes), outcomes

        # The canary can be reached, and counts: the same resolver where the configuration allows the network.
        (reached,) = await ask(origin(home, audio_networks=["127.0.0.0/8"]), REBINDING[0].format(port=listening.port))
        assert isinstance(reached, FetchFailed)
        assert len(listening.visitors) == 1


async def test_a_name_is_resolved_once_for_a_connection() -> None:
    """A resolver that rebinds between the check and the connection has no second turn."""
    with canary() as listening:
        turns: list[str] = []

        async def rebinding(host: str, port: int) -> Sequence[str]:
            turns.append(host)
            return ("192.0.2.1",) if len(turns) == 1 else ("127.0.0.1",)

        # 192.0.2.0/24 is for documents: nobody answers there. It is allowed here so that the first answer passes.
        asked = origin(rebinding, audio_networks=["192.0.2.0/24"])
        with anyio.move_on_after(1):
            await ask(asked, f"https://{GOOD}:{listening.port}/a.mp3")
        assert turns == [GOOD]
        assert listening.visitors == []


async def test_one_bad_address_among_good_ones_is_enough() -> None:
    async def both(host: str, port: int) -> Sequence[str]:
        return ("52.218.0.1", "10.0.0.1")

    (outcome,) = await ask(origin(both), f"https://{GOOD}/a.mp3")
    assert isinstance(outcome, LinkRefused)
    assert outcome.permanent
    assert "10.0.0.1" not in outcome.reason


async def test_a_name_that_does_not_resolve_is_an_outage() -> None:
    async def nothing(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    (outcome,) = await ask(origin(nothing), f"https://{GOOD}/a.mp3")
    assert isinstance(outcome, FetchFailed)
    assert outcome.outage


async def test_an_environment_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would resolve the name for itself."""
    with canary() as listening:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{listening.port}")
        await ask(origin(home), f"https://{GOOD}/a.mp3")
        assert listening.visitors == []


async def test_a_sandbox_by_name_goes_on_working() -> None:
    world = World.generate(seed=5, recordings=1, days=1)
    with Sandbox(world).running() as sandbox:
        link = Link(sandbox.link(world.recordings()[0]).replace("127.0.0.1", "localhost"))
        await ask(origin(system_resolver, ["localhost"], allow_insecure_loopback=True), link.url)
        assert [each.origin for each in sandbox.requests] == ["audio"]

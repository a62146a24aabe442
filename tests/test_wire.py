"""HTTP over libcurl, against servers that say exactly what a test wants them to."""

from __future__ import annotations

import gc
import socket
import threading
import time
import weakref
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme

from archiver.wire import Asking, Head, Take, Trouble, Wire, WireFailed

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@contextmanager
def server(*answers: bytes, hold: bool = False) -> Iterator[str]:
    """Says one answer per connection, after the request's head; with ``hold`` it never closes what it has answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection, suppress(ConnectionError):  # a client may have had enough
                    while b"\r\n\r\n" not in connection.recv(65536):
                        continue
                    connection.sendall(answer)
                    if hold:
                        ended.wait(30)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/a"
        finally:
            ended.set()


async def exchange(asking: Asking, ca_file: Path | None = None) -> tuple[Head, bytes]:
    wire, body = Wire(2, ca_file), bytearray()

    try:
        return await wire.exchange(asking, lambda _: body.extend), bytes(body)
    finally:
        await wire.aclose()


async def trouble(asking: Asking, ca_file: Path | None = None) -> Trouble:
    with pytest.raises(WireFailed) as caught:
        await exchange(asking, ca_file)
    assert "127.0.0.1" not in str(caught.value)
    return caught.value.trouble


async def test_the_last_head_counts_and_repeated_headers_are_joined() -> None:
    said = (
        b"HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nx-a: 2\r\nContent-Encoding: gzip\r\n\r\nok"
    )
    with server(said) as url:
        head, body = await exchange(Asking("GET", url, {}))
    assert (head.status, head.length, body) == (200, 2, b"ok"), "nothing is decoded"
    assert head.headers["x-a"] == "1, 2"
    assert "x-early" not in head.headers


async def test_nothing_is_followed() -> None:
    with server(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/b\r\nContent-Length: 0\r\n\r\n") as url:
        head, _ = await exchange(Asking("GET", url, {}))
    assert head.status == 302


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut", Trouble.CUT),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ncut", Trouble.CUT),
        (b"", Trouble.CUT),
        (b"no HTTP at all", Trouble.BROKE),
    ],
)
async def test_what_is_not_whole_is_no_answer(said: bytes, found: Trouble) -> None:
    with server(said) as url:
        assert await trouble(Asking("GET", url, {})) is found


async def test_an_exchange_has_its_time() -> None:
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nslow", hold=True) as url:
        assert await trouble(Asking("GET", url, {}, seconds=lambda _: 0.3)) is Trouble.TOO_LONG
    with server(b"HTTP/1.1 200", hold=True) as url:
        assert await trouble(Asking("GET", url, {}, head_seconds=0.3)) is Trouble.TOO_LONG


async def test_a_cancelled_exchange_ends_soon() -> None:
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nslow", hold=True) as url:
        begun = time.monotonic()
        with anyio.move_on_after(0.2) as scope:
            await exchange(Asking("GET", url, {}))
        assert scope.cancelled_caught
        assert time.monotonic() - begun < 15, "the server would have kept it for 30 s"


async def test_what_takes_the_body_may_have_enough_of_it_or_fail() -> None:
    wire = Wire(2)

    def fails(_: bytes) -> None:
        raise LookupError

    takes: list[Take] = [lambda _: True, fails]
    with server(*[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nmore"] * 2) as url:
        head = await wire.exchange(Asking("GET", url, {}), lambda _: takes[0])
        assert head.status == 200
        with pytest.raises(LookupError):
            await wire.exchange(Asking("GET", url, {}), lambda _: takes[1])
    await wire.aclose()


PIECES = b"".join(bytes([number]) * 16_384 for number in range(100))
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PIECES) + PIECES


async def test_what_takes_the_body_may_ask_to_wait_before_each_piece() -> None:
    taken, wire, at_work = bytearray(), Wire(2), 0

    async def further(chunk: bytes) -> None:
        nonlocal at_work
        at_work += 1
        assert at_work == 1, "one piece at a time"
        await anyio.sleep(0.002)
        taken.extend(chunk)
        at_work -= 1

    with server(LONG) as url:
        head = await wire.exchange(Asking("GET", url, {}), lambda _: further)
    assert (head.status, bytes(taken)) == (200, PIECES), "the last piece is waited for as well"
    await wire.aclose()


async def test_one_exchange_may_follow_another_at_once() -> None:
    """Even where the first one's task is awake when libcurl says that it has ended."""
    wire, taken = Wire(2), bytearray()

    async def until_it_has_ended(chunk: bytes) -> None:
        taken.extend(chunk)
        while wire._multi is not None and wire._multi.futures():
            await anyio.sleep(0)

    with (
        server(*[b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"] * 5) as url,
        anyio.fail_after(20),
    ):
        for _ in range(5):
            await wire.exchange(Asking("GET", url, {}), lambda _: until_it_has_ended)
    assert taken == b"ok" * 5
    await wire.aclose()


async def test_time_for_which_it_is_made_to_wait_is_not_its_own() -> None:
    taken, wire = bytearray(), Wire(2)

    async def first(chunk: bytes) -> None:
        await anyio.sleep(1.5)
        taken.extend(chunk)

    def take(chunk: bytes) -> Coroutine[Any, Any, None] | None:
        if not taken:
            return first(chunk)
        taken.extend(chunk)
        return None

    with server(LONG) as url:
        await wire.exchange(Asking("GET", url, {}, seconds=lambda head: 1.0 if head else 60.0), lambda _: take)
    assert bytes(taken) == PIECES
    await wire.aclose()


async def test_waiting_may_fail_or_be_cancelled() -> None:
    wire, waiting = Wire(2), anyio.Event()

    async def fails(_: bytes) -> None:
        raise LookupError

    async def waits(_: bytes) -> None:
        waiting.set()
        await anyio.sleep(60)

    with server(LONG) as url, pytest.raises(LookupError):
        await wire.exchange(Asking("GET", url, {}), lambda _: fails)
    with server(LONG, hold=True) as url, anyio.fail_after(15):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wire.exchange, Asking("GET", url, {}), lambda _: waits)
            await waiting.wait()
            tasks.cancel_scope.cancel()
    with server(LONG) as url:
        taken = bytearray()
        await wire.exchange(Asking("GET", url, {}), lambda _: taken.extend)
        assert bytes(taken) == PIECES, "the handle serves again"
    await wire.aclose()


async def test_a_connection_that_is_kept_keeps_no_body() -> None:
    class Sent(BytesIO):
        """Can be referred to weakly."""

    async def gone_after(said: bytes) -> tuple[bool, bool]:
        sent, taken = Sent(b"audio"), bytearray()

        def take(chunk: bytes) -> None:
            taken.extend(chunk)
            if chunk == b"no":
                raise LookupError

        takes = [take]
        with suppress(LookupError), server(said, hold=True) as url:
            await wire.exchange(Asking("PUT", url, {}, upload=sent, size=5), lambda _: takes[0])
        assert taken
        body, taker = weakref.ref(sent), weakref.ref(take)
        takes.clear()
        del sent, take
        gc.collect()
        return body() is None, taker() is None

    wire = Wire(2)
    for said in (b"ok", b"no"):
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + said
        assert await gone_after(answer) == (True, True), said
    await wire.aclose()


async def test_an_address_stands_for_the_host_and_for_nothing_else() -> None:
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as url:
        named = url.replace("127.0.0.1", "nowhere.invalid")
        head, _ = await exchange(Asking("GET", named, {}, address="127.0.0.1"))
    assert head.status == 200
    assert await trouble(Asking("GET", "http://127.0.0.1:1/", {})) is Trouble.UNREACHABLE


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://127.0.0.1/", "https://a b/", "https://x\ny/", "ü"])
async def test_what_is_no_web_address_is_refused(url: str) -> None:
    assert await trouble(Asking("GET", url, {})) in (Trouble.MALFORMED, Trouble.UNREACHABLE)


async def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    import ssl

    ours, theirs = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            speaking = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            with speaking, suppress(OSError):  # of which ssl's are
                speaking.do_handshake()
                speaking.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        asking = Asking("GET", f"https://127.0.0.1:{listener.getsockname()[1]}/", {})
        assert await trouble(asking, tmp_path / "ca.pem") is Trouble.UNTRUSTED
        thread.join(10)

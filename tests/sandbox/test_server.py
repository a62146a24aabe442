"""Auth, rate limit, concurrency, the record of requests, and an end without remains."""

import asyncio
import gc
import socket
import ssl
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import pytest
import trustme

from archiver.sandbox import EndlessBody, OnAudio, Sandbox, World

from .client import ask, link_of, listing, rows, until


def test_both_ways_to_show_the_token() -> None:
    with Sandbox().running() as sandbox:
        me = f"{sandbox.base_url}auth/me"
        assert ask(me, Authorization=f"Bearer {sandbox.token}").json()["status"] == "OK"
        assert ask(f"{me}?access_token={sandbox.token}").status == 200
        for answer in (ask(me), ask(me, Authorization="Bearer wrong"), ask(f"{me}?access_token=wrong")):
            assert (answer.status, answer.json()["status"]) == (401, "ERROR")
        assert ask(f"{sandbox.base_url}voice/recordings").status == 401


def test_a_tenant_may_know_one_way_only() -> None:
    with Sandbox(auth="query").running() as sandbox:
        me = f"{sandbox.base_url}auth/me"
        assert ask(me, Authorization=f"Bearer {sandbox.token}").status == 401
        assert ask(f"{me}?access_token={sandbox.token}").status == 200
        sandbox.auth = "bearer"
        assert ask(f"{me}?access_token={sandbox.token}").status == 401


def test_unknown_paths_and_methods() -> None:
    with Sandbox().running() as sandbox:
        token = f"Bearer {sandbox.token}"
        assert ask(f"{sandbox.base_url}voice/faxes", Authorization=token).status == 404
        assert ask(f"{sandbox.base_url}voice/recordings", method="DELETE", Authorization=token).status == 405


def test_rate_limit() -> None:
    with Sandbox(rate_limit=3, rate_seconds=3600).running() as sandbox:
        assert [listing(sandbox).status for _ in range(4)] == [200, 200, 200, 429]
        assert "retry-after" not in listing(sandbox).headers
        sandbox.rate_says_when = True
        assert int(listing(sandbox).headers["retry-after"]) > 3000
        sandbox.rate_seconds = 0.05
        threading.Event().wait(0.1)
        assert listing(sandbox).status == 200


def test_slots_hold_audio_back() -> None:
    with Sandbox(World.generate(recordings=8), audio_slots=2, audio_held=True).running() as sandbox:
        links = [str(row["audio"]) for row in rows(listing(sandbox))]
        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(ask, links)
            until(lambda: len(sandbox.downloads()) == 8)
            sandbox.audio_held = False
            assert [answer.status for answer in answers] == [200] * 8
        assert sandbox.peak_transfers == 2
        sandbox.forget_requests()
        assert sandbox.requests == ()


def test_what_is_too_much_at_once_is_refused() -> None:
    with Sandbox(World.generate(recordings=3), audio_most=2, audio_held=True).running() as sandbox:
        first, second, third = [str(row["audio"]) for row in rows(listing(sandbox))]
        with ThreadPoolExecutor(2) as pool:
            answers = pool.map(ask, [first, second])
            until(lambda: sandbox.live_transfers == 2)
            refused = ask(third)
            sandbox.audio_held = False
            assert [answer.status for answer in answers] == [200, 200]
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert ask(third).status == 200


def test_transfers_run_at_once_without_slots() -> None:
    with Sandbox(World.generate(recordings=8), audio_held=True).running() as sandbox:
        links = [str(row["audio"]) for row in rows(listing(sandbox))]
        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(ask, links)
            until(lambda: len(sandbox.downloads()) == 8)
            sandbox.audio_held = False
            assert all(answer.body for answer in answers)
        assert sandbox.peak_transfers == 8


def test_requests_are_remembered() -> None:
    world = World.generate(recordings=20)
    with Sandbox(world).running() as sandbox:
        listing(sandbox, page=2)
        recording_id = world.recordings()[0].id
        body = ask(link_of(sandbox, recording_id)).body
        page, _, audio = sandbox.requests
        assert (page.origin, page.method, page.report, page.page) == ("api", "GET", "recordings", 2)
        assert dict(page.headers)["authorization"] == f"Bearer {sandbox.token}"
        assert dict(page.query) == {"page": "2"}
        assert (audio.origin, audio.status, audio.recording_id) == ("audio", 200, recording_id)
        assert audio.bytes_sent == len(body)
        assert "X-Amz-Signature" in audio.target
        assert audio.at >= page.at
        assert sandbox.downloads(recording_id) == (audio,)


def test_the_world_may_change_while_it_is_served() -> None:
    world = World.generate(recordings=3)
    gone, changed, _ = world.recordings()
    with Sandbox(world).running() as sandbox:
        link = link_of(sandbox, gone.id)
        world.remove(gone.id)
        world.replace(changed.evolve(duration=3600 * 100))
        assert rows(listing(sandbox))[0]["duration"] == "100:00:00"
        assert ask(link).status == 404
        world.insert(gone)
        assert ask(link).status == 200
    with pytest.raises(KeyError):
        world.replace(gone.evolve(id="nobody"))


def test_one_connection_serves_many_requests() -> None:
    with Sandbox(World.generate(recordings=3)).running() as sandbox:
        parts = urlsplit(sandbox.base_url)
        with socket.create_connection((str(parts.hostname), parts.port or 80), timeout=60) as connection:
            ask_me = f"GET {parts.path}auth/me?access_token={sandbox.token} HTTP/1.1\r\nHost: x\r\n"
            connection.sendall(f"{ask_me}\r\n{ask_me}Connection: close\r\n\r\n".encode())
            received = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert received.count(b"HTTP/1.1 200 OK") == 2
        assert received.count(b"Connection: keep-alive") == 1


def test_what_is_not_http_is_a_bad_request() -> None:
    with Sandbox().running() as sandbox:
        parts = urlsplit(sandbox.base_url)
        with socket.create_connection((str(parts.hostname), parts.port or 80), timeout=60) as connection:
            connection.sendall(b"hello\r\n\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 400")


def test_the_end_cuts_what_is_under_way() -> None:
    sandbox = Sandbox(World.generate(recordings=1), faults=[OnAudio(EndlessBody())])
    with sandbox.running():
        parts = urlsplit(rows(listing(sandbox))[0]["audio"])
        connection = socket.create_connection((str(parts.hostname), parts.port or 80), timeout=60)
        connection.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        assert connection.recv(10)
        idle = socket.create_connection((str(parts.hostname), parts.port or 80), timeout=60)
    with connection, idle:
        assert sandbox.live_transfers == 0
        with suppress(ConnectionResetError):  # an orderly end will do as well
            while connection.recv(1 << 20):
                pass
    with pytest.raises(RuntimeError, match="does not run"):
        _ = sandbox.base_url


def test_a_taken_port_is_an_oserror() -> None:
    with (
        Sandbox().running() as sandbox,
        pytest.raises(OSError, match=r".+"),
        Sandbox(api_port=urlsplit(sandbox.base_url).port or 0).running(),
    ):
        pass


def test_a_defect_of_the_sandbox_does_not_go_unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(world, "recordings", None)
    loud = pytest.raises(ExceptionGroup, match="the sandbox failed")
    with loud, Sandbox(world).running() as sandbox, pytest.raises(ConnectionError):
        listing(sandbox)


def test_serving_in_the_foreground_until_cancelled() -> None:
    async def story() -> int:
        sandbox = Sandbox()
        ready = asyncio.Event()
        serving = asyncio.create_task(sandbox.serve(lambda _: ready.set()))
        await ready.wait()
        answer = await asyncio.to_thread(listing, sandbox)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        return answer.status

    assert asyncio.run(story()) == 200


def test_over_tls() -> None:
    authority = trustme.CA()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    world = World.generate(recordings=1)
    with Sandbox(world, tls=serving).running() as sandbox:
        assert sandbox.base_url.startswith("https://127.0.0.1:")
        link = sandbox.link(world.recordings()[0])
        with urllib.request.urlopen(link, context=trusting) as answer:
            assert answer.read() == world.audio_bytes(world.recordings()[0].id)


def test_the_end_meets_connections_in_every_stage() -> None:
    world = World.generate(recordings=1)
    for _ in range(5):
        with ExitStack() as clients, Sandbox(world, faults=[OnAudio(EndlessBody())]).running() as sandbox:
            parts = urlsplit(sandbox.link(world.recordings()[0]))
            for number in range(20):
                client = socket.create_connection((str(parts.hostname), parts.port or 80), timeout=60)
                clients.enter_context(client)
                if number % 2:
                    client.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        gc.collect()  # what was not closed complains here
        assert sandbox.live_transfers == 0

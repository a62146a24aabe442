"""TLS that cannot be trusted, before source, audio and store: expired, for another host, self-signed."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from archiver.sandbox import Sandbox, World
from tests.faults.lab import AWS, Lab
from tests.faults.launcher import start
from tests.stories.conftest import Directory
from tests.stories.operator import Operator

WAYS = ("good", "expired", "another host", "self-signed")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def context_for(way: str, authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    match way:
        case "good":
            certificate = authority.issue_cert("127.0.0.1")
        case "expired":
            certificate = authority.issue_cert(
                "127.0.0.1", not_before=yesterday - timedelta(days=9), not_after=yesterday
            )
        case "another host":
            certificate = authority.issue_cert("elsewhere.example")
        case _:
            certificate = trustme.CA().issue_cert("127.0.0.1")
    certificate.configure_cert(context)
    return context


def trusting(authority: trustme.CA, home: Path) -> Path:
    path = home / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.mark.parametrize("way", WAYS)
def test_source_and_audio(way: str, authority: trustme.CA, tmp_path: Path) -> None:
    world = World.generate(seed=251, recordings=2, days=1)
    with Sandbox(world, tls=context_for(way, authority)).running() as sandbox:
        lab = Lab(Operator(tmp_path, sandbox, Directory(tmp_path / "archive")))
        lab.operator.settings = {
            "source": {"ca_file": str(trusting(authority, tmp_path)), "allow_insecure_loopback": False}
        }
        config = lab.operator.configure()
        words = ("--config", str(config), "doctor")
        told = start(tmp_path / "streams", words, None, AWS).wait()
        assert (told.code == 0) == (way == "good"), told.stdout
        if way == "good":
            assert lab.run().code == 0
            assert lab.look() == []
        assert bool(sandbox.requests) == (way == "good"), "no byte of ours, no token, went out"


@pytest.mark.parametrize("way", WAYS[1:])
def test_audio_alone(way: str, authority: trustme.CA, tmp_path: Path) -> None:
    """The API is well; its links lead to a host that cannot be trusted."""
    world = World.generate(seed=252, recordings=2, days=1)
    with (
        Sandbox(world, tls=context_for(way, authority)).running() as elsewhere,
        Sandbox(world, tls=context_for("good", authority)).running() as sandbox,
    ):
        sandbox.audio_public_url = elsewhere.audio_base_url
        sandbox.keys = elsewhere.keys
        lab = Lab(Operator(tmp_path, sandbox, Directory(tmp_path / "archive")))
        lab.operator.settings = {
            "source": {"ca_file": str(trusting(authority, tmp_path)), "allow_insecure_loopback": False}
        }
        ended = lab.run(None, "--max-duration", "3s")
        assert ended.code == 3, ended.stderr
        assert ended.events[-1]["archived"] == 0
        assert elsewhere.requests == ()
        assert not [key for key in lab.bucket().objects if key.startswith("recordings/")]


@contextmanager
def https_store(context: ssl.SSLContext) -> Iterator[tuple[str, list[str]]]:
    """Takes down who asks; it never has to answer sensibly."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_any(self) -> None:
            asked.append(self.path)
            self.send_error(503)

        do_GET = do_PUT = do_HEAD = do_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Not on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("way", WAYS)
def test_store(way: str, authority: trustme.CA, tmp_path: Path) -> None:
    with (
        Sandbox(World.generate(seed=253, recordings=2, days=1)).running() as sandbox,
        https_store(context_for(way, authority)) as (url, asked),
    ):
        operator = Operator(tmp_path, sandbox, Directory(tmp_path / "archive"))
        bucket = {"url": "s3://somewhere/voice", "endpoint_url": url, "region": "us-east-1"}
        config = operator.configure(destination=bucket)
        environ = AWS | {"AWS_CA_BUNDLE": str(trusting(authority, tmp_path)), "AWS_MAX_ATTEMPTS": "1"}
        ended = start(tmp_path / "streams", ("--config", str(config), "doctor"), None, environ).wait()
        assert ended.code == 10, ended.stdout
        assert bool(asked) == (way == "good"), "no request, and so no signature, went out"
        if way != "good":
            assert "TLS" in ended.stdout + ended.stderr

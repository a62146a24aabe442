"""Answers of the voice API as bytes on a wire."""

from __future__ import annotations

import gzip
from unittest import mock

import pytest

from archiver.clock import ServerClock, SystemClock
from archiver.errors import SourceFailed
from archiver.rules.retry import RetryPolicy
from archiver.source import api_client
from archiver.source.api_client import ApiClient
from archiver.source.dialects import Envelope
from tests.test_wire import server

pytestmark = pytest.mark.anyio
NO_ROWS = b'{"status": "OK", "data": [], "more": "of what compresses well, and well, and well, and well"}'


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def answer(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def report(base_url: str, clock: ServerClock | None = None) -> Envelope:
    clock = clock or ServerClock(SystemClock())
    client = ApiClient(
        base_url, "secret-token", query_auth=False, requests_per_minute=600, server_clock=clock, ca_file=None
    )
    with mock.patch.object(api_client, "LISTING", RetryPolicy(attempts=1, base=0.01, ceiling=0.01)):
        try:
            return await client.report("voice/recordings", {"datetime[r.created_at]": "Jun 07, 2019 - Jun 08, 2019"})
        finally:
            await client.aclose()


async def refusal(base_url: str) -> str:
    with pytest.raises(SourceFailed) as failed:
        await report(base_url)
    return failed.value.fact


async def test_a_compressed_answer_is_read() -> None:
    packed = gzip.compress(NO_ROWS)
    assert len(packed) < len(NO_ROWS)
    with server(answer(packed, "Content-Encoding: gzip")) as url:
        envelope = await report(f"{url}/")
    assert (envelope.dialect, envelope.rows, envelope.answer.size) == ("flat", (), len(NO_ROWS))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer(NO_ROWS, "Content-Encoding: br"), "the answer is encoded as 'br', which was not asked for"),
        (answer(NO_ROWS, "Content-Encoding: gzip"), "the answer is not whole gzip"),
        (answer(gzip.compress(NO_ROWS)[:-20], "Content-Encoding: gzip"), "the answer is not whole JSON"),
        (answer(NO_ROWS)[:-10], "the answer broke off"),
        (b"", "the answer broke off"),
    ],
)
async def test_what_is_no_whole_answer(reply: bytes, words: str) -> None:
    with server(reply) as url:
        assert words in await refusal(f"{url}/")


async def test_an_answer_may_not_be_longer_than_its_limit_unpacked_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_client, "BODY_LIMIT", 4000)
    bomb = gzip.compress(NO_ROWS + b" " * 4000)
    assert len(bomb) < 4000
    for reply in (answer(NO_ROWS + b" " * 4000), answer(bomb, "Content-Encoding: gzip")):
        with server(reply) as url:
            assert "the answer is longer than 4000 bytes" in await refusal(f"{url}/")


async def test_the_servers_clock_is_read_off_every_answer() -> None:
    clock = ServerClock(SystemClock())
    with server(answer(NO_ROWS, "Date: Sun, 09 Jun 2019 08:49:37 GMT")) as url:
        await report(f"{url}/", clock)
    assert clock.now().isoformat()[:16] == "2019-06-09T08:49"


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy"])
async def test_a_proxy_that_the_environment_names_is_asked(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other in ("http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(other, raising=False)
        monkeypatch.delenv(other.upper(), raising=False)
    with server(answer(NO_ROWS)) as url:
        monkeypatch.setenv(name, url)
        assert (await report("http://voice.invalid/api/v2/")).dialect == "flat"
    monkeypatch.setenv("no_proxy", "voice.invalid")
    assert "voice.invalid: cannot connect" in await refusal("http://voice.invalid/api/v2/")

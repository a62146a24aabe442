"""The adapter against the sandbox, over real sockets."""

from __future__ import annotations

import locale
import ssl
from collections.abc import Collection, Iterator
from contextlib import aclosing, contextmanager, suppress
from datetime import UTC, date
from pathlib import Path

import anyio
import pytest
import trustme

from archiver.clock import SystemClock
from archiver.errors import SourceFailed
from archiver.model import Call, Digest, Link, Recording, Window
from archiver.sandbox import OnAudio, Redirect, Sandbox, Status, World
from archiver.source.interface import FetchFailed, FetchOutcome, LinkRefused
from archiver.source.listing import ReportListing
from archiver.source.voice_api import Tenant, VoiceApi, english_date


def tenant(sandbox: Sandbox, **changes: object) -> Tenant:
    usual: dict[str, object] = {
        "base_url": sandbox.base_url,
        "token": sandbox.token,
        "query_auth": False,
        "timezone": UTC,
        "requests_per_minute": 1000,
        "audio_hosts": ("127.0.0.1",),
        "allow_insecure_loopback": True,
        "connections": 4,
    }
    return Tenant(**(usual | changes))  # type: ignore[arg-type]


class Nowhere:
    """A sink that counts."""

    received = 0

    def begin_at_once(self, content_length: int | None, digests: Collection[str] = ()) -> bool:
        return False

    def digest(self, algorithm: str) -> Digest:
        return Digest(algorithm, "")

    async def end(self) -> None:
        """Nothing more comes."""

    async def begin(self, content_length: int | None, digests: Collection[str] = ()) -> None:
        self.received = 0

    def write(self, chunk: bytes) -> None:
        self.received += len(chunk)


@contextmanager
def in_locale(name: str) -> Iterator[None]:
    before = locale.setlocale(locale.LC_ALL)
    with suppress(locale.Error):  # not on this machine: the months are ours, whatever the locale
        locale.setlocale(locale.LC_ALL, name)
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, before)


def test_dates_are_english_whatever_the_locale() -> None:
    with in_locale("de_DE.UTF-8"):
        assert [english_date(date(2019, month, 7)) for month in (3, 5, 10, 12)] == [
            "Mar 07, 2019",
            "May 07, 2019",
            "Oct 07, 2019",
            "Dec 07, 2019",
        ]


@pytest.mark.parametrize("dialect", ["flat", "paged", "resource"])
def test_both_reports_are_listed(dialect: str) -> None:
    world = World.generate(seed=81, recordings=40, days=2)

    async def read() -> tuple[list[Recording], list[Call]]:
        recordings: list[Recording] = []
        calls: list[Call] = []
        api = VoiceApi(tenant(sandbox), SystemClock())
        for day in (date(2026, 9, 22), date(2026, 9, 23)):
            listed: ReportListing[Recording] = api.recordings(Window.of_day(day))
            async for page in listed:
                recordings.extend(page.rows)
            assert listed.outcome.agreed
            called: ReportListing[Call] = api.calls(Window.of_day(day))
            async for log in called:
                calls.extend(log.rows)
            assert called.outcome.agreed
        await api.aclose()
        return recordings, calls

    with Sandbox(world, dialect=dialect).running() as sandbox:  # type: ignore[arg-type]
        recordings, calls = anyio.run(read)

    assert {recording.id for recording in recordings} == {recording.id for recording in world.recordings()}
    known = {call.id for call in world.calls()}
    assert {call.id for call in calls} <= known
    assert len({call.id for call in calls}) >= len(known) - 2, "calls that ended after the last midnight aside"


async def fetch(sandbox: Sandbox, url: str | None = None, **changes: object) -> FetchOutcome:
    api = VoiceApi(tenant(sandbox, **changes), SystemClock())
    try:
        link = Link(url or sandbox.link(sandbox.world.recordings()[0]) or "")
        return await api.fetch(link, Nowhere())
    finally:
        await api.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/a.mp3",
        "http://localhost/a.mp3",
        "file:///etc/passwd",
        "http://user:password@127.0.0.1/a.mp3",
        "https://127.0.0.1.evil.example/",
        "no url at all",
        "https://[::1/",
        "https://127.0.0.1:port/",
        "",
    ],
)
def test_links_to_elsewhere_are_never_asked_for(url: str) -> None:
    with Sandbox(World.generate(seed=82, recordings=1, days=1)).running() as sandbox:
        outcome = anyio.run(fetch, sandbox, url or "//")
        assert isinstance(outcome, LinkRefused)
        assert outcome.permanent
        assert sandbox.downloads() == ()


def test_plain_http_needs_to_be_allowed() -> None:
    async def strict() -> FetchOutcome:
        return await fetch(sandbox, allow_insecure_loopback=False)

    with Sandbox(World.generate(seed=83, recordings=1, days=1)).running() as sandbox:
        assert isinstance(anyio.run(strict), LinkRefused)
        assert sandbox.downloads() == ()


def test_the_token_goes_to_the_api_alone_and_no_redirect_is_followed() -> None:
    with (
        Sandbox(World.generate(seed=84, recordings=1, days=1)).running() as elsewhere,
        Sandbox(World.generate(seed=84, recordings=1, days=1)).running() as sandbox,
    ):
        sandbox.inject(OnAudio(Redirect(f"{elsewhere.audio_base_url}/stolen"), None))
        assert isinstance(anyio.run(fetch, sandbox), LinkRefused)
        assert elsewhere.requests == ()
        for record in sandbox.downloads():
            assert "authorization" not in dict(record.headers)
            assert sandbox.token not in record.target


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_an_origin_that_asks_to_be_spared_is_told_from_one_that_is_down(status: int) -> None:
    with Sandbox(World.generate(seed=87, recordings=1, days=1)).running() as sandbox:
        sandbox.inject(OnAudio(Status(status, retry_after="7")))
        outcome = anyio.run(fetch, sandbox)
    assert isinstance(outcome, FetchFailed)
    assert outcome.pushed_back == (status in (429, 503))
    assert outcome.outage == (status != 500)
    assert outcome.retry_after == 7


def test_tls_is_verified(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    good, bad = tmp_path / "good.pem", tmp_path / "bad.pem"
    authority.cert_pem.write_to_path(str(good))
    stranger.cert_pem.write_to_path(str(bad))

    async def ask(ca_file: Path) -> tuple[bool, FetchOutcome]:
        api = VoiceApi(tenant(sandbox, ca_file=ca_file, allow_insecure_loopback=False), SystemClock())
        try:
            answered = (await api.account()).answered
        except SourceFailed:
            answered = False
        finally:
            await api.aclose()
        return answered, await fetch(sandbox, ca_file=ca_file, allow_insecure_loopback=False)

    with Sandbox(World.generate(seed=85, recordings=1, days=1), tls=context).running() as sandbox:
        answered, outcome = anyio.run(ask, good)
        assert answered
        assert not isinstance(outcome, FetchFailed | LinkRefused)
        answered, outcome = anyio.run(ask, bad)
        assert not answered
        assert isinstance(outcome, FetchFailed)
        assert [record.status for record in sandbox.requests if record.origin == "audio"] == [200]


def test_requests_are_paced() -> None:
    """120 a minute: after the first two, no second sees more than two."""
    world = World.generate(seed=86, recordings=100, days=1)

    async def read() -> None:
        api = VoiceApi(tenant(sandbox, requests_per_minute=120), SystemClock())
        async with aclosing(aiter(api.recordings(Window.of_day(date(2026, 9, 22))))) as pages:
            async for _ in pages:
                pass
        await api.aclose()

    with Sandbox(world).running() as sandbox:
        anyio.run(read)
        moments = [record.at for record in sandbox.listings()]
    assert len(moments) >= 8
    assert all(later - earlier > 0.9 for earlier, later in zip(moments[1:], moments[4:], strict=False))

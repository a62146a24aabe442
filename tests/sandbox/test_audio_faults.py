"""Each fault of an object or a transfer does on the wire what its docstring says."""

import gzip
import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from archiver.sandbox import (
    Chunked,
    CutObject,
    CutTransfer,
    DoubledObject,
    Drip,
    EndlessBody,
    FlippedBit,
    Gzipped,
    Headers,
    HtmlPage,
    Latency,
    NoAudioYet,
    NoLength,
    OnAudio,
    OtherBody,
    Redirect,
    ResetTransfer,
    Sandbox,
    Status,
    UnaskedPart,
    World,
    WrongAudio,
    XmlError,
    new_recording,
)
from archiver.sandbox.faults import RecordingFault

from .client import Answer, ask, link_of, listing, rows

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
WHOLE = World([new_recording(NOON)]).recordings()[0]
AUDIO = World([WHOLE]).audio_bytes(WHOLE.id)


@contextmanager
def broken(*faults: RecordingFault) -> Iterator[tuple[Sandbox, str]]:
    """A sandbox with one recording that has these faults, and a link to its audio."""
    with Sandbox(World([WHOLE.evolve(faults=faults)])).running() as sandbox:
        yield sandbox, link_of(sandbox, WHOLE.id)


def fetch(*faults: RecordingFault) -> Answer:
    with broken(*faults) as (_, link):
        return ask(link)


def raw(link: str) -> tuple[bytes, bytes, Exception | None]:
    """Head and body as they stand on the wire until the connection ends, and how it ended."""
    parts = urlsplit(link)
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=60) as connection:
        connection.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        received = b""
        try:
            while data := connection.recv(65_536):
                received += data
        except ConnectionResetError as reset:
            return *_split(received), reset
    return *_split(received), None


def _split(received: bytes) -> tuple[bytes, bytes]:
    head, _, body = received.partition(b"\r\n\r\n")
    return head.lower(), body


def test_cut_object_agrees_with_its_length() -> None:
    with broken(CutObject(0.6)) as (sandbox, link):
        answer = ask(link)
        assert answer.status == 200
        assert int(answer.headers["content-length"]) == len(answer.body) == int(len(AUDIO) * 0.6)
        assert answer.body == sandbox.world.audio_bytes(WHOLE.id)
        assert sandbox.world.whole_audio_bytes(WHOLE.id) == AUDIO


def test_other_damage_of_the_object() -> None:
    assert fetch(WrongAudio()).body[:1000] != AUDIO[:1000]
    flipped = fetch(FlippedBit(1000)).body
    assert [i for i, (a, b) in enumerate(zip(flipped, AUDIO, strict=True)) if a != b] == [1000]
    assert fetch(DoubledObject()).body == AUDIO * 2


@pytest.mark.parametrize("at", [0, 1, 0.5, -1])
def test_cut_transfer_promises_more_than_it_sends(at: float) -> None:
    with broken(CutTransfer(at)) as (sandbox, link):
        head, body, reset = raw(link)
        sent = {0: 0, 1: 1, 0.5: len(AUDIO) // 2, -1: len(AUDIO) - 1}[at]
        assert f"content-length: {len(AUDIO)}".encode() in head
        assert (len(body), reset) == (sent, None)
        assert sandbox.downloads()[-1].bytes_sent == sent
        with pytest.raises(http.client.IncompleteRead):
            ask(link)


def test_reset_transfer_resets() -> None:
    with broken(ResetTransfer(1000)) as (_, link):
        _, body, reset = raw(link)
        assert AUDIO[:1000].startswith(body)  # a reset may overtake what the client has not read yet
        assert isinstance(reset, ConnectionResetError)
    with broken(ResetTransfer()) as (_, link):
        head, _, reset = raw(link)
        assert (head, type(reset)) == (b"", ConnectionResetError)


def test_no_length_cannot_tell_whole_from_cut() -> None:
    for at, expected in ((1.0, AUDIO), (0.5, AUDIO[: len(AUDIO) // 2])):
        answer = fetch(NoLength(at))
        assert answer.body == expected
        assert not {"content-length", "transfer-encoding"} & set(answer.headers)


def test_chunks_whole_and_broken_off() -> None:
    whole = fetch(Chunked())
    assert (whole.body, whole.headers["transfer-encoding"]) == (AUDIO, "chunked")
    with pytest.raises(http.client.IncompleteRead):
        fetch(Chunked(0.5))


def test_latency_and_drip_take_their_time() -> None:
    for fault in (Latency(0.3), Drip(len(AUDIO) / 0.3)):
        began = time.monotonic()
        assert fetch(fault).body == AUDIO
        assert time.monotonic() - began >= 0.29


def test_documents_in_the_place_of_audio() -> None:
    for fault, start in ((HtmlPage(), b"<!DOCTYPE html>"), (XmlError(), b"<?xml"), (OtherBody(bytes(100)), bytes(100))):
        answer = fetch(fault)
        assert (answer.status, answer.headers["content-type"]) == (200, "audio/mpeg")
        assert answer.body.startswith(start)


@pytest.mark.parametrize(
    ("code", "word"), [(403, b"AccessDenied"), (404, b"NoSuchKey"), (500, b"Internal"), (503, b"Slow")]
)
def test_statuses_come_so_many_times(code: int, word: bytes) -> None:
    with broken(Status(code, times=2, retry_after="3")) as (_, link):
        answers = [ask(link) for _ in range(3)]
    assert [answer.status for answer in answers] == [code, code, 200]
    assert word in answers[0].body
    assert answers[0].headers["retry-after"] == "3"


def test_faults_follow_each_other() -> None:
    with broken(Status(503, times=1), HtmlPage(after=1, times=1)) as (_, link):
        assert [(a.status, a.body == AUDIO) for a in (ask(link), ask(link), ask(link))] == [
            (503, False),
            (200, False),
            (200, True),
        ]


def test_refused_links_use_up_no_fault() -> None:
    with broken(Status(503, times=1)) as (_, link):
        assert [ask(link + "x").status, ask(link).status, ask(link).status] == [403, 503, 200]


def test_unasked_part_encoded_body_redirect_headers() -> None:
    part = fetch(UnaskedPart(0.5))
    assert (part.status, len(part.body)) == (206, len(AUDIO) // 2)
    assert part.headers["content-range"] == f"bytes 0-{len(part.body) - 1}/{len(AUDIO)}"
    encoded = fetch(Gzipped())
    assert (encoded.headers["content-encoding"], gzip.decompress(encoded.body)) == ("gzip", AUDIO)
    bomb = fetch(Gzipped(zeros=10**6))
    assert len(bomb.body) < 2000
    redirect = fetch(Redirect("http://169.254.169.254/"))
    assert (redirect.status, redirect.headers["location"]) == (302, "http://169.254.169.254/")
    changed = fetch(Headers((("content_type", "text/plain"), ("etag", None))))
    assert changed.headers["content-type"] == "text/plain"
    assert "etag" not in changed.headers


@pytest.mark.parametrize("declared", [None, 10**12])
def test_endless_body_goes_on_and_leaves_turns_to_others(declared: int | None) -> None:
    other = new_recording(NOON, seed=2)
    with broken(EndlessBody(declared)) as (sandbox, link):
        sandbox.world.insert(other)
        parts = urlsplit(link)
        connection = http.client.HTTPConnection(parts.netloc, timeout=20)
        connection.request("GET", f"{parts.path}?{parts.query}")
        response = connection.getresponse()
        assert len(response.read(len(AUDIO) * 20)) == len(AUDIO) * 20
        assert ask(link_of(sandbox, other.id)).status == 200
        connection.close()
        response.close()


def test_audio_that_appears_later() -> None:
    with Sandbox(World([WHOLE.evolve(faults=(NoAudioYet(times=1),))])).running() as sandbox:
        links = [rows(listing(sandbox))[0]["audio"] for _ in range(2)]
        assert links[0] is None
        assert ask(links[1]).body == AUDIO


def test_a_recording_without_audio_has_no_link_and_no_bytes() -> None:
    world = World([WHOLE.evolve(audio=None)])
    with Sandbox(world).running() as sandbox:
        assert rows(listing(sandbox))[0]["audio"] is None
        assert ask(sandbox.sign(WHOLE.audio_key)).status == 404
    with pytest.raises(LookupError):
        world.audio_bytes(WHOLE.id)


def test_faults_of_all_audio_or_of_one_recording() -> None:
    other = new_recording(NOON, seed=2)
    with Sandbox(World([WHOLE, other]), faults=[OnAudio(Status(500, times=1))]).running() as sandbox:
        links = [link_of(sandbox, recording.id) for recording in (WHOLE, other)]
        assert [ask(link).status for link in links] == [500, 200]
        sandbox.inject(OnAudio(Status(503), recording=other.id))
        assert [ask(link).status for link in links] == [200, 503]
        sandbox.clear_faults()
        assert [ask(link).status for link in links] == [200, 200]

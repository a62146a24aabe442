"""Links are really signed: botocore's are accepted, and late, altered or misused ones refused as S3 refuses them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from archiver.sandbox import OldStyleLink, Sandbox, ShortLink, StoredBytes, World, new_recording
from archiver.sandbox.links import BUCKET

from .client import ask, link_of, listing, rows

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
RECORDING = new_recording(NOON)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(World([RECORDING])).running() as running:
        yield running


def credentials(sandbox: Sandbox) -> Credentials:
    return Credentials(sandbox.keys.access_key, sandbox.keys.secret_key)


def test_a_listed_link_opens_the_audio(sandbox: Sandbox) -> None:
    answer = ask(link_of(sandbox, RECORDING.id))
    assert answer.status == 200
    assert answer.body == sandbox.world.audio_bytes(RECORDING.id)
    assert answer.headers["content-type"] == "audio/mpeg"
    assert int(answer.headers["content-length"]) == len(answer.body)


@pytest.mark.parametrize("region", ["eu-west-1", "ap-southeast-1"])
def test_a_link_made_by_botocore_alone_is_accepted(sandbox: Sandbox, region: str) -> None:
    request = AWSRequest("GET", f"{sandbox.audio_base_url}/{RECORDING.audio_key}")
    S3SigV4QueryAuth(credentials(sandbox), "s3", region, expires=60).add_auth(request)
    assert ask(str(request.url)).status == 200


def test_an_old_style_link_made_by_botocore_alone_is_accepted(sandbox: Sandbox) -> None:
    path = f"/{RECORDING.audio_key}"
    request = AWSRequest("GET", f"{sandbox.audio_base_url}{path}", auth_path=f"/{BUCKET}{path}")
    HmacV1QueryAuth(credentials(sandbox), expires=60).add_auth(request)
    assert ask(str(request.url)).status == 200


def test_a_late_link_is_refused_in_the_words_of_s3(sandbox: Sandbox) -> None:
    link = link_of(sandbox, RECORDING.id)
    sandbox.clock_offset = timedelta(seconds=3601)
    answer = ask(link)
    assert answer.status == 403
    assert b"<Code>AccessDenied</Code><Message>Request has expired</Message><X-Amz-Expires>3600" in answer.body
    assert b"<ServerTime>" in answer.body
    assert b"<Expires>" in answer.body
    assert answer.headers["content-type"] == "application/xml"


def test_the_clock_shows_in_the_date_header(sandbox: Sandbox) -> None:
    sandbox.clock_offset = timedelta(days=-3650)
    assert "2016" in listing(sandbox).headers["date"]
    assert ask(link_of(sandbox, RECORDING.id)).status == 200


def test_a_link_of_the_future_is_not_valid_yet(sandbox: Sandbox) -> None:
    link = link_of(sandbox, RECORDING.id)
    sandbox.clock_offset = timedelta(hours=-1)
    assert b"Request is not valid yet" in ask(link).body


def test_altered_links_are_refused(sandbox: Sandbox) -> None:
    link = link_of(sandbox, RECORDING.id)
    last = "1" if link[-1] == "0" else "0"
    for altered in (link[:-1] + last, link.replace("rc/", "RC/"), link.replace("Expires=3600", "Expires=360000")):
        answer = ask(altered)
        assert (answer.status, b"SignatureDoesNotMatch" in answer.body) == (403, True)
    bare = ask(link.partition("?")[0])
    assert (bare.status, b"AccessDenied" in bare.body) == (403, True)
    assert b"InvalidAccessKeyId" in ask(link.replace(sandbox.keys.access_key, "AKIAOTHER")).body


def test_head_is_refused(sandbox: Sandbox) -> None:
    answer = ask(link_of(sandbox, RECORDING.id), method="HEAD")
    assert (answer.status, answer.body) == (403, b"")


def test_an_object_that_went_away_is_no_such_key(sandbox: Sandbox) -> None:
    link = link_of(sandbox, RECORDING.id)
    sandbox.world.remove(RECORDING.id)
    answer = ask(link)
    assert (answer.status, b"<Code>NoSuchKey</Code>" in answer.body) == (404, True)


def test_life_may_be_changed_for_all_and_for_one(sandbox: Sandbox) -> None:
    sandbox.link_life = 7200
    assert "X-Amz-Expires=7200" in link_of(sandbox, RECORDING.id)
    sandbox.world.replace(new_recording(NOON, faults=(ShortLink(60, age=61, times=2),)))
    assert [ask(link_of(sandbox, RECORDING.id)).status for _ in range(3)] == [403, 403, 200]


def test_old_style_links_live_and_die(sandbox: Sandbox) -> None:
    sandbox.world.replace(new_recording(NOON, faults=(OldStyleLink(),)))
    link = link_of(sandbox, RECORDING.id)
    assert "AWSAccessKeyId=" in link
    assert ask(link).status == 200
    assert ask(link.replace("Expires=1", "Expires=2")).status == 403
    sandbox.clock_offset = timedelta(hours=2)
    answer = ask(link)
    assert (answer.status, b"Request has expired" in answer.body) == (403, True)


def test_a_range_is_served(sandbox: Sandbox) -> None:
    link, whole = link_of(sandbox, RECORDING.id), sandbox.world.audio_bytes(RECORDING.id)
    part = ask(link, Range="bytes=100-199")
    assert (part.status, part.body) == (206, whole[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
    assert ask(link, Range="bytes=-10").body == whole[-10:]
    assert ask(link, Range="bytes=99999999-").status == 416


def test_two_recordings_may_share_one_object() -> None:
    older = new_recording(NOON, 93, seed=1)
    newer = new_recording(NOON + timedelta(minutes=5), 47, seed=2).evolve(audio_key=older.audio_key)
    with Sandbox(World([older, newer])).running() as sandbox:
        links = {row["audio"] for row in rows(listing(sandbox))}
        assert len({link.partition("?")[0] for link in links}) == 1
        assert ask(links.pop()).body == sandbox.world.whole_audio_bytes(newer.id)
    assert sandbox.world.audio_bytes(older.id) == sandbox.world.audio_bytes(newer.id)


def test_links_may_lead_through_a_proxy_and_hold_odd_keys(sandbox: Sandbox) -> None:
    odd = new_recording(NOON, seed=9).evolve(audio_key="rc/a b+c/ü&=.mp3", audio=StoredBytes(b"RIFF", "audio/wav"))
    sandbox.world.insert(odd)
    answer = ask(link_of(sandbox, odd.id))
    assert (answer.body, answer.headers["content-type"]) == (b"RIFF", "audio/wav")
    sandbox.audio_public_url = "http://localhost:1"
    assert link_of(sandbox, odd.id).startswith("http://localhost:1/rc/")

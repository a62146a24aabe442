"""Rows read into nouns: a field that cannot be read costs that field, and no secret is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.source.rows import read_call, read_duration, read_recording, time_of_uuid, without_links

LINK = (
    "https://s30m.s3.ap-southeast-1.amazonaws.com/rc/190624/c-1.mp3?X-Amz-Credential=AKIAEXAMPLE"
    "&X-Amz-Date=20190813T112154Z&X-Amz-Expires=3600&X-Amz-Signature=2c5a05b7"
)
ROW = {
    "id": "c136768e-8c0e-11e9-b795-6c2b59c79f5a",
    "call_from": 918553001122,
    "call_to": "+918068287601",
    "audio": LINK,
    "duration": "00:01:33",
    "created_at": "2019-06-11 06:04:21",
    "something_new": {"kept": True},
}


def test_a_link_in_any_field_is_kept_without_what_signs_it() -> None:
    link = "https://h/a.mp3?X-Amz-Date=1&X-Amz-Signature=canary"
    fields = {"id": link, "call_from": link, "call_to": f"see {link}", "created_at": "2026-09-22 10:00:00"}
    recording, _ = read_recording(fields, UTC)
    assert recording is not None
    assert "canary" not in f"{recording!r} {recording.row!r}"
    assert recording.id == "https://h/a.mp3"
    call, _ = read_call({"id": link, "start_at": "2026-09-22 10:00:00", "status": link}, UTC)
    assert call is not None
    assert "canary" not in f"{call!r} {call.row!r}"


def test_a_recording() -> None:
    recording, problems = read_recording(ROW, UTC)
    assert recording is not None
    assert problems == []
    assert recording.created_at == datetime(2019, 6, 11, 6, 4, 21, tzinfo=UTC)
    assert recording.duration == timedelta(seconds=93)
    assert (recording.call_from, recording.call_to) == ("918553001122", "918068287601")
    assert recording.link is not None
    assert recording.link.deadline == datetime(2019, 8, 13, 12, 21, 54, tzinfo=UTC)
    assert recording.row["something_new"] == {"kept": True}
    assert recording.row["audio"] == LINK.partition("?")[0]
    assert "2c5a05b7" not in repr(recording)


def test_times_are_in_the_tenants_zone() -> None:
    recording, _ = read_recording(ROW, ZoneInfo("Asia/Kolkata"))
    assert recording is not None
    assert recording.created_at == datetime(2019, 6, 11, 0, 34, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:01:33", 93), ("27:00:01", 97201), ("100:00:00", 360000), ("93", 93), (93, 93), (" 00:00:05 ", 5)],
)
def test_durations(text: object, seconds: int) -> None:
    assert read_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", [None, "", "a while", "1:2", "00:61:00", "-5", True, 1.5, "٣", [], "9" * 40])
def test_no_durations(text: object) -> None:
    assert read_duration(text) is None


@pytest.mark.parametrize("duration", ["00:00:00", None, "a while", 0])
def test_without_a_reference_the_recording_is_still_one(duration: object) -> None:
    recording, problems = read_recording({**ROW, "duration": duration}, UTC)
    assert recording is not None
    assert recording.duration is None
    assert len(problems) == (duration == "a while")


def test_an_unreadable_time_is_taken_from_the_id() -> None:
    recording, (problem,) = read_recording({**ROW, "created_at": "yesterday"}, UTC)
    assert recording is not None
    assert abs(recording.created_at - datetime(2019, 6, 11, 6, 4, 21, tzinfo=UTC)) <= timedelta(seconds=1)
    assert not problem.lost


@pytest.mark.parametrize("identifier", [None, "", "x" * 2001, "\ud800", ["a"], True])
def test_no_usable_id_loses_the_row_and_says_so(identifier: object) -> None:
    recording, (problem,) = read_recording({**ROW, "id": identifier}, UTC)
    assert recording is None
    assert problem.lost


def test_neither_id_time_nor_created_at() -> None:
    recording, (problem,) = read_recording({**ROW, "id": "42", "created_at": None}, UTC)
    assert recording is None
    assert problem.lost


def test_a_call() -> None:
    row = {
        "id": "c839b4c4-8c0d-11e9-bb88-6c2b59c79f5a",
        "status": "RECEIVED",
        "duration": "00:00:12",
        "start_at": "2019-06-11 05:57:24",
        "end_at": "2019-06-11 05:57:36",
    }
    call, problems = read_call(row, UTC)
    assert call is not None
    assert problems == []
    assert call.end_at == datetime(2019, 6, 11, 5, 57, 36, tzinfo=UTC)
    assert call.status == "RECEIVED"


def test_the_samples_ids_tell_their_time() -> None:
    assert time_of_uuid("066f0afa-8c0e-11e9-8b2f-6c2b59c79f5a") == datetime(2019, 6, 11, 5, 59, 7, tzinfo=UTC)
    assert time_of_uuid("00000000-0000-4000-8000-000000000000") is None
    assert time_of_uuid("no uuid") is None


@pytest.mark.parametrize(
    "text",
    [
        LINK,
        f"see {LINK} for more",
        "s3://key:secret-X-Amz-Signature=2c5a05b7@host/path",
        "path?X-Amz-Signature=2c5a05b7",
        "//host/path?a=1&Signature=2c5a05b7",
        "https://h/p#2c5a05b7",
        "https://h/p?redirect=https://i/q?X-Amz-Signature=2c5a05b7",
        "see path%3FX-Amz-Signature%3D2c5a05b7 for more",
        "see path%3fa=1%26x-amz-security-token%3d2c5a05b7",
        "twice: path%253FX-Amz-Credential%253D2c5a05b7%252Feu",
        "path?AWSAccessKeyId=2c5a05b7",
        "old style, encoded: path%3FSignature%3D2c5a05b7",
        "path%253Fa%253D1%2526Signature%253D2c5a05b7",
        "access_token%3D2c5a05b7",
    ],
)
def test_no_signature_survives_anywhere_in_a_row(text: str) -> None:
    row = without_links({"audio": text, "notes": {"deep": [text]}})
    assert "2c5a05b7" not in str(row)


def test_of_a_text_with_an_encoded_link_the_rest_stays() -> None:
    row = without_links({"notes": "see path%3FX-Amz-Signature%3D2c5a05b7 for more", "signature": "Signature=J. Doe"})
    assert row == {"notes": "see path for more", "signature": "Signature=J. Doe"}


def test_what_is_no_link_stays_verbatim() -> None:
    row = {"notes": "at 10:30, see page?no=3 & more", "count": 3, "flag": None, "url": "https://host/path"}
    assert without_links(row) == row


@given(st.dictionaries(st.text(), st.none() | st.text() | st.integers() | st.lists(st.text())))
def test_any_row_is_read_or_refused(row: dict[str, object]) -> None:
    for read in (read_recording, read_call):
        found, problems = read(row, UTC)
        assert found is not None or problems

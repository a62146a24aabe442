"""What is written comes back as it was, of the same type, and compares in the database as it does here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.manifest import columns
from archiver.manifest.interface import CallDay, Change, Entry
from archiver.manifest.sql import SqlManifest
from archiver.rules.lifecycle import Event, State

from .build import CONTENT, DAY, NOW, RUN, bring, listed, recording, stored

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1000, 1, 3), datetime(9999, 12, 30), timezones=ZONES)  # noqa: DTZ001 - zones are drawn
ODD = "back\\slash \ud800\0é"


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    yield connection
    connection.close()


@given(one=MOMENTS, other=MOMENTS)
def test_moments_compare_as_their_text(one: datetime, other: datetime) -> None:
    first, second = columns.moment(one), columns.moment(other)
    assert first is not None
    assert second is not None
    assert (first < second, first == second) == (one < other, one == other)
    assert columns.moment_of(first) == one
    assert columns.moment_of(first).tzinfo is UTC


def test_a_moment_is_kept_as_the_schema_says() -> None:
    zone = timezone(timedelta(hours=2))
    assert columns.moment(datetime(2026, 9, 17, 2, tzinfo=zone)) == "2026-09-17 00:00:00.000000"


@given(text=st.text(st.characters(exclude_categories=[])))
def test_any_text_can_be_an_id_and_words(database: sqlite3.Connection, text: str) -> None:
    kept = (columns.identifier(text), columns.words(text), columns.to_json({"a": text}))
    (back,) = database.execute("SELECT ?, ?, ?", kept)
    assert back == kept
    assert columns.identifier_of(back[0]) == text
    assert columns.json_of(back[2]) == {"a": text}


@pytest.mark.anyio
async def test_an_odd_id_is_itself_wherever_it_is_named(manifest: SqlManifest) -> None:
    await manifest.note_listed(RUN, NOW, [recording(ODD)])
    assert [entry.recording_id for entry in await manifest.open_entries(DAY)] == [ODD]
    oldest = await manifest.oldest_open()
    assert oldest is not None
    assert oldest.recording_id == ODD
    change = Change(audio=stored("recordings/odd.mp3"), content=CONTENT)
    await manifest.advance(ODD, State.DISCOVERED, Event.UPLOADED, NOW, RUN, change)
    await manifest.note_doubt(ODD, ODD)
    await manifest.note_listed(RUN, NOW, [recording(ODD, seconds=14)])
    assert [flagged.recording_id for flagged in await manifest.flagged()] == [ODD]
    assert [observed.recording_id async for observed in manifest.observed(RUN)] == [ODD]
    assert [standing.id async for standing in manifest.standings(DAY.day)] == [ODD]
    assert [known.id async for known in manifest.listed(DAY.day)] == [ODD]
    assert [entry.recording_id async for entry, _ in manifest.kept(DAY.day)] == [ODD]
    assert [entry.recording_id async for entry in manifest.claims(DAY.day)] == [ODD]
    assert await manifest.same_content(CONTENT, "other") == [ODD]
    assert await manifest.same_content(CONTENT, ODD) == []
    assert (await manifest.source_row(ODD))["duration"] == 14
    assert not await manifest.restore(Entry(ODD, DAY.start, None, State.ARCHIVED, 0, ""), {}, NOW, None)


@pytest.mark.anyio
async def test_truths_come_back_as_truths(manifest: SqlManifest) -> None:
    """A 1 would do in Python, but stand as a number in a statement."""
    await bring(manifest, "a", State.ARCHIVED)
    await manifest.note_window(RUN, NOW, listed(DAY))
    await manifest.note_call_day(NOW, CallDay(DAY.day, 1, 1, "", ""))
    (standing,) = [standing async for standing in manifest.standings(DAY.day)]
    (window,) = await manifest.windows()
    await manifest.note_window(RUN, NOW, listed(DAY, agreed=False))
    (unagreed,) = await manifest.unagreed_windows()
    call_day = await manifest.call_day(DAY.day)
    assert call_day is not None
    truths = (standing.late, window.agreed, unagreed.agreed, call_day.agreed, (await manifest.call_days())[0].agreed)
    assert [type(each) for each in truths] == [bool] * 5
    assert truths == (False, True, False, True, True)

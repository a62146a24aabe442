"""What the source names comes in, once, and is seen again."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from archiver.manifest.interface import Change, Entry
from archiver.manifest.sql import SqlManifest
from archiver.rules.lifecycle import Event, State

from .build import DAY, NOW, RUN, bring, recording
from .conftest import Ask

pytestmark = pytest.mark.anyio
LATER = NOW + timedelta(hours=1)


async def test_a_new_recording_is_discovered_with_its_event(manifest: SqlManifest, ask: Ask) -> None:
    found = await manifest.note_listed(RUN, NOW, [recording("a", timedelta(hours=3))])
    entry = Entry("a", DAY.start + timedelta(hours=3), 12.0, State.DISCOVERED, 0, "")
    assert found == {"a": entry}
    assert await manifest.entries(["a"]) == found
    assert ask("SELECT recording_id, run_id, event, from_state, to_state FROM events") == [
        ("a", RUN, "listed", None, "discovered")
    ]
    ((day, row),) = ask("SELECT day, source_row FROM recordings")
    assert day == DAY.day.isoformat()
    assert json.loads(row) == {"id": "a", "duration": 12}


async def test_seen_again_changes_neither_state_nor_events(manifest: SqlManifest, ask: Ask) -> None:
    before = await bring(manifest, "a", State.ARCHIVED)
    events = ask("SELECT * FROM events")
    assert await manifest.note_listed("run-2", LATER, [recording("a")]) == {"a": before}
    assert ask("SELECT * FROM events") == events
    seen = ask("SELECT first_listed_at < last_listed_at, last_listed_run, row_changed_at FROM recordings")
    assert seen == [(1, "run-2", None)]


async def test_a_corrected_row_is_taken_over_and_noted(manifest: SqlManifest, ask: Ask) -> None:
    before = await bring(manifest, "a", State.ARCHIVED)
    corrected = await manifest.note_listed("run-2", LATER, [recording("a", seconds=14)])
    assert corrected["a"].duration == 14
    assert corrected["a"].state is before.state
    assert await manifest.entries(["a"]) == corrected
    ((row, changed),) = ask("SELECT source_row, row_changed_at FROM recordings")
    assert json.loads(row)["duration"] == 14
    assert changed is not None
    assert await manifest.integrity() == []


async def test_a_field_filled_in_is_taken_over(manifest: SqlManifest, ask: Ask) -> None:
    await manifest.note_listed(RUN, NOW, [recording("a", seconds=None, audio=None)])
    found = await manifest.note_listed(RUN, LATER, [recording("a", seconds=3, audio="https://host/path")])
    assert found["a"].duration == 3
    assert "https://host/path" in ask("SELECT source_row FROM recordings")[0][0]


async def test_any_other_field_that_changes_is_taken_over_too(manifest: SqlManifest, ask: Ask) -> None:
    await manifest.note_listed(RUN, NOW, [recording("a", call={"to": "one"})])
    await manifest.note_listed(RUN, LATER, [recording("a", call={"to": "two"})])
    ((row, changed),) = ask("SELECT source_row, row_changed_at FROM recordings")
    assert json.loads(row)["call"] == {"to": "two"}
    assert changed is not None


async def test_a_duration_no_longer_given_stays(manifest: SqlManifest) -> None:
    await manifest.note_listed(RUN, NOW, [recording("a", seconds=3)])
    assert (await manifest.note_listed(RUN, LATER, [recording("a", seconds=None)]))["a"].duration == 3


async def test_the_source_time_stays_as_first_listed(manifest: SqlManifest) -> None:
    before = await manifest.note_listed(RUN, NOW, [recording("a")])
    moved = await manifest.note_listed(RUN, LATER, [recording("a", timedelta(days=1))])
    assert moved["a"].created_at == before["a"].created_at
    assert await manifest.entries(["a"]) == moved


async def test_an_id_twice_in_one_page_is_one_recording(manifest: SqlManifest, ask: Ask) -> None:
    found = await manifest.note_listed(RUN, NOW, [recording("a", seconds=1), recording("a", seconds=2)])
    assert [entry.duration for entry in found.values()] == [2]
    assert ask("SELECT count(*) FROM events") == [(1,)]


async def test_nothing_listed_is_nothing(manifest: SqlManifest) -> None:
    assert await manifest.note_listed(RUN, NOW, []) == {}
    assert await manifest.entries([]) == {}


async def test_a_flat_list_of_thousands(manifest: SqlManifest) -> None:
    many = [recording(f"r{n}", timedelta(seconds=n)) for n in range(5003)]
    found = await manifest.note_listed(RUN, NOW, many)
    assert len(found) == 5003
    assert await manifest.entries([each.id for each in many]) == found
    assert (await manifest.counts(RUN)).states == {State.DISCOVERED: 5003}
    assert await manifest.note_listed("run-2", LATER, many) == found


async def test_a_listing_beside_advances_tears_neither(manifest: SqlManifest) -> None:
    entry = await bring(manifest, "a", State.DISCOVERED)
    uploaded = await manifest.advance("a", entry.state, Event.UPLOADED, NOW, RUN, Change(draft=b"{}"))
    assert (await manifest.note_listed(RUN, LATER, [recording("a"), recording("b")]))["a"] == uploaded

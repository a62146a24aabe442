"""Counts, streams, runs, and what a rebuild brings back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from archiver.manifest import reports
from archiver.manifest.interface import Change, Entry, RunRecord, WindowCounts
from archiver.manifest.sql import SqlManifest
from archiver.model import Window
from archiver.rules.lifecycle import Event, State

from .build import DAY, NOW, RUN, SHA512, bring, listed, names, recording, stored
from .conftest import Ask

pytestmark = pytest.mark.anyio
NEXT = Window.of_day(DAY.day + timedelta(days=1))
HOUR = timedelta(hours=1)


async def test_mine_is_what_this_run_archived_through_a_transfer(manifest: SqlManifest) -> None:
    await bring(manifest, "before", State.ARCHIVED, run="run-0")
    await bring(manifest, "own", State.ARCHIVED)
    await bring(manifest, "adopted", State.STORED)
    await manifest.advance("adopted", State.STORED, Event.SEALED, NOW, RUN, Change(detail={"adopted": True}))
    await manifest.restore(Entry("restored", DAY.start, 1.0, State.ARCHIVED, 0, ""), {}, NOW, RUN)
    await bring(manifest, "bad", State.QUARANTINED)
    await bring(manifest, "tomorrow", State.ARCHIVED, NEXT)
    await manifest.note_listed(RUN, NOW, [recording("before"), recording("restored")])
    expected = {State.ARCHIVED: 4, State.QUARANTINED: 1}
    assert await manifest.counts(DAY, RUN) == WindowCounts(expected, mine=1)


async def test_counts_are_of_what_the_run_has_listed(manifest: SqlManifest) -> None:
    await bring(manifest, "a", State.ARCHIVED, run="run-0")
    await bring(manifest, "b", State.DISCOVERED)
    assert await manifest.counts(DAY, RUN) == WindowCounts({State.DISCOVERED: 1})
    assert await manifest.counts(DAY, "run-9") == WindowCounts({})


async def test_an_archived_one_that_drifted_is_mine_only_once_archived_again(manifest: SqlManifest) -> None:
    await bring(manifest, "a", State.ARCHIVED)
    await manifest.advance("a", State.ARCHIVED, Event.DRIFTED, NOW, None, Change())
    assert await manifest.counts(DAY, RUN) == WindowCounts({State.DISCOVERED: 1})


async def test_days_know_everything(manifest: SqlManifest) -> None:
    assert await manifest.days() == {}
    await bring(manifest, "a", State.ARCHIVED)
    await bring(manifest, "b", State.ARCHIVED)
    await bring(manifest, "c", State.FAILED)
    await bring(manifest, "d", State.DISCOVERED, NEXT)
    found = await manifest.days()
    assert found == {DAY.day: {State.ARCHIVED: 2, State.FAILED: 1}, NEXT.day: {State.DISCOVERED: 1}}
    assert list(found) == [DAY.day, NEXT.day]


async def test_the_oldest_open(manifest: SqlManifest) -> None:
    assert await manifest.oldest_open() is None
    await bring(manifest, "done", State.ARCHIVED)
    await manifest.note_listed(RUN, NOW, [recording("young", 2 * HOUR), recording("old", HOUR)])
    oldest = await manifest.oldest_open()
    assert oldest is not None
    assert oldest.recording_id == "old"


async def test_select_streams_every_state_oldest_first_without_a_gap_at_the_pages(manifest: SqlManifest) -> None:
    count = 2 * reports.PAGE + 7
    # three share each moment, so that pages end between equals
    await manifest.note_listed(RUN, NOW, [recording(f"r{n:05}", timedelta(seconds=n // 3)) for n in range(count)])
    for n in range(0, count, 2):
        await manifest.advance(f"r{n:05}", State.DISCOVERED, Event.EXCLUDED, NOW, RUN, Change())
    everything = [f"r{n:05}" for n in range(count)]
    assert await names(manifest, [State.SKIPPED, State.DISCOVERED, State.SKIPPED]) == everything
    assert await names(manifest, [State.SKIPPED]) == everything[::2]
    assert await names(manifest, [State.FAILED]) == []
    assert await names(manifest, []) == []


async def test_select_among_ids(manifest: SqlManifest) -> None:
    await manifest.note_listed(RUN, NOW, [recording("b", HOUR), recording("a", 2 * HOUR), recording("c")])
    await manifest.advance("c", State.DISCOVERED, Event.EXCLUDED, NOW, RUN, Change())
    assert await names(manifest, [State.DISCOVERED], ["a", "b", "c", "nobody", "a"]) == ["b", "a"]


async def test_a_stream_holds_no_transaction_between_pages(manifest: SqlManifest) -> None:
    count = reports.PAGE + 1
    await manifest.note_listed(RUN, NOW, [recording(f"r{n:05}", timedelta(seconds=n)) for n in range(count)])
    moved = 0
    async for entry in manifest.select([State.DISCOVERED]):
        assert await manifest.advance(entry.recording_id, entry.state, Event.EXCLUDED, NOW, RUN, Change())
        moved += 1
    assert moved == count


async def test_last_run(manifest: SqlManifest) -> None:
    assert await manifest.last_run() is None
    await manifest.begin_run("first", NOW)
    assert await manifest.last_run() == RunRecord("first", NOW, None, None, {})
    await manifest.end_run("first", NOW + HOUR, 3, {"listed": 7, "complete": False})
    await manifest.begin_run("second", NOW + 2 * HOUR)
    ended = RunRecord("first", NOW, NOW + HOUR, 3, {"listed": 7, "complete": False})
    assert await manifest.last_run() == ended
    await manifest.end_run("second", NOW + 3 * HOUR, 0, {})
    last = await manifest.last_run()
    assert last is not None
    assert last.run_id == "second"


async def test_a_run_that_never_began_cannot_end(manifest: SqlManifest) -> None:
    with pytest.raises(ValueError, match="no run ghost"):
        await manifest.end_run("ghost", NOW, 0, {})


@pytest.mark.parametrize("state", [State.ARCHIVED, State.QUARANTINED, State.DISCOVERED, State.STORED, State.EXPIRED])
async def test_restore_brings_back_an_entry_whose_events_say_so(manifest: SqlManifest, ask: Ask, state: State) -> None:
    entry = Entry(
        "a",
        DAY.start,
        12.5,
        state,
        0,
        "as its sidecar says",
        grade="verified",
        audio=stored("recordings/a.mp3", "v1"),
        sha512=SHA512,
        sidecar=stored("recordings/a.vcon.json"),
    )
    assert await manifest.restore(entry, {"id": "a", "duration": 12.5}, NOW, None)
    assert await manifest.entries(["a"]) == {"a": entry}
    assert not await manifest.restore(entry, {}, NOW, None)
    assert ask("SELECT count(*) FROM events WHERE json_extract(detail, '$.restored') IS NOT 1") == [(0,)]
    assert await manifest.integrity() == []


async def test_a_restored_recording_is_not_fetched_again_when_the_source_lists_it(manifest: SqlManifest) -> None:
    entry = Entry("a", DAY.start, 12.0, State.ARCHIVED, 0, "")
    await manifest.restore(entry, {"id": "a"}, NOW, None)
    await manifest.note_window(RUN, NOW, listed(DAY))
    assert await manifest.note_listed(RUN, NOW, [recording("a")]) == {"a": entry}
    assert await manifest.close_windows(NOW, NOW) == [DAY]


async def test_restore_does_not_touch_what_is_known(manifest: SqlManifest) -> None:
    before = await bring(manifest, "a", State.QUARANTINED)
    assert not await manifest.restore(Entry("a", DAY.start, 1.0, State.ARCHIVED, 0, ""), {}, NOW, None)
    assert await manifest.entries(["a"]) == {"a": before}

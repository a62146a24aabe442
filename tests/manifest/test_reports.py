"""Counts, streams, runs, and what a rebuild brings back."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from archiver.manifest import reports
from archiver.manifest.interface import Change, Entry, RunCounts, RunRecord
from archiver.manifest.sql import SqlManifest
from archiver.model import Digest, Window
from archiver.rules.lifecycle import Event, State

from .build import CONTENT, DAY, NOW, RUN, SHA256, SHA512, bring, listed, names, recording, stored
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
    expected = {State.ARCHIVED: 5, State.QUARANTINED: 1}
    assert await manifest.counts(RUN) == RunCounts(expected, mine=2)


async def test_counts_are_of_what_the_run_has_listed(manifest: SqlManifest) -> None:
    await bring(manifest, "a", State.ARCHIVED, run="run-0")
    await bring(manifest, "b", State.DISCOVERED)
    assert await manifest.counts(RUN) == RunCounts({State.DISCOVERED: 1})
    assert await manifest.counts("run-0") == RunCounts({State.ARCHIVED: 1}, mine=1)
    assert await manifest.counts("run-9") == RunCounts({})


async def test_counts_do_not_ask_of_which_day_a_recording_is(manifest: SqlManifest) -> None:
    far = [Window.of_day(date(2019, 2, 28)), DAY, NEXT, Window.of_day(date(2031, 1, 1))]
    for number, window in enumerate(far):
        await bring(manifest, f"archived-{number}", State.ARCHIVED, window)
        await bring(manifest, f"failed-{number}", State.FAILED, window)
        await bring(manifest, f"other-{number}", State.ARCHIVED, window, run="run-0")
    assert await manifest.counts(RUN) == RunCounts({State.ARCHIVED: 4, State.FAILED: 4}, mine=4)
    assert await manifest.counts("run-0") == RunCounts({State.ARCHIVED: 4}, mine=4)


async def test_a_recording_listed_again_counts_for_the_newer_run_alone(manifest: SqlManifest) -> None:
    await bring(manifest, "a", State.ARCHIVED, run="run-0")
    await manifest.note_listed(RUN, NOW, [recording("a")])
    assert await manifest.counts("run-0") == RunCounts({})
    assert await manifest.counts(RUN) == RunCounts({State.ARCHIVED: 1}, mine=0)


async def test_an_archived_one_that_drifted_is_mine_only_once_archived_again(manifest: SqlManifest) -> None:
    await bring(manifest, "a", State.ARCHIVED)
    await manifest.advance("a", State.ARCHIVED, Event.DRIFTED, NOW, None, Change())
    assert await manifest.counts(RUN) == RunCounts({State.DISCOVERED: 1})
    await manifest.advance("a", State.DISCOVERED, Event.UPLOADED, NOW, RUN, Change())
    assert await manifest.counts(RUN) == RunCounts({State.STORED: 1})
    await manifest.advance("a", State.STORED, Event.SEALED, NOW, RUN, Change())
    assert await manifest.counts(RUN) == RunCounts({State.ARCHIVED: 1}, mine=1)


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
        content=CONTENT,
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
    assert await manifest.close_windows([DAY], NOW) == [DAY]


async def test_restore_does_not_touch_what_is_known(manifest: SqlManifest) -> None:
    before = await bring(manifest, "a", State.QUARANTINED)
    assert not await manifest.restore(Entry("a", DAY.start, 1.0, State.ARCHIVED, 0, ""), {}, NOW, None)
    assert await manifest.entries(["a"]) == {"a": before}


async def with_content(manifest: SqlManifest, name: str, state: State, offset: timedelta, content: Digest) -> None:
    entry = Entry(name, DAY.start + offset, 1.0, state, 0, "", content=content)
    assert await manifest.restore(entry, {}, NOW, None)


@pytest.mark.parametrize("state", list(State))
async def test_the_same_content_is_named_of_stored_and_archived_others_only(
    manifest: SqlManifest, state: State
) -> None:
    await with_content(manifest, "self", State.ARCHIVED, HOUR, CONTENT)
    await with_content(manifest, "other", state, 2 * HOUR, CONTENT)
    named = ["other"] if state in (State.STORED, State.ARCHIVED) else []
    assert await manifest.same_content(CONTENT, "self") == named
    assert await manifest.same_content(CONTENT, "other") == ["self"], "whatever state it is in itself"
    assert await manifest.same_content(CONTENT, "nobody") == ["self", *named]


async def test_other_content_or_none_is_not_the_same(manifest: SqlManifest) -> None:
    await bring(manifest, "none", State.ARCHIVED)
    await with_content(manifest, "a", State.ARCHIVED, HOUR, SHA256)
    await with_content(manifest, "b", State.ARCHIVED, HOUR, SHA512)
    assert await manifest.same_content(CONTENT, "x") == []
    assert await manifest.same_content(SHA256, "x") == ["a"]
    assert await manifest.same_content(SHA256, "a") == []


async def test_the_same_content_oldest_first_and_at_most_ten(manifest: SqlManifest) -> None:
    assert reports.SAME_CONTENT == 10
    for number in (7, 3, 11, 0, 5, 9, 1, 4, 10, 2, 8, 6):
        await with_content(manifest, f"r{number:02}", State.ARCHIVED, (12 - number // 2) * HOUR, CONTENT)
    expected = sorted((f"r{number:02}" for number in range(12)), key=lambda name: (12 - int(name[1:]) // 2, name))
    assert await manifest.same_content(CONTENT, "x") == expected[:10]
    assert await manifest.same_content(CONTENT, expected[0]) == expected[1:11]


async def test_content_follows_the_recording_through_its_states(manifest: SqlManifest) -> None:
    await manifest.note_listed(RUN, NOW, [recording("a")])
    await manifest.advance("a", State.DISCOVERED, Event.UPLOADED, NOW, RUN, Change(content=CONTENT))
    assert await manifest.same_content(CONTENT, "b") == ["a"]
    sealed = await manifest.advance("a", State.STORED, Event.SEALED, NOW, RUN, Change())
    assert sealed is not None
    assert sealed.content == CONTENT
    assert await manifest.same_content(CONTENT, "b") == ["a"]
    await manifest.advance("a", State.ARCHIVED, Event.DRIFTED, NOW, RUN, Change())
    assert await manifest.same_content(CONTENT, "b") == []
    await manifest.advance("a", State.DISCOVERED, Event.UPLOADED, NOW, RUN, Change(content=SHA256))
    assert await manifest.same_content(CONTENT, "b") == []
    assert await manifest.same_content(SHA256, "b") == ["a"]


async def test_claims_of_a_day_come_in_the_order_of_their_keys(
    manifest: SqlManifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "PAGE", 2)
    for name in ("b", "a", "a-1", "e", "d"):
        await bring(manifest, name, State.DISCOVERED)
        change = Change(audio=stored(f"recordings/x/{name}.mp3"))
        await manifest.advance(name, State.DISCOVERED, Event.UPLOADED, NOW, RUN, change)
    await bring(manifest, "open", State.DISCOVERED)
    await bring(manifest, "tomorrow", State.ARCHIVED, NEXT)
    assert [entry.recording_id async for entry in manifest.claims(DAY.day)] == ["a-1", "a", "b", "d", "e"]
    assert [entry.recording_id async for entry in manifest.claims(NEXT.day)] == []


async def test_an_audit_is_not_the_last_run(manifest: SqlManifest) -> None:
    await manifest.begin_run("audit-1", NOW)
    await manifest.end_run("audit-1", NOW, 0, {})
    assert await manifest.last_run() is None


async def test_what_was_listed_of_a_day_comes_whole_with_its_rows(
    manifest: SqlManifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "PAGE", 2)
    await manifest.note_listed(RUN, NOW, [recording(name, HOUR, call_id=f"c-{name}") for name in ("b", "a", "d", "c")])
    await bring(manifest, "e", State.ARCHIVED)
    await bring(manifest, "tomorrow", State.ARCHIVED, NEXT)
    await manifest.restore(Entry("f", DAY.start, None, State.ARCHIVED, 0, ""), {}, NOW, RUN)
    found = [known async for known in manifest.listed(DAY.day)]
    assert [known.id for known in found] == ["a", "b", "c", "d", "e", "f"]
    assert (found[0].created_at, found[0].duration, found[0].state) == (DAY.start + HOUR, 12.0, State.DISCOVERED)
    assert found[0].row["call_id"] == "c-a"
    assert found[4].state is State.ARCHIVED
    assert (found[5].duration, found[5].row) == (None, {})

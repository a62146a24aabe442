"""Windows close, reopen, and say what is not settled."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import pytest

from archiver.manifest.interface import Change
from archiver.manifest.sql import SqlManifest
from archiver.model import Window
from archiver.rules.lifecycle import REQUEUEABLE, Event, State
from archiver.rules.windows import days

from .build import DAY, NOW, RUN, bring, listed, recording
from .conftest import Ask

pytestmark = pytest.mark.anyio
ONE, TWO, THREE, FOUR = ALL = days(DAY.day, DAY.day + timedelta(days=3))
UNFINISHED = (State.DISCOVERED, State.STORED, State.FAILED)


async def close_all(manifest: SqlManifest) -> list[Window]:
    return await manifest.close_windows(ALL, NOW)


async def list_and_close(manifest: SqlManifest, *windows: Window) -> None:
    for window in windows:
        await manifest.note_window(RUN, NOW, listed(window))
    assert await manifest.close_windows(windows, NOW) == list(windows)


async def closed(manifest: SqlManifest, first: datetime = ONE.start) -> list[Window]:
    return sorted(await manifest.closed(first))


async def test_a_window_closes_when_all_holds(manifest: SqlManifest, ask: Ask) -> None:
    await bring(manifest, "a", State.ARCHIVED, ONE)
    await manifest.note_window(RUN, NOW, listed(ONE))
    assert await closed(manifest) == []
    assert await manifest.close_windows([ONE], NOW) == [ONE]
    assert await closed(manifest) == [ONE]
    assert await manifest.unsettled() == set()
    assert await manifest.integrity() == []
    moment = ask("SELECT closed_at FROM windows")
    assert await manifest.close_windows([ONE], NOW + timedelta(hours=1)) == [], "closed once, and not again"
    assert ask("SELECT closed_at FROM windows") == moment


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], []),
        ([ONE], [ONE]),
        ([THREE, ONE], [THREE, ONE]),
        ([TWO, TWO], [TWO]),
        ([FOUR], []),  # never listed
        ([ONE, FOUR, TWO], [ONE, TWO]),
        ([Window(ONE.start, TWO.end)], []),  # listed day by day, never as one
        ([Window(ONE.start, ONE.start + timedelta(hours=12))], []),
    ],
)
async def test_only_windows_that_are_given_and_were_listed_close(
    manifest: SqlManifest, given: Sequence[Window], expected: list[Window]
) -> None:
    for window in (ONE, TWO, THREE):
        await manifest.note_window(RUN, NOW, listed(window))
    assert await manifest.close_windows(given, NOW) == expected
    assert await closed(manifest) == sorted(expected)
    assert await manifest.unsettled() == {window.day for window in (ONE, TWO, THREE) if window not in expected}


@pytest.mark.parametrize("state", list(State))
async def test_an_open_or_failed_recording_holds_a_window_open(manifest: SqlManifest, state: State) -> None:
    await bring(manifest, "a", State.ARCHIVED, ONE)
    await bring(manifest, "b", state, ONE)
    await manifest.note_window(RUN, NOW, listed(ONE))
    kept = state in UNFINISHED
    assert await close_all(manifest) == ([] if kept else [ONE])
    assert await closed(manifest) == ([] if kept else [ONE])
    assert await manifest.unsettled() == ({ONE.day} if kept else set())


async def test_a_failed_recording_holds_its_window_open_until_it_is_done(manifest: SqlManifest) -> None:
    await bring(manifest, "a", State.FAILED, ONE)
    await bring(manifest, "b", State.ARCHIVED, TWO)
    for window in (ONE, TWO):
        await manifest.note_window(RUN, NOW, listed(window))
    assert await close_all(manifest) == [TWO], "and no other than its own"
    await manifest.advance("a", State.FAILED, Event.REQUEUED, NOW, None, Change())
    assert await close_all(manifest) == []
    await manifest.advance("a", State.DISCOVERED, Event.UPLOADED, NOW, RUN, Change())
    assert await close_all(manifest) == []
    await manifest.advance("a", State.STORED, Event.GAVE_UP, NOW, RUN, Change())
    assert await close_all(manifest) == []
    await manifest.advance("a", State.FAILED, Event.REQUEUED, NOW, None, Change())
    await manifest.advance("a", State.DISCOVERED, Event.SOURCE_GONE, NOW, RUN, Change())
    assert await close_all(manifest) == [ONE]


@pytest.mark.parametrize(("agreed", "rows_unreadable"), [(False, 0), (True, 1), (False, 2)])
async def test_a_doubtful_listing_holds_a_window_open(
    manifest: SqlManifest, agreed: bool, rows_unreadable: int
) -> None:
    doubtful = listed(ONE, agreed=agreed, rows_unreadable=rows_unreadable)
    await manifest.note_window(RUN, NOW, listed(TWO))
    await manifest.note_window(RUN, NOW, doubtful)
    assert await close_all(manifest) == [TWO]
    assert await closed(manifest) == [TWO]
    assert await manifest.unsettled() == {ONE.day}
    assert await manifest.unagreed_windows() == [doubtful]
    await manifest.note_window("run-2", NOW, listed(ONE))
    assert await manifest.unagreed_windows() == []
    assert await close_all(manifest) == [ONE]
    assert await closed(manifest) == [ONE, TWO]
    assert await manifest.unsettled() == set()


@pytest.mark.parametrize(("agreed", "rows_unreadable"), [(False, 0), (True, 1)])
async def test_a_closed_window_reopens_when_its_listing_leaves_doubts(
    manifest: SqlManifest, agreed: bool, rows_unreadable: int
) -> None:
    await list_and_close(manifest, ONE, TWO)
    await manifest.note_window("run-2", NOW, listed(ONE))
    assert await closed(manifest) == [ONE, TWO]
    await manifest.note_window("run-3", NOW, listed(ONE, agreed=agreed, rows_unreadable=rows_unreadable))
    assert await closed(manifest) == [TWO]
    assert await manifest.unsettled() == {ONE.day}
    assert await close_all(manifest) == []


async def test_a_late_arrival_reopens_its_window_and_no_other(manifest: SqlManifest, ask: Ask) -> None:
    await list_and_close(manifest, ONE, TWO, THREE)
    await manifest.note_listed("run-2", NOW, [recording("late", timedelta(hours=23), TWO)])
    assert await closed(manifest) == [ONE, THREE]
    assert await manifest.unsettled() == {TWO.day}
    assert ask("SELECT count(*) FROM windows WHERE closed_at IS NULL") == [(1,)]
    assert ask("SELECT count(*) FROM windows WHERE reopened_at IS NOT NULL") == [(1,)]
    assert await close_all(manifest) == []
    await manifest.advance("late", State.DISCOVERED, Event.EXCLUDED, NOW, RUN, Change())
    assert await close_all(manifest) == [TWO]
    assert await closed(manifest) == [ONE, TWO, THREE]


async def test_late_arrivals_of_several_days_reopen_each_of_them(manifest: SqlManifest, ask: Ask) -> None:
    await list_and_close(manifest, ONE, TWO, THREE, FOUR)
    await manifest.note_listed("run-2", NOW, [recording("b", window=FOUR), recording("a", timedelta(hours=1), TWO)])
    assert ask("SELECT closed_at IS NULL FROM windows ORDER BY start_at") == [(0,), (1,), (0,), (1,)]
    assert await closed(manifest) == [ONE, THREE]
    assert await manifest.unsettled() == {TWO.day, FOUR.day}


async def test_what_is_open_at_the_end_of_a_window_is_not_in_it(manifest: SqlManifest) -> None:
    await manifest.note_listed(RUN, NOW, [recording("a", window=TWO)])
    for window in (ONE, TWO):
        await manifest.note_window(RUN, NOW, listed(window))
    assert await close_all(manifest) == [ONE]


@pytest.mark.parametrize("state", UNFINISHED)
async def test_what_is_unfinished_at_the_last_moment_of_a_window_is_in_it(manifest: SqlManifest, state: State) -> None:
    last = timedelta(days=1) - timedelta(microseconds=1)
    await bring(manifest, "a", state, Window(TWO.start + last, TWO.end))
    for window in (ONE, TWO, THREE):
        await manifest.note_window(RUN, NOW, listed(window))
    assert await close_all(manifest) == [ONE, THREE]


async def test_the_edges_of_a_window_are_half_open(manifest: SqlManifest) -> None:
    await list_and_close(manifest, ONE, TWO, THREE)
    await manifest.note_listed("run-2", NOW, [recording("edge", timedelta(days=1) - timedelta(microseconds=1), TWO)])
    assert await closed(manifest) == [ONE, THREE]
    await manifest.advance("edge", State.DISCOVERED, Event.EXCLUDED, NOW, RUN, Change())
    assert await close_all(manifest) == [TWO]
    await manifest.note_listed("run-2", NOW, [recording("start", window=THREE)])
    assert await closed(manifest) == [ONE, TWO]


@pytest.mark.parametrize("state", [state for state in REQUEUEABLE if state is not State.FAILED])
async def test_a_requeue_reopens(manifest: SqlManifest, state: State) -> None:
    await bring(manifest, "a", state, ONE)
    await list_and_close(manifest, ONE, TWO)
    await manifest.advance("a", state, Event.REQUEUED, NOW, None, Change(reason="operator"))
    assert await closed(manifest) == [TWO]
    assert await manifest.unsettled() == {ONE.day}
    assert await manifest.integrity() == []


async def test_what_an_audit_finds_reopens(manifest: SqlManifest) -> None:
    for name, window in (("a", ONE), ("b", TWO)):
        await bring(manifest, name, State.ARCHIVED, window)
    await list_and_close(manifest, ONE, TWO)
    await manifest.advance("b", State.ARCHIVED, Event.CORRUPTED, NOW, None, Change())
    assert await closed(manifest) == [ONE]
    await manifest.advance("a", State.ARCHIVED, Event.DRIFTED, NOW, None, Change())
    assert await closed(manifest) == []
    assert await manifest.unsettled() == {ONE.day, TWO.day}


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (ONE.start - timedelta(days=400), [ONE, THREE]),
        (ONE.start, [ONE, THREE]),
        (ONE.start + timedelta(microseconds=1), [THREE]),
        (THREE.start, [THREE]),
        (THREE.end, []),
    ],
)
async def test_closed_windows_from_a_moment_on(manifest: SqlManifest, first: datetime, expected: list[Window]) -> None:
    await list_and_close(manifest, ONE, THREE)
    await manifest.note_window(RUN, NOW, listed(TWO, agreed=False))
    assert await closed(manifest, first) == expected


async def test_of_windows_that_overlap_each_is_kept_apart(manifest: SqlManifest) -> None:
    both = Window(ONE.start, TWO.end)
    await list_and_close(manifest, ONE, both)
    await manifest.note_listed("run-2", NOW, [recording("late", window=TWO)])
    assert await closed(manifest) == [ONE]
    assert await manifest.unsettled() == {both.day, TWO.day}


async def test_nothing_known_is_nothing_unsettled(manifest: SqlManifest) -> None:
    assert await manifest.unsettled() == set()
    assert await manifest.closed(ONE.start) == set()


@pytest.mark.parametrize("state", list(State))
async def test_an_open_recording_unsettles_its_day_although_its_window_was_never_listed_to_the_end(
    manifest: SqlManifest, state: State
) -> None:
    await list_and_close(manifest, TWO)
    long_ago = Window.of_day(date(2019, 2, 28))
    await bring(manifest, "a", state, long_ago)
    await bring(manifest, "b", state, long_ago)
    assert await manifest.unsettled() == ({long_ago.day} if state.is_open else set())


async def test_unsettled_are_the_days_of_unclosed_windows_and_of_open_recordings(manifest: SqlManifest) -> None:
    await list_and_close(manifest, ONE)
    await manifest.note_window(RUN, NOW, listed(TWO))  # listed well, but not closed yet
    await manifest.note_window(RUN, NOW, listed(THREE, agreed=False))
    await bring(manifest, "c", State.STORED, THREE)  # both
    await bring(manifest, "d", State.DISCOVERED, FOUR)  # no window
    assert await manifest.unsettled() == {TWO.day, THREE.day, FOUR.day}


@pytest.mark.parametrize("offset", [timedelta(), timedelta(days=1) - timedelta(microseconds=1)])
async def test_the_day_of_an_open_recording_is_its_utc_day(manifest: SqlManifest, offset: timedelta) -> None:
    await manifest.note_listed(RUN, NOW, [recording("a", offset, TWO)])
    assert await manifest.unsettled() == {TWO.day}


async def test_open_entries_are_those_of_the_window_oldest_first(manifest: SqlManifest) -> None:
    await manifest.note_listed(
        RUN,
        NOW,
        [
            recording("c", timedelta(hours=3), ONE),
            recording("b", timedelta(hours=1), ONE),
            recording("a", timedelta(hours=1), ONE),
            recording("x", window=TWO),
        ],
    )
    await bring(manifest, "done", State.ARCHIVED, ONE)
    await bring(manifest, "failed", State.FAILED, ONE)
    await bring(manifest, "stored", State.STORED, ONE)
    assert [entry.recording_id for entry in await manifest.open_entries(ONE)] == ["stored", "a", "b", "c"]

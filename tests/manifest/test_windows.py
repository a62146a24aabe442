"""Windows close, reopen, and carry the watermark."""

from __future__ import annotations

from datetime import timedelta

import pytest

from archiver.manifest.interface import Change
from archiver.manifest.sql import SqlManifest
from archiver.model import Window
from archiver.rules.lifecycle import REQUEUEABLE, Event, State
from archiver.rules.windows import days

from .build import DAY, NOW, RUN, bring, listed, recording
from .conftest import Ask

pytestmark = pytest.mark.anyio
ONE, TWO, THREE, FOUR = days(DAY.day, DAY.day + timedelta(days=3))


async def close_all(manifest: SqlManifest) -> list[Window]:
    return await manifest.close_windows(NOW, NOW)


async def test_a_window_closes_when_all_holds(manifest: SqlManifest) -> None:
    await bring(manifest, "a", State.ARCHIVED, ONE)
    await manifest.note_window(RUN, NOW, listed(ONE))
    assert await manifest.close_windows(ONE.end - timedelta(seconds=1), NOW) == []
    assert await manifest.close_windows(ONE.end, NOW) == [ONE]
    assert await close_all(manifest) == []
    assert await manifest.watermark() == ONE.end
    assert await manifest.integrity() == []


@pytest.mark.parametrize("state", list(State))
async def test_only_an_open_recording_holds_a_window_open(manifest: SqlManifest, state: State) -> None:
    await bring(manifest, "a", state, ONE)
    await manifest.note_window(RUN, NOW, listed(ONE))
    assert (await close_all(manifest) == []) is state.is_open


@pytest.mark.parametrize(("agreed", "bad_rows"), [(False, 0), (True, 1), (False, 2)])
async def test_a_doubtful_listing_holds_a_window_open(manifest: SqlManifest, agreed: bool, bad_rows: int) -> None:
    doubtful = listed(ONE, agreed=agreed, bad_rows=bad_rows)
    await manifest.note_window(RUN, NOW, listed(TWO))
    await manifest.note_window(RUN, NOW, doubtful)
    assert await close_all(manifest) == [TWO]
    assert await manifest.watermark() is None
    assert await manifest.unagreed_windows() == [doubtful]
    await manifest.note_window("run-2", NOW, listed(ONE))
    assert await manifest.unagreed_windows() == []
    assert await close_all(manifest) == [ONE]
    assert await manifest.watermark() == TWO.end


async def test_a_closed_window_reopens_when_its_listing_no_longer_agrees(manifest: SqlManifest) -> None:
    await manifest.note_window(RUN, NOW, listed(ONE))
    assert await close_all(manifest) == [ONE]
    await manifest.note_window("run-2", NOW, listed(ONE))
    assert await manifest.watermark() == ONE.end
    await manifest.note_window("run-3", NOW, listed(ONE, agreed=False))
    assert await manifest.watermark() is None
    assert await close_all(manifest) == []


async def test_a_late_arrival_reopens_its_window_and_no_other(manifest: SqlManifest, ask: Ask) -> None:
    for window in (ONE, TWO, THREE):
        await manifest.note_window(RUN, NOW, listed(window))
    await close_all(manifest)
    await manifest.note_listed("run-2", NOW, [recording("late", timedelta(hours=23), TWO)])
    assert await manifest.watermark() == TWO.start
    assert ask("SELECT count(*) FROM windows WHERE closed_at IS NULL") == [(1,)]
    assert ask("SELECT count(*) FROM windows WHERE reopened_at IS NOT NULL") == [(1,)]
    assert await close_all(manifest) == []
    await manifest.advance("late", State.DISCOVERED, Event.EXCLUDED, NOW, RUN, Change())
    assert await close_all(manifest) == [TWO]
    assert await manifest.watermark() == THREE.end


async def test_late_arrivals_of_several_days_reopen_each_of_them(manifest: SqlManifest, ask: Ask) -> None:
    for window in (ONE, TWO, THREE, FOUR):
        await manifest.note_window(RUN, NOW, listed(window))
    await close_all(manifest)
    await manifest.note_listed("run-2", NOW, [recording("b", window=FOUR), recording("a", timedelta(hours=1), TWO)])
    assert ask("SELECT closed_at IS NULL FROM windows ORDER BY start_at") == [(0,), (1,), (0,), (1,)]


async def test_what_is_open_at_the_end_of_a_window_is_not_in_it(manifest: SqlManifest) -> None:
    await manifest.note_listed(RUN, NOW, [recording("a", window=TWO)])
    for window in (ONE, TWO):
        await manifest.note_window(RUN, NOW, listed(window))
    assert await close_all(manifest) == [ONE]


async def test_the_edges_of_a_window_are_half_open(manifest: SqlManifest) -> None:
    for window in (ONE, TWO, THREE):
        await manifest.note_window(RUN, NOW, listed(window))
    await close_all(manifest)
    await manifest.note_listed("run-2", NOW, [recording("edge", timedelta(days=1) - timedelta(microseconds=1), TWO)])
    assert await manifest.watermark() == ONE.end
    await manifest.advance("edge", State.DISCOVERED, Event.EXCLUDED, NOW, RUN, Change())
    assert await close_all(manifest) == [TWO]
    await manifest.note_listed("run-2", NOW, [recording("start", window=THREE)])
    assert await manifest.watermark() == TWO.end


@pytest.mark.parametrize("state", REQUEUEABLE)
async def test_a_requeue_reopens(manifest: SqlManifest, state: State) -> None:
    await bring(manifest, "a", state, ONE)
    await manifest.note_window(RUN, NOW, listed(ONE))
    assert await close_all(manifest) == [ONE]
    await manifest.advance("a", state, Event.REQUEUED, NOW, None, Change(reason="operator"))
    assert await manifest.watermark() is None
    assert await manifest.integrity() == []


async def test_drift_reopens_and_corruption_does_not(manifest: SqlManifest) -> None:
    for name, window in (("a", ONE), ("b", TWO)):
        await bring(manifest, name, State.ARCHIVED, window)
        await manifest.note_window(RUN, NOW, listed(window))
    await close_all(manifest)
    await manifest.advance("b", State.ARCHIVED, Event.CORRUPTED, NOW, None, Change())
    assert await manifest.watermark() == TWO.end
    await manifest.advance("b", State.QUARANTINED, Event.REQUEUED, NOW, None, Change())
    assert await manifest.watermark() == ONE.end
    await manifest.advance("a", State.ARCHIVED, Event.DRIFTED, NOW, None, Change())
    assert await manifest.watermark() is None


@pytest.mark.parametrize(
    ("closed", "unclosed", "mark"),
    [
        ([], [], None),
        ([], [ONE], None),
        ([ONE], [], ONE.end),
        ([ONE, TWO, THREE], [], THREE.end),
        ([ONE, TWO], [THREE], TWO.end),
        ([ONE, THREE], [TWO], ONE.end),
        ([TWO, THREE], [ONE], None),
        ([ONE, TWO, FOUR], [], TWO.end),  # THREE was never listed: a gap
        ([ONE, Window(ONE.start, TWO.end)], [], TWO.end),
        ([Window(ONE.start, THREE.end), TWO, FOUR], [], FOUR.end),
        ([Window(ONE.start, THREE.end)], [TWO], TWO.start),
    ],
)
async def test_watermark(manifest: SqlManifest, closed: list[Window], unclosed: list[Window], mark: object) -> None:
    for window in closed:
        await manifest.note_window(RUN, NOW, listed(window))
    for window in unclosed:
        await manifest.note_window(RUN, NOW, listed(window, agreed=False))
    await close_all(manifest)
    assert await manifest.watermark() == mark


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
    await bring(manifest, "stored", State.STORED, ONE)
    assert [entry.recording_id for entry in await manifest.open_entries(ONE)] == ["stored", "a", "b", "c"]

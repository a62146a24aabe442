"""What the source changes, no longer names, and names again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from archiver.manifest.interface import Entry
from archiver.manifest.sql import SqlManifest
from archiver.rules.lifecycle import Observation, State

from .build import DAY, NOW, RUN, bring, listed, recording
from .conftest import Ask

pytestmark = pytest.mark.anyio
LATER = NOW + timedelta(hours=1)
REACH = NOW - timedelta(days=60)


async def told(manifest: SqlManifest, run: str = "run-2") -> list[tuple[str, Observation, object]]:
    return [(each.recording_id, each.observation, dict(each.detail)) async for each in manifest.observed(run)]


async def test_a_changed_row_is_told_by_field_names_and_lengths(manifest: SqlManifest, ask: Ask) -> None:
    await manifest.note_listed(RUN, NOW, [recording("a", to="919811111111"), recording("b")])
    await manifest.note_listed("run-2", LATER, [recording("a", seconds=14, to="919822222222"), recording("b")])
    assert await told(manifest) == [
        ("a", Observation.CHANGED, {"fields": ["duration", "to"], "duration": [12.0, 14.0]}),
    ]
    assert await told(manifest, RUN) == []
    assert "9198" not in str(ask("SELECT * FROM events")), "no phone number"
    assert await manifest.integrity() == []


@pytest.mark.parametrize("state", [state for state in State if state is not State.EXPIRED])
async def test_a_row_that_is_not_named_any_more_is_remembered_in_every_state(
    manifest: SqlManifest, state: State
) -> None:
    await bring(manifest, "a", state)
    await bring(manifest, "kept", State.ARCHIVED)
    await manifest.note_listed("run-2", LATER, [recording("kept")])
    assert await manifest.note_unnamed(DAY, "run-2", LATER, REACH) == 1
    assert await manifest.note_unnamed(DAY, "run-2", LATER, REACH) == 0, "once"
    assert await told(manifest) == [("a", Observation.VANISHED, {})]
    (flagged,) = await manifest.flagged()
    assert (flagged.recording_id, flagged.last_seen, flagged.vanished_at) == ("a", NOW, LATER)

    await manifest.note_listed("run-3", LATER, [recording("a")])
    assert await told(manifest, "run-3") == [("a", Observation.RETURNED, {})]
    assert await manifest.flagged() == []
    assert await manifest.integrity() == []


async def test_what_was_restored_and_is_not_named_has_vanished(manifest: SqlManifest) -> None:
    assert await manifest.restore(Entry("a", DAY.start, 12.0, State.ARCHIVED, 0, ""), {}, NOW, None)
    assert await manifest.note_unnamed(DAY, "run-2", LATER, REACH) == 1
    assert await told(manifest) == [("a", Observation.VANISHED, {})]


async def test_what_the_source_has_forgotten_by_rule_has_not_vanished(manifest: SqlManifest) -> None:
    await bring(manifest, "a", State.ARCHIVED)
    assert await manifest.note_unnamed(DAY, "run-2", LATER, DAY.end) == 0
    assert await manifest.flagged() == []


@pytest.mark.parametrize("vanishes", [True, False])
async def test_a_closed_window_reopens_for_it(manifest: SqlManifest, *, vanishes: bool) -> None:
    await bring(manifest, "a", State.ARCHIVED)
    await manifest.note_window(RUN, NOW, listed(DAY))
    assert await manifest.close_windows([DAY], NOW) == [DAY]
    if vanishes:
        await manifest.note_unnamed(DAY, "run-2", LATER, REACH)
    else:
        await manifest.note_listed("run-2", LATER, [recording("a", seconds=14)])
    assert await manifest.closed(DAY.start) == set()


async def test_late_is_what_comes_after_a_whole_listing(manifest: SqlManifest) -> None:
    await manifest.note_window(RUN, NOW, listed(DAY))  # while it lasted
    await manifest.note_listed(RUN, NOW, [recording("a")])
    whole = listed(DAY)
    await manifest.note_window(RUN, NOW, type(whole)(DAY, False, "rows moved", 1, 0, whole=True))  # did not agree
    await manifest.note_listed("run-2", NOW, [recording("b")])
    await manifest.note_window("run-2", NOW, type(whole)(DAY, True, "", 2, 0, whole=True))
    await manifest.note_listed("run-3", LATER, [recording("c"), recording("a")])
    await manifest.note_window("run-3", LATER, type(whole)(DAY, True, "", 3, 0, whole=True))
    late = {standing.id: standing.late async for standing in manifest.standings(DAY.day)}
    assert late == {"a": False, "b": False, "c": True}
    (record,) = await manifest.windows()
    assert (record.whole_at, record.last_listed_at) == (NOW, LATER)


async def test_a_doubt_is_kept_and_taken_away(manifest: SqlManifest) -> None:
    await bring(manifest, "a", State.ARCHIVED)
    await manifest.note_doubt("a", "the source now says 14 s, its audio has 5.4 s")
    (flagged,) = await manifest.flagged()
    assert flagged.doubt == "the source now says 14 s, its audio has 5.4 s"
    await manifest.note_doubt("a", None)
    assert await manifest.flagged() == []

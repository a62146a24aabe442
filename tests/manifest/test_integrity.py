"""``integrity`` says what does not agree; each kind of contradiction is planted once and found."""

from __future__ import annotations

import pytest

from archiver.manifest.sql import SqlManifest
from archiver.rules.lifecycle import State

from .build import NOW, RUN, bring, listed
from .conftest import Ask

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sound(manifest: SqlManifest) -> SqlManifest:
    for state in State:
        await bring(manifest, state.value, state)
    await manifest.restore((await manifest.entries(["archived"]))["archived"], {}, NOW, None)
    return manifest


async def test_a_sound_manifest_has_nothing_to_say(sound: SqlManifest) -> None:
    assert await sound.integrity() == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE recordings SET state = 'archived' WHERE id = 'failed'", "'failed' is archived, but its last event"),
        ("DELETE FROM events WHERE recording_id = 'skipped'", "'skipped' is skipped, but it has no event"),
        ("DELETE FROM events WHERE recording_id = 'archived' AND event = 'uploaded'", "starts from stored, after disc"),
        ("UPDATE events SET event = 'rejected' WHERE recording_id = 'archived'", "which is no legal step"),
        ("INSERT INTO attempts VALUES (1, 'nobody', '2026-01-01', 'r', 'fetch', '')", "attempts names a row of recor"),
        (
            "INSERT INTO windows SELECT '2026-09-17 00:00:00.000000', '2026-09-17 12:00:00.000000', "
            "created_at, created_at, 'r', 1, '', 1, 0, NULL, created_at, NULL FROM recordings LIMIT 1",
            "is closed with something unfinished or doubtful in it",
        ),
        ("UPDATE windows SET closed_at = last_listed_at", "is closed with something unfinished or doubtful in it"),
    ],
)
async def test_a_contradiction_is_found(sound: SqlManifest, ask: Ask, damage: str, said: str) -> None:
    await sound.note_window(RUN, NOW, listed(agreed=False))
    ask(damage)
    found = await sound.integrity()
    assert any(said in each for each in found), found


@pytest.mark.parametrize("state", list(State))
async def test_a_closed_window_holds_nothing_unfinished(manifest: SqlManifest, ask: Ask, state: State) -> None:
    await bring(manifest, "a", state)
    await manifest.note_window(RUN, NOW, listed())
    ask("UPDATE windows SET closed_at = last_listed_at")
    unfinished = state.is_open or state is State.FAILED
    assert len(await manifest.integrity()) == unfinished

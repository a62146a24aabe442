"""Advances, attempts, waiting: what one recording can go through."""

from __future__ import annotations

import json

import pytest

from archiver.errors import ManifestUnusable
from archiver.manifest.interface import Change
from archiver.manifest.sql import SqlManifest
from archiver.rules.lifecycle import TRANSITIONS, Event, State

from .build import CONTENT, DAY, NOW, RUN, SHA512, bring, listed, recording, stored
from .conftest import Ask

pytestmark = pytest.mark.anyio

STEPS = [(state, event) for state in State for event in Event]
LEGAL = [step for step in STEPS if step in TRANSITIONS]
ILLEGAL = [step for step in STEPS if step not in TRANSITIONS]


@pytest.mark.parametrize(("state", "event"), LEGAL)
async def test_every_legal_step_changes_the_state_and_leaves_its_event(
    manifest: SqlManifest, ask: Ask, state: State, event: Event
) -> None:
    await bring(manifest, "a", state)
    entry = await manifest.advance("a", state, event, NOW, RUN, Change(reason="because"))
    assert entry is not None
    assert entry.state is TRANSITIONS[state, event]
    assert entry.reason == "because"
    assert (await manifest.entries(["a"]))["a"] == entry
    last = ask("SELECT run_id, event, from_state, to_state, reason, detail FROM events ORDER BY id DESC LIMIT 1")
    assert last == [(RUN, event, state, entry.state, "because", None)]
    assert await manifest.integrity() == []


@pytest.mark.parametrize(("state", "event"), ILLEGAL)
async def test_no_illegal_step_changes_anything(manifest: SqlManifest, ask: Ask, state: State, event: Event) -> None:
    before = await bring(manifest, "a", state)
    count = ask("SELECT count(*) FROM events")
    with pytest.raises(ValueError, match=f"no {event} from {state}"):
        await manifest.advance("a", state, event, NOW, RUN, Change())
    assert await manifest.entries(["a"]) == {"a": before}
    assert ask("SELECT count(*) FROM events") == count


async def test_a_step_from_another_state_than_expected_is_refused_by_value(manifest: SqlManifest, ask: Ask) -> None:
    before = await bring(manifest, "a", State.ARCHIVED)
    assert await manifest.advance("a", State.DISCOVERED, Event.UPLOADED, NOW, RUN, Change(draft=b"x")) is None
    assert await manifest.advance("unknown", State.DISCOVERED, Event.UPLOADED, NOW, RUN, Change()) is None
    assert await manifest.entries(["a", "unknown"]) == {"a": before}
    assert ask("SELECT count(*) FROM events WHERE event = 'uploaded'") == [(1,)]


async def test_what_an_upload_brings_is_kept_and_the_draft_goes_with_the_seal(manifest: SqlManifest) -> None:
    await bring(manifest, "a", State.DISCOVERED)
    change = Change(
        grade="verified", audio=stored("recordings/a.mp3", "v1"), sha512=SHA512, content=CONTENT, draft=b"{}"
    )
    uploaded = await manifest.advance("a", State.DISCOVERED, Event.UPLOADED, NOW, RUN, change)
    assert uploaded is not None
    assert (uploaded.grade, uploaded.audio, uploaded.sha512, uploaded.content, uploaded.draft) == (
        "verified",
        stored("recordings/a.mp3", "v1"),
        SHA512,
        CONTENT,
        b"{}",
    )
    sealed = await manifest.advance(
        "a", State.STORED, Event.SEALED, NOW, RUN, Change(sidecar=stored("recordings/a.vcon.json"))
    )
    assert sealed is not None
    assert sealed.draft is None
    assert sealed.audio == uploaded.audio
    assert sealed.sha512 == SHA512
    assert sealed.content == CONTENT
    assert sealed.sidecar == stored("recordings/a.vcon.json")


@pytest.mark.parametrize("event", [event for state, event in LEGAL if state is State.STORED])
async def test_no_way_out_of_stored_keeps_the_draft(manifest: SqlManifest, event: Event) -> None:
    await bring(manifest, "a", State.DISCOVERED)
    await manifest.advance("a", State.DISCOVERED, Event.UPLOADED, NOW, RUN, Change(draft=b"{}"))
    entry = await manifest.advance("a", State.STORED, event, NOW, RUN, Change(draft=b"late"))
    assert entry is not None
    assert entry.draft is None


async def test_an_object_that_replaces_another_takes_none_of_its_version(manifest: SqlManifest) -> None:
    await bring(manifest, "a", State.DISCOVERED)
    await manifest.advance("a", State.DISCOVERED, Event.UPLOADED, NOW, RUN, Change(audio=stored("old", "v1")))
    await manifest.advance("a", State.STORED, Event.DRIFTED, NOW, RUN, Change())
    entry = await manifest.advance("a", State.DISCOVERED, Event.UPLOADED, NOW, RUN, Change(audio=stored("new")))
    assert entry is not None
    assert entry.audio == stored("new", None)


async def test_attempts_are_counted_and_a_requeue_forgets_them(manifest: SqlManifest, ask: Ask) -> None:
    await bring(manifest, "a", State.DISCOVERED)
    assert await manifest.note_attempt("a", NOW, RUN, "fetch", "timed out") == 1
    assert await manifest.note_attempt("a", NOW, RUN, "put", "503") == 2
    assert (await manifest.entries(["a"]))["a"].reason == "503"
    failed = await manifest.advance("a", State.DISCOVERED, Event.GAVE_UP, NOW, RUN, Change(reason="spent"))
    assert failed is not None
    assert failed.attempts == 2
    again = await manifest.advance("a", State.FAILED, Event.REQUEUED, NOW, None, Change(reason="operator"))
    assert again is not None
    assert again.attempts == 0
    assert ask("SELECT stage, reason FROM attempts ORDER BY id") == [("fetch", "timed out"), ("put", "503")]


async def test_an_attempt_that_does_not_count_leaves_its_row_and_its_words(manifest: SqlManifest, ask: Ask) -> None:
    await bring(manifest, "a", State.DISCOVERED)
    await bring(manifest, "b", State.DISCOVERED)
    assert await manifest.note_attempt("a", NOW, RUN, "fetch", "the network is down", counts=False) == 0
    assert await manifest.note_attempt("a", NOW, RUN, "fetch", "timed out", counts=True) == 1
    assert await manifest.note_attempt("a", NOW, RUN, "put", "the bucket is down", counts=False) == 1
    found = await manifest.entries(["a", "b"])
    assert (found["a"].attempts, found["a"].reason) == (1, "the bucket is down")
    assert found["a"].state is State.DISCOVERED
    assert (found["b"].attempts, found["b"].reason) == (0, "")
    assert ask("SELECT recording_id, run_id, stage, reason FROM attempts ORDER BY id") == [
        ("a", RUN, "fetch", "the network is down"),
        ("a", RUN, "fetch", "timed out"),
        ("a", RUN, "put", "the bucket is down"),
    ]
    assert await manifest.integrity() == []


@pytest.mark.parametrize("counts", [True, False])
async def test_an_attempt_of_an_unknown_recording_is_a_bug(manifest: SqlManifest, ask: Ask, counts: bool) -> None:
    with pytest.raises(ValueError, match="no recording 'nobody'"):
        await manifest.note_attempt("nobody", NOW, RUN, "fetch", "timed out", counts=counts)
    assert ask("SELECT * FROM attempts") == []


async def test_waiting_is_said_of_open_recordings_only_and_uses_no_attempt(manifest: SqlManifest) -> None:
    await bring(manifest, "a", State.DISCOVERED)
    done = await bring(manifest, "b", State.ARCHIVED)
    await manifest.note_waiting("a", "no audio yet")
    await manifest.note_waiting("b", "no audio yet")
    await manifest.note_waiting("nobody", "no audio yet")
    found = await manifest.entries(["a", "b", "nobody"])
    assert (found["a"].reason, found["a"].attempts) == ("no audio yet", 0)
    assert found["b"] == done
    assert "nobody" not in found


async def test_times_without_an_offset_are_refused(manifest: SqlManifest) -> None:
    await bring(manifest, "a", State.DISCOVERED)
    with pytest.raises(ValueError, match="without an offset"):
        await manifest.note_attempt("a", NOW.replace(tzinfo=None), RUN, "fetch", "x")
    assert (await manifest.entries(["a"]))["a"].attempts == 0


@pytest.mark.parametrize(
    "name", ["\ud800", "nul\0", "back\\slash", "\\x41", "é", "\u202ebidi", "x" * 2000, " ", "'; DROP"]
)
async def test_any_string_can_be_an_id(manifest: SqlManifest, name: str) -> None:
    await manifest.note_listed(RUN, NOW, [recording(name, note=name), recording("other")])
    await manifest.note_attempt(name, NOW, RUN, "fetch", f"of {name}")
    entry = (await manifest.note_listed(RUN, NOW, [recording(name, note=name)]))[name]
    assert entry.recording_id == name
    assert entry.attempts == 1
    advanced = await manifest.advance(name, State.DISCOVERED, Event.UPLOADED, NOW, RUN, Change(reason=name))
    assert advanced is not None
    assert list(await manifest.entries([name])) == [name]
    assert [entry.recording_id async for entry in manifest.select([State.STORED])] == [name]
    assert await manifest.integrity() == []


async def test_the_detail_of_an_event_is_kept(manifest: SqlManifest, ask: Ask) -> None:
    await bring(manifest, "a", State.DISCOVERED)
    await manifest.advance("a", State.DISCOVERED, Event.EXCLUDED, NOW, RUN, Change(detail={"rule": "too short"}))
    (detail,) = ask("SELECT detail FROM events ORDER BY id DESC LIMIT 1")[0]
    assert json.loads(detail) == {"rule": "too short"}


async def test_a_change_that_cannot_be_stored_says_so_without_values(manifest: SqlManifest) -> None:
    before = await bring(manifest, "a", State.DISCOVERED)
    with pytest.raises((TypeError, ValueError, ManifestUnusable)):
        await manifest.advance("a", State.DISCOVERED, Event.EXCLUDED, NOW, RUN, Change(detail={"x": object()}))
    assert await manifest.entries(["a"]) == {"a": before}


async def test_nothing_works_after_close(manifest: SqlManifest) -> None:
    await manifest.aclose()
    await manifest.aclose()
    with pytest.raises(ManifestUnusable, match="closed"):
        await manifest.note_window(RUN, NOW, listed(DAY))

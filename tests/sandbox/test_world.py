"""Made-up worlds are those that were asked for, and the demo's story is true."""

from datetime import date

import pytest

from archiver.sandbox import Mp3Form, Sandbox, World, demo_world

from .client import ask, link_of, listing, rows


def test_a_seed_is_a_world() -> None:
    first, again, other = (World.generate(seed) for seed in (1, 1, 2))
    assert first.recordings() == again.recordings()
    assert first.calls() == again.calls()
    assert {r.id for r in first.recordings()}.isdisjoint(r.id for r in other.recordings())


def test_a_world_has_what_was_asked_for() -> None:
    world = World.generate(recordings=300, days=10, start_day=date(2026, 3, 1), unanswered=7)
    recordings = world.recordings()
    assert len({recording.id for recording in recordings}) == len({r.audio_key for r in recordings}) == 300
    assert len(world.calls()) == 307
    assert {recording.created_at.date().day for recording in recordings} == set(range(1, 11))
    assert list(recordings) == sorted(recordings, key=lambda r: r.created_at, reverse=True)
    assert {recording.call_id for recording in recordings} <= {call.id for call in world.calls()}


def test_realistic_sizes() -> None:
    world = World.generate(recordings=1000, sizes="realistic", forms=(Mp3Form(),))
    sizes = [len(world.audio_bytes(recording.id)) for recording in world.recordings()]
    assert min(sizes) >= 60_000
    assert max(sizes) <= 2_010_000
    assert 480_000 < sum(sizes) / len(sizes) < 620_000


def test_audio_lasts_as_long_as_the_report_says() -> None:
    for recording in World.generate(recordings=50, forms=(Mp3Form(),)).recordings():
        size = len(World([recording]).audio_bytes(recording.id))
        assert 0 <= size / 4000 - recording.duration < 1


def test_the_story_of_the_demo() -> None:
    story = demo_world()
    world = story.world
    assert len(world.recordings()) == 25
    assert (story.last_day - story.first_day).days == 2
    four = {story.cut_short, story.dead_link, story.no_audio_yet, story.error_page}
    assert len(four) == 4
    with Sandbox(world, dialect="flat").running() as sandbox:
        links = {row["id"]: row["audio"] for row in rows(listing(sandbox))}
        assert links.pop(story.no_audio_yet) is None
        answers = {recording_id: ask(str(link)) for recording_id, link in links.items()}
        late = ask(link_of(sandbox, story.dead_link))
    assert b"Request has expired" in answers.pop(story.dead_link).body
    assert late.body == world.whole_audio_bytes(story.dead_link)
    assert answers[story.error_page].headers["content-type"] == "audio/mpeg"
    assert b"<html>" in answers.pop(story.error_page).body
    cut = answers.pop(story.cut_short).body
    assert (
        world[story.cut_short].duration
        - len(cut) / len(world.whole_audio_bytes(story.cut_short)) * (world[story.cut_short].duration)
        > 1.5
    )
    assert all(answer.body == world.whole_audio_bytes(recording_id) for recording_id, answer in answers.items())


def test_the_demo_needs_four_recordings() -> None:
    assert len(demo_world(4).world.recordings()) == 4
    with pytest.raises(ValueError, match="four parts"):
        demo_world(3)

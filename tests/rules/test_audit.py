"""Who is looked at, what stands together, and what follows from a finding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.rules.audit import Kind, Share, event_for, group_of, halves, is_ours, order_of, stem_of
from archiver.rules.lifecycle import Event, State

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(NAMES, st.integers(1, 40))
def test_a_stem_is_in_exactly_one_shard(stem: str, shards: int) -> None:
    assert sum(Share(shard=number, shards=shards).covers(stem) for number in range(1, shards + 1)) == 1


def test_shards_and_samples_are_of_about_the_size_asked_for() -> None:
    stems = [f"recording-{number}" for number in range(10_000)]
    assert 900 < sum(Share(shard=3, shards=10).covers(stem) for stem in stems) < 1100
    assert 400 < sum(Share(sample=0.05, seed="a").samples(stem) for stem in stems) < 600
    assert all(Share().samples(stem) for stem in stems)


def test_shards_stay_what_they_are() -> None:
    """A month of nightly shards is one audit only if no version deals them out differently."""
    assert [number for number in range(1, 31) if Share(shard=number, shards=30).covers("abc")] == [SHARD_OF_ABC]


SHARD_OF_ABC = 25


@given(st.lists(st.text("ab-._/0", min_size=1), min_size=2, unique=True))
def test_groups_stand_together_in_key_order(names: list[str]) -> None:
    groups = [group_of(name) for name in sorted(names, key=order_of)]
    assert groups == sorted(groups, key=order_of)


def test_names() -> None:
    assert group_of("recordings/dt=2026-09-22/a-b.1f.mp3") == "recordings/dt=2026-09-22/a-b."
    assert stem_of("recordings/dt=2026-09-22/a-b.1f.mp3") == "a-b"
    assert stem_of("recordings/readme") == "readme"
    assert is_ours("quarantine/dt=2026-09-22/a-b.0123456789ab.vcon.json")
    assert not is_ours("recordings/dt=2026-09-22/a/b.mp3")
    assert halves(["a.mp3", "a.vcon.json", "a.1f.html", "b.vcon.json"]) == {"a.1f.html", "b.vcon.json"}


@pytest.mark.parametrize(
    ("state", "kinds", "event"),
    [
        (State.ARCHIVED, {Kind.MISSING}, Event.DRIFTED),
        (State.STORED, {Kind.MISSING}, Event.DRIFTED),
        (State.ARCHIVED, {Kind.MISSING, Kind.SIZE_DIFFERS}, Event.CORRUPTED),
        (State.STORED, {Kind.DIGEST_DIFFERS}, Event.CORRUPTED),
        (State.ARCHIVED, {Kind.SIDECAR_DIFFERS}, Event.CORRUPTED),
        (State.ARCHIVED, {Kind.VERSION_DIFFERS, Kind.EXTRA, Kind.ORPHAN}, None),
        (State.QUARANTINED, {Kind.MISSING}, None),
        (State.ARCHIVED, set(), None),
    ],
)
def test_what_follows(state: State, kinds: set[Kind], event: Event | None) -> None:
    assert event_for(state, kinds) is event

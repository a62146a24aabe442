"""Keys are safe whatever an id looks like, and no two ids share one."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.rules import keys

DAY = date(2019, 6, 11)
SAFE = re.compile(r"(recordings|quarantine)/dt=2019-06-11/[A-Za-z0-9_-]{1,128}(\.[0-9a-f]{12})?\.[a-z0-9.]+")


def test_a_plain_id_stands_as_it_is() -> None:
    recording_id = "c136768e-8c0e-11e9-b795-6c2b59c79f5a"
    assert keys.audio_key(recording_id, DAY, "mp3") == f"recordings/dt=2019-06-11/{recording_id}.mp3"
    assert keys.sidecar_key(recording_id, DAY) == f"recordings/dt=2019-06-11/{recording_id}.vcon.json"
    assert keys.quarantine_keys(recording_id, DAY, "html") == (
        f"quarantine/dt=2019-06-11/{recording_id}.html",
        f"quarantine/dt=2019-06-11/{recording_id}.vcon.json",
    )


@pytest.mark.parametrize(
    "hostile",
    ["../../etc/passwd", "..", ".", "", "a/b", "a\\b", "%2e%2e", "a\x00b", "\u202egpj.exe", "x" * 129, "x" * 2000, "é"],
)
def test_hostile_ids_are_hashed(hostile: str) -> None:
    assert re.fullmatch(r"h-[0-9a-f]{64}", keys.stem(hostile))


@given(st.text())
def test_any_id_gives_a_safe_key(recording_id: str) -> None:
    found = (
        keys.audio_key(recording_id, DAY, "mp3"),
        keys.sidecar_key(recording_id, DAY),
        *keys.quarantine_keys(recording_id, DAY, "bin", "0123456789ab"),
    )
    for key in found:
        assert SAFE.fullmatch(key)
        assert ".." not in key


def test_an_amendment_stands_beside_its_sidecar() -> None:
    key = keys.amendment_key("a-b", DAY, 12)
    assert key == "recordings/dt=2019-06-11/a-b.amendment-0012.json"
    assert keys.amendment_of(key) == (keys.sidecar_key("a-b", DAY), 12)
    assert keys.amendment_of(keys.amendment_key("a", DAY, 10_000)) == (keys.sidecar_key("a", DAY), 10_000)
    for other in (
        "a-b.amendment-0000.json",
        "a-b.amendment-00012.json",
        "a-b.amendment-12.json",
        "a.b.amendment-0001.json",
    ):
        assert keys.amendment_of(f"recordings/dt=2019-06-11/{other}") is None


@given(st.text(), st.text())
def test_two_ids_never_share_a_key(one: str, other: str) -> None:
    assert (keys.stem(one) == keys.stem(other)) == (one == other)


def test_an_id_that_looks_like_a_hash_is_hashed_itself() -> None:
    disguised = keys.stem("../x")
    assert keys.stem(disguised) != disguised

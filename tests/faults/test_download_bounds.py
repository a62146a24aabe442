"""Bodies that never end, or hardly come: cut off within their bounds, nothing of them kept (I6)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from archiver.sandbox import Drip, EndlessBody, OnAudio, World
from tests.faults.lab import Lab, directory_lab
from tests.faults.schedules import hurried

MINUTES = 120.0
"""Seconds, on any machine: unbounded, none of this would ever end."""


def left_open(lab: Lab, victim: str, max_recording_mib: int = 100) -> str:
    """The reason, after a run that archives everything else and leaves nothing behind."""
    began = time.monotonic()
    with hurried():
        result = lab.operator.runs(calls={"archive": False}, limits={"max_recording_mib": max_recording_mib})
    assert time.monotonic() - began < MINUTES
    assert result.exit_code == 3, result.stderr
    assert (result.summary["archived"], result.summary["pending"]) == (2, 1)
    (told,) = result.of("left_open")
    assert told["recording_id"] == victim
    assert not [key for key in lab.bucket().objects if victim in key]
    assert [path for path in lab.operator.scratch() if path.is_file()] == []
    assert lab.look() == []
    return str(told["reason"])


@pytest.mark.parametrize("declared", [None, 10**12])
def test_an_endless_body(declared: int | None, tmp_path: Path) -> None:
    world = World.generate(seed=291, recordings=3, days=1)
    victim = world.recordings()[1].id
    with directory_lab(tmp_path, world) as lab:
        lab.operator.sandbox.inject(OnAudio(EndlessBody(declared), victim))
        assert "more than the limit" in left_open(lab, victim, max_recording_mib=2)
        lab.operator.sandbox.clear_faults()
        assert lab.recover() == []


def test_a_body_that_drips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each second brings something, so that nothing stalls: the whole transfer has its time, here one second."""
    monkeypatch.setattr("archiver.source.audio_origin._seconds_for", lambda _: 1.0)
    world = World.generate(seed=292, recordings=3, days=1)
    victim = world.recordings()[1].id
    with directory_lab(tmp_path, world) as lab:
        lab.operator.sandbox.inject(OnAudio(Drip(500.0), victim))
        assert left_open(lab, victim)
        lab.operator.sandbox.clear_faults()
        assert lab.recover() == []

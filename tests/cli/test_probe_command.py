"""``archiver probe``: exit codes for scripts, one object per file, directories."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archiver.sandbox.mp3 import Mp3Form, render

from .conftest import Invoke

WHOLE = render(Mp3Form(8_000, 16, vbr=True, info=True), 93, 1)


@pytest.fixture
def call(tmp_path: Path) -> Path:
    path = tmp_path / "call.mp3"
    path.write_bytes(WHOLE)
    return path


@pytest.mark.parametrize("duration", ["00:01:33", "01:33", "93", "93.2s"])
def test_a_whole_recording_of_the_reported_length(invoke: Invoke, call: Path, duration: str) -> None:
    done = invoke("probe", str(call), "--duration", duration)
    assert done.exit_code == 0
    assert f"{call}: verified" in done.stdout
    assert "93.000 s" in done.stdout


def test_without_a_duration_the_structure_alone_is_judged(invoke: Invoke, call: Path) -> None:
    done = invoke("probe", str(call))
    assert done.exit_code == 0
    assert "no reported duration" in done.stdout


@pytest.mark.parametrize("duration", ["95", "91"])
def test_another_length_than_reported_needs_a_person(invoke: Invoke, call: Path, duration: str) -> None:
    done = invoke("probe", str(call), "--duration", duration)
    assert done.exit_code == 4


def test_json_has_facts_and_verdict_and_ends_with_a_summary(invoke: Invoke, call: Path) -> None:
    call.write_bytes(WHOLE[:-5000])
    done = invoke("probe", "--json", str(call), "--duration", "93")
    facts, summary = map(json.loads, done.stdout.splitlines())
    assert done.exit_code == 4
    assert (facts["type"], facts["path"], facts["grade"], facts["container"]) == ("probe", str(call), "rejected", "mp3")
    assert "frames_missing" in [reason["code"] for reason in facts["reasons"]]
    assert facts["delta"] < -1
    assert summary == {"type": "summary", "files": 1, "grades": {"rejected": 1}, "clean": False}


def test_directories_are_searched(invoke: Invoke, call: Path, tmp_path: Path) -> None:
    (tmp_path / "dt=2026-09-22").mkdir()
    (tmp_path / "dt=2026-09-22" / "cut.mp3").write_bytes(WHOLE[:9000])
    (tmp_path / "dt=2026-09-22" / "cut.vcon.json").write_text("{}")
    (tmp_path / "dt=2026-09-22" / "cut.amendment-0001.json").write_text("{}")
    (tmp_path / ".hidden").write_bytes(b"")
    done = invoke("probe", str(tmp_path))
    assert done.exit_code == 4
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["verified", "rejected"]
    assert "2 files: 1 verified, 1 rejected" in done.stderr


def test_a_large_file_is_mapped(invoke: Invoke, call: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archiver.cli.probe.MAPPED_FROM", 1000)
    assert invoke("probe", str(call)).exit_code == 0


def test_an_empty_file_is_rejected(invoke: Invoke, call: Path) -> None:
    call.write_bytes(b"")
    done = invoke("probe", str(call))
    assert done.exit_code == 4
    assert "not_audio_empty" in done.stdout


def test_a_wrong_extension_is_told(invoke: Invoke, call: Path) -> None:
    renamed = call.rename(call.with_suffix(".wav"))
    done = invoke("probe", str(renamed))
    assert done.exit_code == 4
    assert "extension_differs" in done.stdout


@pytest.mark.parametrize("arguments", [(), ("nowhere.mp3",), ("call.mp3", "--duration", "soon")])
def test_wrong_usage(invoke: Invoke, call: Path, arguments: tuple[str, ...]) -> None:
    done = invoke("probe", *arguments)
    assert done.exit_code == 2
    assert done.stdout == ""

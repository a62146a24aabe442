"""The decoder's child may hang, swell, crash or talk nonsense: it costs a finding, never more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from archiver.audio import decoding, probe
from archiver.audio.decoding import Limits, decoded
from archiver.model import AudioFacts, Grade
from archiver.rules.verdict import Expectation, judge

from . import build

M4A = build.m4a()


@pytest.fixture
def facts() -> AudioFacts:
    return probe(M4A)


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script in place of the real child; what a test writes there is run."""
    path = tmp_path / "child.py"
    monkeypatch.setattr(decoding, "CHILD", path)
    monkeypatch.setattr(decoding, "available", lambda: True)
    return path


CHILDREN = {
    "hangs": ("import time; time.sleep(60)", "not decoded within 1 s"),
    "crashes": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended with status -11"),
    "says nothing": ("", "ended with status 0"),
    "says nonsense": ("print('[]')", "nonsense"),
    "refuses": ("""print('{"error": "InvalidDataError"}')""", "InvalidDataError"),
    "does not read": ("""print('{"error": "tired"}')""", "tired"),
    "stumbles": ("""print('{"seconds": 5.1, "errors": 3, "first": "InvalidDataError"}')""", "3 packets do not decode"),
    "finds too little": ("""print('{"seconds": 2.0, "errors": 0, "first": ""}')""", "2.000 s come out of 5.120 s"),
}


@pytest.mark.parametrize("name", CHILDREN)
def test_trouble_in_the_child_is_a_finding(name: str, facts: AudioFacts, child: Path) -> None:
    script, words = CHILDREN[name]
    child.write_text(script)
    after = decoded(facts, M4A, Limits(seconds=1.0 if name == "hangs" else 60.0))
    assert [found.code for found in after.findings] == ["decode_failed"]
    assert words in after.findings[0].detail
    assert judge(after, Expectation(5)).grade is Grade.REJECTED


def test_a_decoded_recording_says_so(facts: AudioFacts, child: Path) -> None:
    child.write_text("""print('{"seconds": 5.12, "errors": 0, "first": ""}')""")
    after = decoded(facts, M4A)
    assert "decoded" in [proof.code for proof in after.proofs]
    assert after.details["decoded"]["seconds"] == 5.12
    assert decoded(after, M4A) is after


def test_the_child_inherits_no_environment(facts: AudioFacts, child: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVER_TOKEN", "secret")
    child.write_text("import json, os; print(json.dumps({'error': ' '.join(os.environ)}))")
    assert "ARCHIVER_TOKEN" not in decoded(facts, M4A).findings[0].detail


def test_formats_that_prove_themselves_are_not_decoded(child: Path) -> None:
    data = build.mp3(build.HEADERED)
    facts = probe(data)
    assert decoded(facts, data) is facts


def test_without_the_extra_nothing_changes(facts: AudioFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "available", lambda: False)
    assert decoded(facts, M4A) is facts


def test_the_real_child_answers_whatever_it_gets() -> None:
    command = [sys.executable, "-I", str(decoding.CHILD), "5", str(2**30)]
    done = subprocess.run(command, input=b"no audio", capture_output=True, timeout=30, check=True)
    assert done.stdout.startswith(b'{"error"')


def test_the_real_child_is_bounded_in_memory(tmp_path: Path) -> None:
    source = decoding.CHILD.read_text(encoding="utf-8").replace("def decode(", "def unused(")
    hungry = "def decode(data):\n    return {'error': str(len(bytearray(2**31)))}\n\n\n"
    path = tmp_path / "hungry.py"
    path.write_text(source.replace("if __name__ ==", hungry + "if __name__ =="))
    command = [sys.executable, "-I", str(path), "5", str(2**28)]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=30, check=True)
    assert b"MemoryError" in done.stdout

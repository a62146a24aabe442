"""``archiver init``: a first configuration that loads, is private, and replaces nothing."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from archiver.config import DirectoryTarget, load

Invoke = Callable[..., Result]


def test_the_written_file_is_short_private_and_loads(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("init", "--no-input")
    assert (result.exit_code, result.stdout) == (0, "")
    written = tmp_path / "archiver.yaml"
    assert written.stat().st_mode & 0o777 == 0o600
    lines = written.read_text().splitlines()
    assert 10 <= len(lines) <= 14
    loaded = load(written, {"ARCHIVER_TOKEN": "abcdefgh"})
    assert loaded.warnings == ()
    assert loaded.config.destination.target == DirectoryTarget(tmp_path / "archive")
    assert loaded.config.manifest.path == tmp_path / "archiver-manifest.db"
    assert invoke("config", "validate", ARCHIVER_TOKEN="abcdefgh").exit_code == 0


def test_without_a_terminal_nothing_is_asked(invoke: Invoke, tmp_path: Path) -> None:
    assert invoke("init", "--output", "deep name.yaml", stdin="").exit_code == 0
    load(tmp_path / "deep name.yaml", {"ARCHIVER_TOKEN": "abcdefgh"})


@pytest.mark.parametrize("kind", ["file", "directory", "dangling link"])
def test_what_is_there_is_never_overwritten(invoke: Invoke, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "archiver.yaml"
    match kind:
        case "file":
            path.write_text("mine")
        case "directory":
            path.mkdir()
        case _:
            path.symlink_to(tmp_path / "elsewhere")
    result = invoke("init", "--no-input")
    assert result.exit_code == 2
    assert "exists" in result.stderr or "is a directory" in result.stderr
    assert not (tmp_path / "elsewhere").exists()
    assert kind != "file" or path.read_text() == "mine"


def test_a_directory_that_does_not_exist_is_a_usage_error(invoke: Invoke) -> None:
    result = invoke("init", "--no-input", "--output", "no/such/place.yaml")
    assert result.exit_code == 2
    assert "cannot be written: No such file or directory" in result.stderr


def test_json_names_the_file(invoke: Invoke) -> None:
    assert json.loads(invoke("init", "--no-input", "--json").stdout) == {"type": "config", "path": "archiver.yaml"}


def test_odd_directories_make_a_file_that_loads(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "a b: #c%20ü${X}?"
    odd.mkdir()
    monkeypatch.chdir(odd)
    assert invoke("init", "--no-input").exit_code == 0
    config = load(odd / "archiver.yaml", {"ARCHIVER_TOKEN": "abcdefgh"}).config
    assert config.manifest.path == odd / "archiver-manifest.db"
    assert config.destination.target == DirectoryTarget(odd / "archive")


def test_on_a_terminal_it_asks_and_checks_the_answers(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [str(Path(sys.executable).parent / "archiver"), "init"],
        cwd=tmp_path,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    os.write(ours, b"http://api.example.net\nhttps://api.example.net/v2\ns3://acme-voice/x\n")
    out, err = child.communicate(timeout=30)
    os.close(ours)
    assert (child.returncode, out) == (0, "")
    assert "must be https" in err
    config = load(tmp_path / "archiver.yaml", {"ARCHIVER_TOKEN": "abcdefgh"}).config
    assert (config.source.base_url, config.destination.url) == ("https://api.example.net/v2/", "s3://acme-voice/x")

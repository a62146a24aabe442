"""The bucket holds something else, or cannot be had: nothing is overwritten, and the exit code says which."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from archiver.sandbox import World
from tests.stories.conftest import Bucket, Directory, NewOperator, put_behind_the_back
from tests.stories.operator import Destination, Operator

AREA = "recordings/dt=2026-09-22"


@pytest.fixture
def world() -> World:
    return World.generate(seed=61, recordings=6, days=1)


@pytest.mark.parametrize("suffix", ["mp3", "vcon.json"])
def test_other_bytes_under_a_key(suffix: str, world: World, operator: NewOperator, destination: Destination) -> None:
    victim = world.recordings()[0]
    key = f"{AREA}/{victim.id}.{suffix}"
    put_behind_the_back(destination, key, b"something else")
    someone = operator(world, destination)

    result = someone.runs()

    assert result.exit_code == 5
    assert result.summary["conflicts"] == 1
    assert result.summary["archived"] == 5
    assert result.summary["pending"] == 1
    assert destination.objects()[key] == b"something else"
    assert someone.runs().exit_code == 5, "until somebody has looked"


def test_audio_that_lies_there_without_a_sidecar_is_sealed(
    world: World, operator: NewOperator, destination: Destination
) -> None:
    """As after a crash between the two puts whose manifest was lost as well."""
    orphan = world.recordings()[0]
    put_behind_the_back(destination, f"{AREA}/{orphan.id}.mp3", world.audio_bytes(orphan.id))
    someone = operator(world, destination)
    result = someone.runs()
    assert result.exit_code == 0, result.stderr
    assert someone.archived() == someone.truth()


def test_missing_bucket(world: World, operator: NewOperator, new_bucket: Callable[[], Bucket]) -> None:
    bucket = new_bucket()
    someone = operator(world, bucket)
    missing = {"url": "s3://no-such-bucket-anywhere/voice"}
    result = someone.runs(destination=missing)
    assert result.exit_code == 10
    assert "no-such-bucket-anywhere" in result.stderr
    assert told_of_the_last_run(someone) == (10, False)
    assert someone.types("doctor", destination=missing).exit_code == 10
    assert bucket.objects() == {}


def test_a_directory_that_cannot_be_made(world: World, operator: NewOperator, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    someone = operator(world, Directory(blocked / "archive"))
    result = someone.runs()
    assert result.exit_code == 10
    assert "Traceback" not in result.stderr
    assert told_of_the_last_run(someone) == (10, False)


def test_doctor_finds_everything_in_order(world: World, operator: NewOperator, destination: Destination) -> None:
    someone = operator(world, destination)
    result = someone.types("doctor", "--json")
    assert result.exit_code == 0, result.stdout
    checks = {event["name"]: event["passed"] for event in result.of("check")}
    assert {"token", "clock", "listing", "scratch", "manifest", "create-only"} <= checks.keys()
    assert all(checks.values())
    assert result.events[-1] == {"type": "summary", "passed": len(checks), "failed": 0}
    assert someone.sandbox.downloads() == (), "no link was burnt"


def test_a_doctor_whose_reader_goes_away_leaves_in_silence(
    world: World, operator: NewOperator, directory: Destination
) -> None:
    someone = operator(world, directory)
    command = [*someone.program, "--config", str(someone.configure()), "doctor"]
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (141, "")


def test_doctor_names_a_refused_token(world: World, operator: NewOperator, directory: Destination) -> None:
    someone = operator(world, directory)
    result = someone.types("doctor", source={"token": "wrong-but-long-enough"})
    assert result.exit_code == 12
    assert "✗" in result.stdout


def test_rebuilt_manifest_knows_everything(world: World, operator: NewOperator, destination: Destination) -> None:
    someone = operator(world, destination)
    assert someone.runs().exit_code == 0
    for path in someone.home.glob("manifest.db*"):
        path.unlink()
    result = someone.types("manifest", "rebuild", "--json")
    assert result.exit_code == 0, result.stderr
    assert result.events[-1]["restored"] == 6
    assert someone.types("manifest", "check").exit_code == 0
    puts, downloads = destination.puts(), len(someone.sandbox.downloads())
    assert someone.runs().summary["already_archived"] == 6
    assert (destination.puts(), len(someone.sandbox.downloads())) == (puts, downloads)


def test_check_tells_what_differs(world: World, operator: NewOperator, directory: Directory) -> None:
    someone = operator(world, directory)
    assert someone.runs().exit_code == 0
    first, second, *_ = sorted(directory.root.rglob("*.vcon.json"))
    first.unlink()  # its audio has no sidecar now, and the manifest names one that is not there
    second.with_name(second.name.replace(".vcon.json", ".mp3")).write_bytes(b"short")
    result = someone.types("manifest", "check")
    assert result.exit_code == 5
    assert first.name in result.stdout
    assert second.name in result.stdout
    assert result.stdout.count(second.name) == 1
    assert "audio without a sidecar" in result.stdout


def test_backup(world: World, operator: NewOperator, directory: Directory, tmp_path: Path) -> None:
    someone = operator(world, directory)
    assert someone.runs().exit_code == 0
    target = tmp_path / "copy.db"
    assert someone.types("manifest", "backup", str(target)).exit_code == 0
    assert target.stat().st_mode & 0o077 == 0
    assert someone.types("manifest", "backup", str(target)).exit_code == 2
    restored = Operator(tmp_path / "elsewhere", someone.sandbox, directory)
    restored.home.mkdir()
    target.rename(restored.manifest)
    assert restored.runs().summary["already_archived"] == 6


def told_of_the_last_run(someone: Operator) -> tuple[int, bool]:
    """Exit code and completeness, as the manifest keeps them."""
    with closing(sqlite3.connect(someone.manifest)) as database:
        code, summary = database.execute("select exit_code, summary from runs order by started_at desc").fetchone()
    return code, json.loads(summary)["complete"]

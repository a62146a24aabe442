"""Without a volume: every run begins in an empty directory, and the manifest's copies in the destination carry on."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from archiver.sandbox import World
from tests.stories.conftest import Bucket, Directory, NewOperator, put_behind_the_back
from tests.stories.operator import Destination, Operator, kill

SINCE = 8
"""Days of the world."""


@pytest.fixture
def world() -> World:
    today = datetime.now(UTC).date()
    return World.generate(seed=81, recordings=40, days=SINCE, start_day=today - timedelta(days=SINCE - 1))


def job(someone: Operator, tmp_path: Path, name: str) -> Operator:
    """The same job on a machine that has never seen it."""
    home = tmp_path / name
    home.mkdir()
    settings: dict[str, dict[str, Any]] = {
        "windows": {"since": datetime.now(UTC).date() - timedelta(days=SINCE - 1)},
        "manifest": {"snapshot": True},
    }
    return Operator(home, someone.sandbox, someone.destination, settings)


def snapshots(destination: Destination) -> list[str]:
    return sorted(key for key in destination.objects() if key.startswith("manifest/") and key.endswith(".db.gz"))


def archive(destination: Destination) -> dict[str, bytes]:
    return {key: data for key, data in destination.objects().items() if not key.startswith("manifest/")}


def windows(someone: Operator) -> int:
    result = someone.runs(days=False)
    assert result.exit_code == 0, result.stderr
    return int(result.summary["windows"])


def test_three_runs_each_in_an_empty_directory(
    world: World, operator: NewOperator, destination: Destination, directory: Directory, tmp_path: Path
) -> None:
    """The second and third move no audio, put nothing into the archive, and list what a run with its manifest would."""
    someone = operator(world, destination)
    kept = Operator(tmp_path / "kept", someone.sandbox, Directory(tmp_path / "kept-archive"))
    kept.home.mkdir()
    kept.settings = {"windows": {"since": datetime.now(UTC).date() - timedelta(days=SINCE - 1)}}

    first = job(someone, tmp_path, "first").runs(days=False)
    assert first.exit_code == 0, first.stderr
    assert first.summary["archived"] == 40
    assert someone.archived() == someone.truth()
    expected = [windows(kept) for _ in range(3)]
    assert first.summary["windows"] == expected[0]
    before, downloads = archive(destination), len(someone.sandbox.downloads())
    for number, name in enumerate(("second", "third"), 1):
        again = job(someone, tmp_path, name).runs(days=False)
        assert again.exit_code == 0, again.stderr
        assert (again.summary["archived"], again.summary["bytes"]) == (0, 0)
        assert again.summary["windows"] == expected[number] < SINCE
        assert again.of("adopted") == [], "the manifest knew them"
    assert archive(destination) == before
    assert len(someone.sandbox.downloads()) == downloads
    assert len(snapshots(destination)) == 3


def test_every_command_finds_the_manifest(
    world: World, operator: NewOperator, directory: Destination, tmp_path: Path
) -> None:
    someone = operator(world, directory)
    nobody = job(someone, tmp_path, "nobody").types("status")
    assert nobody.exit_code == 10
    assert "no manifest" in nobody.stderr
    assert job(someone, tmp_path, "first").runs(days=False).exit_code == 0

    status = job(someone, tmp_path, "status").types("status", "--json", "--max-age", "1h")
    assert status.exit_code == 0, status.stderr
    assert json.loads(status.stdout)["states"] == {"archived": 40}
    assert job(someone, tmp_path, "audit").types("audit").exit_code == 0
    dry = job(someone, tmp_path, "dry").runs("--dry-run", days=False)
    assert (dry.exit_code, dry.of("would")) == (0, [])
    assert job(someone, tmp_path, "doctor").types("doctor").exit_code == 0


def test_a_decision_is_saved_like_a_run(
    world: World, operator: NewOperator, directory: Destination, tmp_path: Path
) -> None:
    someone = operator(world, directory)
    assert job(someone, tmp_path, "first").runs(days=False).exit_code == 0
    chosen = world.recordings()[0].id
    audit = job(someone, tmp_path, "audit")
    for path in tmp_path.joinpath("archive", "recordings").rglob(f"{chosen}*"):
        path.unlink()
    assert audit.types("audit").exit_code == 5
    status = json.loads(job(someone, tmp_path, "status").types("status", "--json").stdout)
    assert status["states"] == {"archived": 39, "discovered": 1}, "what the audit found is known elsewhere"


@pytest.mark.parametrize("how", ["truncated", "never sealed", "damaged", "another one"])
def test_a_snapshot_that_is_not_whole_is_passed_over(
    how: str, world: World, operator: NewOperator, directory: Directory, tmp_path: Path
) -> None:
    someone = operator(world, directory)
    for name in ("first", "second"):
        assert job(someone, tmp_path, name).runs(days=False).exit_code == 0
    newest = directory.root / snapshots(directory)[-1]
    data = newest.read_bytes()
    if how == "never sealed":
        newest.with_name(newest.name.replace(".db.gz", ".json")).unlink()
    elif how == "another one":
        newest.write_bytes((directory.root / snapshots(directory)[0]).read_bytes())
    else:
        newest.write_bytes(data[: len(data) // 2] if how == "truncated" else data[:-9] + bytes(9))
    third = job(someone, tmp_path, "third").runs(days=False)
    assert third.exit_code == 0
    assert "snapshot of the manifest passed over number=2" in third.stderr
    assert third.summary["windows"] < SINCE, "the one before was whole"
    assert third.of("adopted") == []
    assert len(snapshots(directory)) == 3, "and nothing was written over it"


def test_only_foreign_bytes_and_no_snapshot(
    world: World, operator: NewOperator, destination: Destination, tmp_path: Path
) -> None:
    """Then the bucket tells what it holds: a listing more, no transfer."""
    someone = operator(world, destination)
    someone.settings = {"windows": {"since": datetime.now(UTC).date() - timedelta(days=SINCE - 1)}}
    assert someone.runs(days=False).exit_code == 0
    put_behind_the_back(destination, "manifest/snapshot-00000009.db.gz", b"not a database")
    put_behind_the_back(destination, "manifest/snapshot-00000009.json", b'{"format": 1}')
    before = archive(destination)
    result = job(someone, tmp_path, "next").runs(days=False)
    assert result.exit_code == 0, result.stderr
    assert "passed over number=9" in result.stderr
    assert len(result.of("adopted")) == 40
    assert archive(destination) == before
    assert "manifest/snapshot-00000010.db.gz" in snapshots(destination)


def test_kill_9_between_two_snapshots(
    world: World, operator: NewOperator, destination: Destination, tmp_path: Path
) -> None:
    someone = operator(world, destination, audio_latency=0.4)
    first = job(someone, tmp_path, "first")
    process = first.starts(manifest={"snapshot": True, "snapshot_every_seconds": 1}, limits={"concurrency": 2})
    deadline = time.monotonic() + 60
    while not snapshots(destination) and time.monotonic() < deadline:
        time.sleep(0.05)
    code, _, stderr = kill(process)
    assert code == -signal.SIGKILL, "the kill did not fire: the story proves nothing"
    assert len(snapshots(destination)) >= 1, stderr

    result = job(someone, tmp_path, "second").runs()
    assert result.exit_code == 0, result.stderr
    assert result.summary["archived"] + result.summary["already_archived"] == 40
    assert someone.archived() == someone.truth()


def test_sigterm_saves_within_the_drain(
    world: World, operator: NewOperator, new_bucket: Callable[[], Bucket], tmp_path: Path
) -> None:
    """Audio that takes a minute each: what is in flight is dropped after 15 s, the manifest is saved, 20 s are kept."""
    someone = operator(world, new_bucket(), audio_latency=60.0)
    first = job(someone, tmp_path, "first")
    process = first.starts(limits={"concurrency": 4})
    while not someone.sandbox.live_transfers:
        time.sleep(0.01)
    started = time.monotonic()
    code, stdout, stderr = kill(process, signal.SIGTERM)
    assert (code, time.monotonic() - started < 20) == (143, True), stderr
    assert json.loads(stdout.splitlines()[-1])["stopped"] == "SIGTERM"
    assert someone.archived() == {}
    status = json.loads(job(someone, tmp_path, "status").types("status", "--json").stdout)
    assert status["last_run"]["exit_code"] == 143
    assert status["states"].keys() == {"discovered"}


def test_two_jobs_at_once_both_save(
    world: World, operator: NewOperator, directory: Destination, tmp_path: Path
) -> None:
    someone = operator(world, directory, audio_latency=0.02)
    jobs = [job(someone, tmp_path, name) for name in ("one", "other")]
    for process in [each.starts() for each in jobs]:
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
    assert someone.archived() == someone.truth()
    assert len(snapshots(directory)) == 2
    third = job(someone, tmp_path, "third").runs()
    assert (third.exit_code, third.summary["already_archived"]) == (0, 40)


def test_a_manifest_that_is_older_than_the_newest_snapshot_is_set_aside(
    world: World, operator: NewOperator, directory: Directory, tmp_path: Path
) -> None:
    someone = operator(world, directory)
    here, elsewhere = job(someone, tmp_path, "here"), job(someone, tmp_path, "elsewhere")
    assert here.runs(days=False).exit_code == 0
    chosen = world.recordings()[0].id
    assert here.runs(days=False).exit_code == 0
    aside = here.manifest.with_name("manifest.db.superseded")
    assert not aside.exists(), "it was the newest itself"
    for path in directory.root.joinpath("recordings").rglob(f"{chosen}*"):
        path.unlink()
    assert elsewhere.types("audit").exit_code == 5
    result = here.runs("--limit", "1", days=False)
    assert result.summary["archived"] == 1, "it knew what was found elsewhere"
    assert aside.exists()
    with sqlite3.connect(aside) as database:
        (state,) = database.execute("select state from recordings where id = ?", (chosen,)).fetchone()
    database.close()
    assert state == "archived"


def test_old_snapshots_go_and_nothing_is_readable_by_others(
    operator: NewOperator, destination: Destination, tmp_path: Path
) -> None:
    day = date(2026, 3, 4)
    someone = operator(World.generate(seed=82, recordings=2, days=1, start_day=day), destination)
    for number in range(7):
        assert job(someone, tmp_path, f"run{number}").runs().exit_code == 0
    kept = [f"manifest/snapshot-{number:08d}.db.gz" for number in range(3, 8)]
    assert snapshots(destination) == kept
    for path in (tmp_path / "run6").rglob("manifest.db*"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert not list((tmp_path / "run6").glob("archiver-*")), "no scratch is left"

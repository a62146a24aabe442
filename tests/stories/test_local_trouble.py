"""The machine that the archiver runs on has no room, takes no writes, or hangs: said, and the next run goes on.

Disks are real ones: a file system in memory, mounted where only the archiver's own processes see it.
"""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from archiver.sandbox import World, new_recording
from tests.stories.conftest import Bucket, Directory, NewOperator
from tests.stories.operator import PROGRAM, Operator, Result, sealed

APART = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec")
DISK = 'mount -t tmpfs -o size={size} none "{place}"'
ENOUGH = 'mount -o remount,rw,size=600m "{place}"'


@dataclass(frozen=True)
class Told:
    """What each run came to, and the small disk as they left it."""

    results: Sequence[Result]
    disk: Path


def on_a_disk(someone: Operator, place: Path, *steps: str, size: str, environment: str = "") -> Told:
    """Runs with a disk of its own at ``place``: one at each step ``run``, other steps are shell commands."""
    if subprocess.run([*APART, DISK.format(size="1m", place=someone.home)], check=False, timeout=60).returncode:
        pytest.skip("no private file system can be mounted here")
    place.mkdir(exist_ok=True)
    after = someone.home / "disk"
    config = someone.configure()
    command = [*PROGRAM, "--config", str(config), "run", "--json", *someone.days()]
    lines = [DISK.format(size=size, place=place)]
    runs = 0
    for step in steps:
        if step == "run":
            outputs = " ".join(f'{stream}>"{someone.home}/{runs}.{name}"' for stream, name in ((1, "out"), (2, "err")))
            lines.append(f'code=0; {environment} "$@" {outputs} || code=$?; echo $code >"{someone.home}/{runs}.code"')
            runs += 1
        else:
            lines.append(step.format(place=place))
    lines.append(f'cp -a "{place}" "{after}"')
    done = subprocess.run(
        [*APART, "\n".join(lines), "sh", *command], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    told = [_result(someone.home, number) for number in range(runs)]
    return Told(told, after)


def _result(home: Path, number: int) -> Result:
    code, out, err = ((home / f"{number}.{name}").read_text() for name in ("code", "out", "err"))
    return Result(int(code), out, err)


def test_a_destination_that_fills_up_in_mid_run(operator: NewOperator, directory: Directory) -> None:
    world = World.generate(seed=91, recordings=40, days=1)  # 640 kB
    someone = operator(world, directory)

    told = on_a_disk(someone, directory.root, "run", ENOUGH, "run", size="400k")

    first, second = told.results
    assert first.exit_code == 10, first.stderr
    assert "no space left on device" in first.stderr
    assert "Traceback" not in first.stderr
    assert 0 < first.summary["archived"] < 40
    assert second.exit_code == 0, second.stderr
    assert second.summary["archived"] == 40 - first.summary["archived"]
    assert sealed(Directory(told.disk).objects(), "recordings") == someone.truth()
    assert [path for path in (told.disk / ".scratch").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_manifest_that_takes_no_more_writes(trouble: str, operator: NewOperator, directory: Directory) -> None:
    world = World.generate(seed=92, recordings=150, days=2)
    someone = operator(world, directory)
    place = someone.home / "state"
    someone.settings = {"manifest": {"url": f"sqlite://{place / 'manifest.db'}"}}
    if trouble == "full":
        told = on_a_disk(someone, place, "run", ENOUGH, "run", size="900k")
        failed, last = told.results
    else:
        told = on_a_disk(someone, place, "run", 'mount -o remount,ro "{place}"', "run", ENOUGH, "run", size="600m")
        before, failed, last = told.results
        assert before.exit_code == 0

    assert failed.exit_code == 10, failed.stderr
    assert "manifest" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert last.exit_code == 0, last.stderr
    assert someone.archived() == someone.truth()
    with sqlite3.connect(told.disk / "manifest.db") as database:
        assert database.execute("SELECT state, count(*) FROM recordings").fetchall() == [("archived", 150)]
    database.close()


def test_a_spool_without_room(operator: NewOperator, directory: Directory) -> None:
    """A body of 9 MB needs scratch: it waits for the next run, using no attempt; small ones need none."""
    world = World.generate(seed=93, recordings=5, days=1)
    large = new_recording(world.recordings()[0].created_at.replace(minute=7), 4500, seed=4)
    world.insert(large)
    someone = operator(world, directory)

    told = on_a_disk(someone, someone.spool, "run", ENOUGH, "run", size="32m")

    first, second = told.results
    assert first.exit_code == 3, first.stderr
    assert (first.summary["archived"], first.summary["pending"]) == (5, 1)
    (left,) = first.of("left_open")
    assert left["recording_id"] == large.id
    assert "no room to spool" in left["reason"]
    assert second.exit_code == 0, second.stderr
    assert someone.archived() == someone.truth()
    assert [path for path in told.disk.rglob("*") if path.is_file()] == []
    with sqlite3.connect(someone.manifest) as database:
        assert database.execute("SELECT sum(attempts) FROM recordings").fetchone() == (0,)
    database.close()


def test_no_temporary_directory_takes_writes(operator: NewOperator, directory: Directory, tmp_path: Path) -> None:
    """Said before anything is listed, with the setting that helps; with it everything goes well."""
    someone = operator(World.generate(seed=94, recordings=5, days=1), directory)
    spool = someone.spool
    someone.settings = {"limits": {"spool_dir": None}}
    sealed_off = "\n".join(
        f'mkdir -p {place}; mount --bind {place} {place}; mount --bind "{someone.home}" "{someone.home}"; '
        f"mount -o remount,bind,ro {place}"
        for place in ("/tmp", "/var/tmp")
        if Path(place).exists()
    )
    place = someone.home / "unused"
    told = on_a_disk(someone, place, sealed_off, "run", size="1m", environment=f"cd /proc; TMPDIR={tmp_path}/nowhere")

    (result,) = told.results
    assert result.exit_code == 3, result.stderr
    assert "Traceback" not in result.stderr
    assert "spool_dir" in result.stderr
    assert someone.sandbox.downloads() == ()
    assert directory.objects() == {}
    someone.settings = {"limits": {"spool_dir": str(spool)}}
    assert someone.runs().exit_code == 0


@pytest.mark.parametrize(("held", "cut"), [(r"PUT /{}/.*\.mp3\?.*", False), (r"GET /{}\?.*recordings.*", True)])
def test_a_store_that_hangs_does_not_keep_the_process(
    held: str, cut: bool, operator: NewOperator, new_bucket: Callable[[], Bucket]
) -> None:
    """20 s after the signal at the latest it is gone, whatever hangs, and the next run goes on.

    A put that hangs is dropped; boto3's calls cannot be, so that the process is cut.
    """
    bucket = new_bucket()
    someone = operator(World.generate(seed=95, recordings=6, days=1), bucket)
    bucket.server.held = held.format(bucket.name)
    try:
        process = someone.starts()
        process.until(lambda: any(bucket.name in asked for asked in bucket.server.holding))
        process.send_signal(signal.SIGTERM)
        process.says("finishing what is in flight")
        told = time.monotonic()
        stdout, stderr = process.communicate(timeout=60)
        assert time.monotonic() - told < 20
    finally:
        bucket.server.held = ""
    assert process.returncode == 143
    summary = json.loads(stdout.splitlines()[-1])
    assert summary["stopped"] == "SIGTERM"
    assert ("cut" in summary) is cut
    assert "Traceback" not in stderr
    assert someone.runs().exit_code == 0
    assert someone.archived() == someone.truth()

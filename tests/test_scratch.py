"""Scratch directories: nobody's leftovers stay, nobody's living directory goes."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver import scratch
from archiver.scratch import ScratchDirectory

HOLD = """
    import sys
    from pathlib import Path
    from archiver.scratch import ScratchDirectory
    with ScratchDirectory(Path(sys.argv[1])) as held:
        (held.path / "audio").write_bytes(b"secret")
        (held.path / "below").mkdir()
        (held.path / "below" / "more").write_bytes(b"secret")
        print(held.path, flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process with a scratch directory in ``tmp_path``, and the directory's path."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield process, Path(process.stdout.readline().strip())
    process.kill()
    process.communicate()


def test_it_is_private_whatever_the_umask(tmp_path: Path) -> None:
    for umask in (0, 0o777):
        before = os.umask(umask)
        try:
            with ScratchDirectory(tmp_path / "scratch") as held:
                fd, path = held.new_file()
                os.close(fd)
                modes = [stat.S_IMODE(found.stat().st_mode) for found in (held.parent, held.path, path)]
                assert modes == [0o700, 0o700, 0o600]
        finally:
            os.umask(before)


def test_it_is_gone_afterwards_with_all_that_is_in_it(tmp_path: Path) -> None:
    with ScratchDirectory(tmp_path) as held:
        fd, _ = held.new_file()
        os.close(fd)
        (held.path / "below").mkdir()
        (held.path / "link").symlink_to(tmp_path)
        path = held.path
    assert not path.exists()
    assert tmp_path.is_dir()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError):
        held.new_file()


def test_it_can_be_entered_again(tmp_path: Path) -> None:
    directory = ScratchDirectory(tmp_path)
    with directory as first:
        one = first.path
    with directory as second:
        assert second.path != one
        assert second.path.is_dir()


def test_living_directories_stay_and_dead_ones_go(tmp_path: Path, holder: tuple[subprocess.Popen[str], Path]) -> None:
    process, theirs = holder
    with ScratchDirectory(tmp_path) as mine:
        assert (theirs / "audio").read_bytes() == b"secret"
        assert mine.sweep() == []
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert mine.sweep() == [theirs]
        assert mine.path.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_two_of_one_process_leave_each_other_alone(tmp_path: Path) -> None:
    with ScratchDirectory(tmp_path) as one, ScratchDirectory(tmp_path) as other:
        assert one.path != other.path
        assert one.sweep() == other.sweep() == []
        assert one.path.is_dir()
        assert other.path.is_dir()


@pytest.mark.parametrize("state", ["no lock file", "lock file, no flock", "lock file gone again"])
def test_a_creation_that_died_on_the_way_does_not_leak(tmp_path: Path, state: str) -> None:
    leftover = tmp_path / "archiver-0123456789abcdef"
    leftover.mkdir()
    if state == "lock file, no flock":
        (leftover / "lock").touch()
    if state == "lock file gone again":
        (leftover / "audio").touch()
    with ScratchDirectory(tmp_path) as held:
        assert [path.name for path in tmp_path.iterdir()] == [held.path.name]


def test_what_is_not_a_scratch_directory_stays(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "archiver-notes").write_text("mine")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "archiver-link").symlink_to(tmp_path / "elsewhere")
    with ScratchDirectory(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archiver-link", "archiver-notes", "elsewhere", "other"]


def test_a_directory_that_is_only_named_alike_is_nobodys_scratch(tmp_path: Path) -> None:
    """As ``archiver-demo`` in a /tmp where the archiver spools: no process holds it, and it is not ours to remove."""
    for name in (
        "archiver-demo",
        "archiver-0123456789abcde",
        "archiver-0123456789abcdef0",
        "archiver-0123456789ABCDEF",
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recording.mp3").write_bytes(b"the only copy")
    with ScratchDirectory(tmp_path) as scratch:
        assert scratch.sweep() == []
        assert scratch.abandoned() == []
    assert len(list(tmp_path.glob("*/recording.mp3"))) == 4


def test_the_directory_of_another_user_stays(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a directory of another user")
    theirs = tmp_path / "archiver-fedcba9876543210"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    with ScratchDirectory(tmp_path):
        pass
    assert theirs.is_dir()
    assert list(theirs.iterdir()) == []


def test_a_lock_file_that_is_a_trap_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    trap = tmp_path / "archiver-00000000000000ff"
    trap.mkdir()
    (trap / "lock").symlink_to(target)
    with ScratchDirectory(tmp_path):
        pass
    assert target.read_text() == "mine"


def test_a_sweeper_between_mkdir_and_lock_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweeper takes the directory away before its creator has locked it: the creator starts anew."""
    lock = scratch._lock
    swept: list[Path] = []

    def late(path: Path) -> int | None:
        if not swept:
            swept.append(path)
            assert scratch._sweep(path)
        return lock(path)

    monkeypatch.setattr(scratch, "_lock", late)
    with ScratchDirectory(tmp_path) as held:
        assert swept
        assert held.path != swept[0]
        assert held.path.is_dir()
        assert not swept[0].exists()


def test_a_sweeper_between_open_and_flock_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The creator gets the flock of a lock file that was removed meanwhile: it notices, and starts anew."""
    flock = fcntl.flock
    swept: list[Path] = []

    def late(fd: int, operation: int) -> None:
        if not swept:
            [path] = tmp_path.iterdir()
            swept.append(path)
            assert scratch._sweep(path)
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with ScratchDirectory(tmp_path) as held:
        assert held.path != swept[0]
        assert held.path.is_dir()


def test_a_claimant_behind_the_sweepers_back_keeps_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new lock file appears after the sweeper has removed the old one: the directory is left to who made it."""
    leftover = tmp_path / "archiver-0123456789abcdef"
    leftover.mkdir()
    rmdir = Path.rmdir
    claimed: list[int | None] = []

    def late(path: Path) -> None:
        claimed.append(scratch._lock(leftover))
        rmdir(path)

    monkeypatch.setattr(Path, "rmdir", late)
    assert not scratch._sweep(leftover)
    assert (leftover / "lock").exists()
    assert claimed[0] is not None
    os.close(claimed[0])


def test_the_lock_file_goes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory without it can be claimed by the next sweeper: nothing else may be in it by then."""
    unlink = Path.unlink
    beside: list[list[str]] = []

    def noted(path: Path, missing_ok: bool = False) -> None:
        if path.name == "lock":
            beside.append([entry.name for entry in path.parent.iterdir()])
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", noted)
    with ScratchDirectory(tmp_path) as held:
        for name in ("a", "z"):
            (held.path / name).touch()
            (held.path / f"{name}-below").mkdir()
    assert beside == [["lock"]]


def test_where_nothing_can_be_locked_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int, __: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(OSError, match="not supported"), ScratchDirectory(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_many_at_once_never_lose_their_own(tmp_path: Path) -> None:
    lost: list[str] = []

    def enter_and_leave() -> None:
        try:
            for _ in range(40):
                with ScratchDirectory(tmp_path) as held:
                    fd, path = held.new_file()
                    os.close(fd)
                    held.sweep()
                    if not path.exists():
                        lost.append(str(path))
        except Exception as error:
            lost.append(repr(error))

    threads = [threading.Thread(target=enter_and_leave) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lost == []
    assert list(tmp_path.iterdir()) == []

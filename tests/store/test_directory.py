"""What only a directory can get wrong: permissions, a full disk, a killed process."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import anyio
import pytest

from archiver.errors import ArchiverError, DestinationUnusable, StoreFailed
from archiver.store.body import Document
from archiver.store.directory import DirectoryStore
from archiver.store.interface import AlreadyThere, Conflict, Created

from .bodies import digest_of

pytestmark = pytest.mark.anyio

HERE = Path(__file__).parent
KEY = "recordings/dt=2026-09-22/abc.mp3"
AUDIO = b"\xff\xfb\x90\x00" * 300
BODY, DIGEST = Document(AUDIO), digest_of(AUDIO)


def files(root: Path) -> list[str]:
    """All files below, those in scratch included, except locks."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.name != "lock")


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
async def test_nobody_else_may_read(tmp_path: Path) -> None:
    root = tmp_path / "archive"
    store = DirectoryStore(root)
    await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [root, *root.rglob("*")]}
    assert {oct(mode) for path, mode in modes.items() if path.is_dir()} == {"0o700"}
    assert {oct(mode) for path, mode in modes.items() if path.is_file()} == {"0o600"}
    await store.aclose()


async def test_a_umask_that_takes_everything_does_not_lock_us_out(tmp_path: Path) -> None:
    before = os.umask(0o777)
    try:
        store = DirectoryStore(tmp_path / "archive")
        await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
        await store.aclose()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "archive" / KEY).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "archive" / KEY).parent.stat().st_mode) == 0o700


async def test_an_existing_root_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    store = DirectoryStore(tmp_path)
    await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    await store.aclose()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


async def test_nothing_is_made_before_the_first_put(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "archive")
    assert await store.head(KEY) is None
    assert [stored async for stored in store.list("")] == []
    await store.aclose()
    assert list(tmp_path.iterdir()) == []


async def test_what_lies_about_is_not_listed(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (tmp_path / "recordings" / ".hidden").mkdir()
    (tmp_path / "recordings" / "empty").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert [stored.key async for stored in store.list("")] == [KEY]
    await store.aclose()


async def test_two_processes_put_into_one_directory(tmp_path: Path) -> None:
    one, other = DirectoryStore(tmp_path), DirectoryStore(tmp_path)
    assert isinstance(await one.put_new(KEY, BODY, DIGEST, "audio/mpeg"), Created)
    assert isinstance(await other.put_new(KEY, BODY, DIGEST, "audio/mpeg"), AlreadyThere)
    assert isinstance(await other.put_new(KEY, Document(b"x"), digest_of(b"x"), "audio/mpeg"), Conflict)
    await one.aclose()
    assert isinstance(await other.put_new("b", BODY, DIGEST, "audio/mpeg"), Created)
    await other.aclose()


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What is synced and linked, in order, by path below ``tmp_path``; scratch files as ``*``."""
    done: list[str] = []
    fsync, link = os.fsync, os.link

    def named(path: Path) -> str:
        return "*" if ".scratch" in path.parts else str(path.relative_to(tmp_path))

    def noted_fsync(fd: int) -> None:
        done.append(f"sync {named(Path(f'/proc/self/fd/{fd}').readlink())}")
        fsync(fd)

    def noted_link(source: Path, target: Path) -> None:
        done.append(f"link {named(target)}")
        link(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "link", noted_link)
    return done


async def test_the_order_of_a_durable_write(tmp_path: Path, operations: list[str]) -> None:
    store = DirectoryStore(tmp_path / "archive")
    await store.put_new("day/a", BODY, DIGEST, "audio/mpeg")
    assert operations == [
        "sync .",  # the root's name
        "sync *",  # the bytes, before they get a name
        "sync archive",  # the name of the new directory
        "link archive/day/a",
        "sync archive/day",  # the object's name
    ]
    operations.clear()
    await store.put_new("day/b", BODY, DIGEST, "audio/mpeg")
    assert operations == ["sync *", "link archive/day/b", "sync archive/day"]
    await store.aclose()
    operations.clear()
    another = DirectoryStore(tmp_path / "archive")  # adopts what a process linked that may have died before its fsync
    assert isinstance(await another.put_new("day/a", BODY, DIGEST, "audio/mpeg"), AlreadyThere)
    assert operations == ["sync .", "sync archive/day/a", "sync archive", "sync archive/day"]
    await another.aclose()


@pytest.mark.parametrize("operation", ["write", "fsync", "link", "mkdir"])
@pytest.mark.parametrize(
    ("code", "kind", "hint"),
    [
        (errno.ENOSPC, DestinationUnusable, "free space"),
        (errno.EDQUOT, DestinationUnusable, "quota"),
        (errno.EROFS, DestinationUnusable, "read and write"),
        (errno.EACCES, DestinationUnusable, "read and write"),
        (errno.EIO, StoreFailed, ""),
    ],
)
async def test_a_failing_disk_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    code: int,
    kind: type[ArchiverError],
    hint: str,
) -> None:
    store = DirectoryStore(tmp_path / "archive")
    await store.put_new("first", BODY, DIGEST, "audio/mpeg")

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code), "some path")

    target = {
        "write": "archiver.store.directory._fill",
        "fsync": "os.fsync",
        "link": "os.link",
        "mkdir": "archiver.store.directory.make_private_directory",
    }[operation]
    with monkeypatch.context() as patch:
        patch.setattr(target, fail)
        with pytest.raises(kind) as caught:
            await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    assert hint in caught.value.hint
    assert os.strerror(code).lower() in caught.value.fact
    assert files(tmp_path / "archive") == ["first"]
    assert isinstance(await store.put_new(KEY, BODY, DIGEST, "audio/mpeg"), Created)
    await store.aclose()


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP])
async def test_a_file_system_without_hard_links_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    store = DirectoryStore(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse)
        with pytest.raises(DestinationUnusable, match="hard links"):
            await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
        checks = await store.check()
    assert [check.passed for check in checks] == [False]
    assert files(tmp_path) == []
    await store.aclose()


async def test_a_mount_below_the_root_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    store = DirectoryStore(tmp_path)
    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(DestinationUnusable) as caught:
        await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    assert "mounted below" in caught.value.hint
    assert files(tmp_path) == []
    await store.aclose()


async def test_a_root_without_a_parent_is_not_made(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "not mounted" / "archive")
    with pytest.raises(DestinationUnusable) as caught:
        await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    assert "make the directory" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


async def test_a_root_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"mine")
    store = DirectoryStore(tmp_path / "archive")
    with pytest.raises(DestinationUnusable):
        await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    assert (tmp_path / "archive").read_bytes() == b"mine"


async def test_a_root_that_vanishes_is_a_destination_problem(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "archive")
    await store.put_new("first", BODY, DIGEST, "audio/mpeg")
    (tmp_path / "archive").rename(tmp_path / "gone")
    with pytest.raises(DestinationUnusable):
        await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    (tmp_path / "gone").rename(tmp_path / "archive")
    await store.aclose()


async def test_a_key_below_a_file_fails_alone(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    await store.put_new("a", BODY, DIGEST, "audio/mpeg")
    with pytest.raises(StoreFailed):
        await store.put_new("a/b", BODY, DIGEST, "audio/mpeg")
    assert [stored.key async for stored in store.list("")] == ["a"]
    await store.aclose()


async def test_a_directory_under_the_key_is_no_object(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    await store.put_new("a/b", BODY, DIGEST, "audio/mpeg")
    with pytest.raises(StoreFailed, match="not a file"):
        await store.put_new("a", BODY, DIGEST, "audio/mpeg")
    assert files(tmp_path) == ["a/b"]
    await store.aclose()


async def test_a_failing_body_is_not_the_destinations_fault(tmp_path: Path) -> None:
    class Broken(Document):
        def open(self) -> BinaryIO:
            stream = super().open()

            def fail(_: int = -1) -> bytes:
                raise OSError(errno.ENOSPC, "spool")

            stream.read = fail  # type: ignore[method-assign]
            return stream

    store = DirectoryStore(tmp_path)
    with pytest.raises(StoreFailed, match="body"):
        await store.put_new(KEY, Broken(AUDIO), DIGEST, "audio/mpeg")
    assert files(tmp_path) == []
    await store.aclose()


async def test_a_cancelled_put_ends_soon_and_leaves_nothing(tmp_path: Path) -> None:
    class Slow(Document):
        def open(self) -> BinaryIO:
            stream = super().open()

            def drip(_: int = -1) -> bytes:
                drips.append(1)
                time.sleep(0.01)
                return b"x"

            stream.read = drip  # type: ignore[method-assign]
            return stream

    store = DirectoryStore(tmp_path)
    drips: list[int] = []
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.put_new, KEY, Slow(AUDIO), DIGEST, "audio/mpeg")
            while not drips:
                await anyio.sleep(0.001)
            tasks.cancel_scope.cancel()
    assert len(drips) < len(AUDIO)
    assert files(tmp_path) == []
    await store.aclose()


def run_program(text: str, *arguments: str, before: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", textwrap.dedent(text), *arguments]
    return subprocess.run(
        [*(before or []), *program], capture_output=True, text=True, cwd=HERE, timeout=60, check=False
    )


PUT_TOO_MUCH = """
    import sys
    from pathlib import Path
    import anyio
    from archiver.errors import ArchiverError
    from archiver.store.body import Document
    from archiver.store.directory import DirectoryStore
    from bodies import digest_of

    async def main():
        store = DirectoryStore(Path(sys.argv[1]))
        small, large = b"a" * 1000, b"b" * (4 << 20)
        await store.put_new("small", Document(small), digest_of(small), "audio/mpeg")
        try:
            await store.put_new("large", Document(large), digest_of(large), "audio/mpeg")
        except ArchiverError as error:
            print(type(error).__name__, "|", error.fact, "|", error.hint)
        found = [p for p in Path(sys.argv[1]).rglob("*") if p.is_file() and p.name != "lock"]
        print([p.name for p in found])
        await store.aclose()

    anyio.run(main)
"""


def test_a_really_full_disk(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(tmp_path)]
    possible = subprocess.run([*inside, "true"], capture_output=True, timeout=30, check=False)
    if possible.returncode:
        pytest.skip("no private tmpfs can be mounted here")
    done = run_program(PUT_TOO_MUCH, str(tmp_path), before=inside)
    assert done.returncode == 0, done.stderr
    error, found = done.stdout.splitlines()
    assert error.startswith("DestinationUnusable | large cannot be written: no space left on device | free space")
    assert found == "['small']"


def test_a_file_size_limit(tmp_path: Path) -> None:
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))\n"
    done = run_program(limited + textwrap.dedent(PUT_TOO_MUCH), str(tmp_path))
    assert done.returncode == 0, done.stderr
    error, found = done.stdout.splitlines()
    assert error.startswith("StoreFailed | large cannot be written: file too large")
    assert found == "['small']"


def test_killed_at_every_step_it_leaves_the_whole_object_or_none(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "put_and_die.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    battered = steps.pop()
    assert [step["killed"] for step in steps] == [True] * (len(steps) - 1) + [False]
    assert {"os.mkdir", "fcntl.flock", "os.link", "os.remove", "os.rmdir"} <= {
        step["at"].split(" ")[0] for step in steps
    }
    assert {True, False} == {bool(step["visible"]) for step in steps}
    linked = next(step["step"] for step in steps if step["at"].startswith("os.link"))
    for step in [*steps, battered]:
        assert step["sound"]
        assert step["visible"] in ([], ["recordings/dt=2026-09-22/abc.mp3"])
        assert bool(step["visible"]) == (step["step"] > linked or step is battered)
        after = step["next"]
        assert after["outcome"] == ("AlreadyThere" if step["visible"] else "Created")
        assert after["visible"] == ["recordings/dt=2026-09-22/abc.mp3"]
        assert after["sound"]
        assert after["scratch"] == 1, "the next start removes what the killed process left, and has its own"

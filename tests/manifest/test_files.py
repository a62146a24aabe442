"""Files: who may read them, what stands in their way, who holds them."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from archiver.errors import ManifestLocked, ManifestUnusable, UsageInvalid
from archiver.manifest.sql import SqlManifest
from archiver.rules.lifecycle import State

from .build import NOW, RUN, bring

pytestmark = pytest.mark.anyio


@pytest.fixture
def umask_0() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(directory: Path) -> dict[str, int]:
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in directory.iterdir()}


@pytest.mark.usefixtures("umask_0")
async def test_nobody_else_may_read_even_under_umask_0(tmp_path: Path) -> None:
    path = tmp_path / "one" / "two" / "manifest.db"
    async with await SqlManifest.open(f"sqlite:///{path}") as manifest:
        await manifest.begin_run(RUN, NOW)
        await bring(manifest, "a", State.ARCHIVED)
        await manifest.backup(tmp_path / "one" / "backup.db")
        names = ("manifest.db", "manifest.db-wal", "manifest.db-shm", "manifest.db.lock")
        assert modes(path.parent) == dict.fromkeys(names, 0o600)
        assert modes(tmp_path / "one") == {"two": 0o700, "backup.db": 0o600}
        assert modes(tmp_path)["one"] == 0o700


async def test_a_closed_manifest_is_one_file_and_its_lock(manifest: SqlManifest, path: Path) -> None:
    await manifest.begin_run(RUN, NOW)
    await manifest.aclose()
    assert sorted(modes(path.parent)) == ["manifest.db", "manifest.db.lock"]


async def test_one_run_at_a_time(url: str) -> None:
    async with await SqlManifest.open(url) as first, await SqlManifest.open(url) as second:
        await first.begin_run("first", NOW)
        with pytest.raises(ManifestLocked) as caught:
            await second.begin_run("second", NOW)
        assert caught.value.fact.startswith(f"run first holds the manifest: process {os.getpid()} on ")
        assert caught.value.fact.endswith("since 2026-09-22T12:00:00+00:00")
        with pytest.raises(ManifestLocked):
            await first.begin_run("third", NOW)
        await first.end_run("first", NOW, 0, {})
        await second.begin_run("second", NOW)
        await second.aclose()  # without an end: the lock goes all the same
        await first.begin_run("third", NOW)


async def test_a_run_that_cannot_be_noted_leaves_no_lock(manifest: SqlManifest) -> None:
    await manifest.begin_run(RUN, NOW)
    await manifest.end_run(RUN, NOW, 0, {})
    with pytest.raises(ValueError, match="before"):
        await manifest.begin_run(RUN, NOW)
    await manifest.begin_run("next", NOW)


async def refused(url: str, *, read_only: bool = False) -> ManifestUnusable:
    with pytest.raises(ManifestUnusable) as caught:
        await SqlManifest.open(url, read_only=read_only)
    assert caught.value.hint
    return caught.value


async def test_a_directory_in_place_of_the_file(tmp_path: Path) -> None:
    assert "is a directory" in (await refused(f"sqlite:///{tmp_path}")).fact


async def test_a_file_in_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be opened or made" in (await refused(f"sqlite:///{tmp_path}/file/manifest.db")).fact


@pytest.mark.parametrize("content", [b"this is no database, and long enough to be none" * 50, b"{}", b"\0" * 4096])
async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "manifest.db"
    path.write_bytes(content)
    error = await refused(f"sqlite:///{path}")
    assert "is not a manifest database" in error.fact or "is damaged" in error.fact
    assert "archiver manifest rebuild" in error.hint
    assert path.read_bytes() == content


async def test_an_empty_file_is_a_manifest_to_be(tmp_path: Path) -> None:
    (tmp_path / "manifest.db").touch()
    async with await SqlManifest.open(f"sqlite:///{tmp_path}/manifest.db") as manifest:
        assert await manifest.days() == {}


async def test_the_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE songs (name TEXT)")
    connection.close()
    assert "something else" in (await refused(f"sqlite:///{tmp_path}/other.db")).fact
    connection = sqlite3.connect(tmp_path / "other.db")
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("songs",)]
    connection.close()


async def test_damage_in_the_middle_is_said_when_it_is_met(url: str, path: Path) -> None:
    async with await SqlManifest.open(url) as manifest:
        for n in range(50):
            await bring(manifest, f"r{n}", State.ARCHIVED)
    content = bytearray(path.read_bytes())
    with closing(sqlite3.connect(path)) as connection:  # all but catalogue and version: it is not seen by opening
        roots = connection.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name <> 'schema_revision'").fetchall()
    for (root,) in roots:
        content[(root - 1) * 4096 : root * 4096] = os.urandom(4096)
    path.write_bytes(content)
    async with await SqlManifest.open(url) as manifest:
        assert await manifest.integrity() != []
        with pytest.raises(ManifestUnusable, match="is damaged") as caught:
            await manifest.days()
        assert "archiver manifest rebuild" in caught.value.hint
        with pytest.raises(ManifestUnusable, match="is damaged"):
            await bring(manifest, "new", State.ARCHIVED)


@pytest.mark.parametrize(
    ("url", "fact"),
    [
        ("postgresql://user:hunter2@db/archive", "PostgreSQL is not supported yet"),
        ("postgresql+psycopg://user:hunter2@db/archive", "PostgreSQL is not supported yet"),
        ("mysql://user:hunter2@db/archive", "cannot be kept in mysql"),
        ("user:hunter2@nonsense", "cannot be read"),
        ("sqlite://user:hunter2@host/manifest.db", "must name a file"),
        ("sqlite:///x.db?password=hunter2", "must name a file"),
        ("sqlite://", "must name a file"),
        ("sqlite:///", "must name a file"),
        ("sqlite:///a%00b", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("", "cannot be read"),
    ],
)
async def test_urls_that_cannot_be_used(url: str, fact: str) -> None:
    error = await refused(url)
    assert fact in error.fact
    assert "hunter2" not in f"{error.fact} {error.hint} {error.__cause__}"
    assert error.__suppress_context__ or error.__context__ is None


async def test_odd_names_are_names(tmp_path: Path) -> None:
    path = tmp_path / "50% off?#1%20" / "man i&fest=é;.db"
    for slashes in ("sqlite://", "sqlite:///"):  # the path itself begins with one
        await (await SqlManifest.open(f"{slashes}{quote(str(path))}")).aclose()
    assert list(tmp_path.rglob("*.db")) == [path]


async def test_read_only_makes_and_changes_nothing(url: str, path: Path) -> None:
    assert "no manifest" in (await refused(url, read_only=True)).fact
    assert not path.parent.exists()
    async with await SqlManifest.open(url) as manifest:
        before = await bring(manifest, "a", State.ARCHIVED)
        async with await SqlManifest.open(url, read_only=True) as reader:
            assert await reader.entries(["a"]) == {"a": before}
            with pytest.raises(ManifestUnusable, match="read-only"):
                await reader.note_waiting("a", "x")
            await bring(manifest, "b", State.ARCHIVED)
            assert list(await reader.entries(["b"])) == ["b"]
    async with await SqlManifest.open(url, read_only=True) as reader:
        assert list(await reader.entries(["a"])) == ["a"]


async def test_a_backup_is_complete_while_others_write_and_never_overwrites(
    manifest: SqlManifest, tmp_path: Path
) -> None:
    before = await bring(manifest, "a", State.ARCHIVED)
    target = tmp_path / "backup.db"
    await manifest.backup(target)
    await bring(manifest, "later", State.ARCHIVED)
    content = target.read_bytes()
    with pytest.raises(UsageInvalid, match="exists already"):
        await manifest.backup(target)
    assert target.read_bytes() == content
    with pytest.raises(ManifestUnusable, match="cannot be made"):
        await manifest.backup(tmp_path / "nowhere" / "backup.db")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["backup.db", "state"]
    async with await SqlManifest.open(f"sqlite:///{target}") as copy:
        assert await copy.integrity() == []
        assert [entry async for entry in copy.select(list(State))] == [before]


async def test_a_backup_that_fails_leaves_no_half_copy(
    manifest: SqlManifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("archiver.manifest.sqlite.sqlite3.connect", broken)
    with pytest.raises(ManifestUnusable):
        await manifest.backup(tmp_path / "backup.db")
    assert not (tmp_path / "backup.db").exists()


UNPRIVILEGED = """
import asyncio, datetime, os, sys
import archiver.errors, archiver.manifest.sql as sql
asyncio.run(sql.SqlManifest.open(f"sqlite:///{sys.argv[2]}/warm/up.db"))  # everything that is imported late
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)

async def main(url, read_only):
    try:
        async with await sql.SqlManifest.open(url, read_only=read_only) as manifest:
            await manifest.begin_run("x", datetime.datetime.now(datetime.UTC))
    except archiver.errors.ArchiverError as error:
        print(f"{type(error).__name__}: {error.fact}")

asyncio.run(main(sys.argv[1], sys.argv[3] == "ro"))
"""


@pytest.mark.parametrize("how", ["rw", "ro"])
@pytest.mark.parametrize("case", ["read-only directory", "unreadable file", "read-only file", "closed directory"])
def test_missing_permissions_are_said(tmp_path: Path, case: str, how: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.getuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    path = home / "manifest.db"
    if case == "unreadable file":
        path.touch()
        path.chmod(0)
    elif case == "read-only file":
        path.touch()
        path.chmod(0o444)
    home.chmod({"read-only directory": 0o555, "closed directory": 0}.get(case, 0o777))
    try:
        told = subprocess.run(
            [sys.executable, "-c", UNPRIVILEGED, f"sqlite:///{path}", str(tmp_path), how],
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        home.chmod(0o755)
    assert told.stdout.startswith("ManifestUnusable: "), told
    assert "Traceback" not in told.stderr
    assert [each.name for each in home.iterdir() if each != path] == []

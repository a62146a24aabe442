"""Everything that is particular to SQLite: the file, the pragmas, what its errors mean, its backup."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote

from archiver.errors import ManifestUnusable, UsageInvalid
from archiver.manifest.columns import Connection

_PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    # A power cut may cost the last commits but never the file (sqlite.org/pragma.html#pragma_synchronous), and the
    # bucket is the truth: what was archived in them is found sealed there by the next run and adopted. A mere crash
    # of the process costs nothing. FULL would add an fsync to every commit for that.
    "PRAGMA synchronous = NORMAL",
    # KiB. Of a manifest of any size the upper pages of the indexes are what is read again and again, and they fit; the
    # kernel caches the rest. With more, memory grows along with the manifest until the cache is full.
    "PRAGMA cache_size = -4096",
    "PRAGMA journal_size_limit = 67108864",
)

_REBUILD = "restore a backup, or move the file away and run `archiver manifest rebuild`: the bucket holds all it knew"
_MEANINGS = {
    sqlite3.SQLITE_NOTADB: ("is not a manifest database", _REBUILD),
    sqlite3.SQLITE_CORRUPT: ("is damaged", _REBUILD),
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", "free some space and run again; nothing was lost"),
    sqlite3.SQLITE_BUSY: ("is locked by another process", "wait until it has finished, then run again"),
    sqlite3.SQLITE_LOCKED: ("is locked by another process", "wait until it has finished, then run again"),
    sqlite3.SQLITE_READONLY: (
        "is read-only",
        "even reading needs a writable directory; a copy made by `archiver manifest backup` does not",
    ),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "the file and its directory must be accessible to this user"),
    sqlite3.SQLITE_PERM: ("may not be accessed", "the file and its directory must be accessible to this user"),
    sqlite3.SQLITE_IOERR: ("cannot be read or written", "check the disk that it lies on"),
}


def path_of(url: str) -> Path:
    """The file that ``sqlite:///absolute/path`` names; ManifestUnusable, without a word of its credentials, if none.

    The path is absolute with three slashes as with four, and percent escapes in it are undone.
    """
    hint = "use sqlite:///absolute/path/manifest.db"
    scheme, colon, rest = url.partition("://")
    kind = scheme.partition("+")[0]
    if not colon or not kind.isalnum():
        raise ManifestUnusable("the manifest's URL cannot be read", hint)
    if kind in ("postgresql", "postgres"):
        raise ManifestUnusable("PostgreSQL is not supported yet", hint)
    if kind != "sqlite":
        raise ManifestUnusable(f"a manifest cannot be kept in {kind}", hint)
    host, _, path = rest.partition("/")
    name = unquote(path).lstrip("/")
    if host or not name or name == ":memory:" or any(mark in path for mark in "?#") or "\0" in name:
        raise ManifestUnusable("the manifest's URL must name a file and nothing else", hint)
    return Path("/") / name


def prepare_file(path: Path, *, read_only: bool) -> None:
    """See that there is a file to open: mode 0600 before SQLite first touches it, so that its -wal and -shm are too.

    Missing parents are made 0700. A file that exists keeps the mode it has.
    """
    try:
        if path.is_dir():
            raise ManifestUnusable(f"{path} is a directory", "name a file in it")
        if read_only:
            if not path.is_file():
                raise ManifestUnusable(f"there is no manifest at {path}", "it is made by the first `archiver run`")
            return
        make_parents(path)
        if not path.exists():
            create_private(path)
    except FileExistsError:
        return  # another process was faster
    except OSError as error:
        raise ManifestUnusable(
            f"the manifest {path} cannot be opened or made: {error.strerror}",
            "the file and its directory must be accessible to this user",
        ) from None


def make_parents(path: Path) -> None:
    """Make the directories above ``path`` that are missing, 0700. Raises OSError."""
    for parent in reversed([p for p in path.parents if not p.exists()]):
        parent.mkdir(mode=0o700, exist_ok=True)


def create_private(path: Path) -> None:
    """Make an empty file, mode 0600 from its first moment; FileExistsError if there is one."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def connect(path: Path, *, read_only: bool, busy_seconds: float) -> sqlite3.Connection:
    """A connection that never creates the file, and whose transactions begin as we say."""
    uri = f"file:{quote(str(path))}?mode={'ro' if read_only else 'rw'}"
    # isolation_level None: the driver begins nothing by itself. Its own "BEGIN" before a write is deferred, and a
    # deferred SELECT followed by an UPDATE lets two processes claim the same row.
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=busy_seconds)
    try:
        if not read_only:
            _use_wal(connection, busy_seconds)
        for pragma in _PRAGMAS:
            connection.execute(pragma).close()
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(driver: sqlite3.Connection, busy_seconds: float) -> None:
    """Readers never wait for the writer, nor it for them. The switch itself does not honour the busy timeout."""
    give_up = time.monotonic() + busy_seconds
    while True:
        try:
            driver.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.02)
        else:
            return


def explain(error: sqlite3.Error, path: Path) -> ManifestUnusable:
    """What a database error means to the operator. Carries no statement and no value."""
    if isinstance(error, sqlite3.IntegrityError):
        return ManifestUnusable(f"the manifest {path} refused a change: {error}", "please report this")
    fact, hint = _MEANINGS.get(_code(error), (f"failed: {error}", "please report this"))
    return ManifestUnusable(f"the manifest {path} {fact}", hint)


def _code(error: sqlite3.Error) -> int:
    """The primary result code: the low byte (sqlite.org/rescode.html)."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Within it, everything read is of one moment. Ends quietly even where damage makes the ending fail."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        with suppress(sqlite3.Error):
            connection.rollback()


def self_check(connection: Connection) -> list[str]:
    """What SQLite itself finds wrong with the file."""
    found: list[str] = []
    for (words,) in connection.execute("PRAGMA integrity_check"):
        if words != "ok":
            found.append(str(words))
    for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        found.append(f"a row of {table} names a row of {parent} that is not there")
    return found


def note_number(connection: Connection, number: int) -> None:
    """Note the number of a snapshot: in the file's header, which every copy carries along."""
    connection.execute(f"PRAGMA user_version = {number:d}")


def number_of(path: Path) -> int | None:
    """The number that was noted last, 0 if none was or there is no such file; None for what cannot be read."""
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error:
        return None


def set_aside(path: Path, target: Path) -> None:
    """Copy what is there, if anything is, over what was set aside before."""
    if path.exists():
        target.unlink(missing_ok=True)
        copy(path, target)


def restore(path: Path, source: Path, number: int) -> None:
    """Make the manifest at ``path`` say what the copy ``source`` says, and note its number.

    Written page by page into a file that is there or made, never renamed over it: of the -wal beside it, and of who
    reads meanwhile, SQLite takes care.
    """
    prepare_file(path, read_only=False)
    try:
        with (
            closing(sqlite3.connect(source, isolation_level=None)) as copied,
            closing(sqlite3.connect(path, isolation_level=None)) as made,
        ):
            copied.execute(f"PRAGMA user_version = {number:d}").close()
            copied.backup(made)
    except sqlite3.Error as error:
        raise explain(error, path) from None


def copy(path: Path, target: Path) -> None:
    """A consistent copy in one new file, mode 0600; UsageInvalid if there is a file already. No half copy stays."""
    try:
        create_private(target)
    except FileExistsError:
        raise UsageInvalid(f"{target} exists already", "a backup never overwrites: choose another name") from None
    except OSError as error:
        raise ManifestUnusable(
            f"{target} cannot be made: {error.strerror}", "its directory must exist and be writable by this user"
        ) from None
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(target, isolation_level=None)) as made,
        ):
            source.backup(made)
            made.execute("PRAGMA journal_mode = DELETE").close()  # one file, complete without a -wal beside it
    except BaseException as error:
        target.unlink(missing_ok=True)
        if isinstance(error, sqlite3.Error):
            raise explain(error, target) from None
        raise

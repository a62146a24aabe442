"""A directory for files that must not outlive the process, even one that was killed.

``<parent>/archiver-<random>/`` belongs to one process for its life: it holds an flock on the file ``lock`` in it, which
the kernel gives up with the process, however that ends. Whoever starts next removes the directories whose lock it can
take. No age and no process id is looked at: both lie after a reboot or between containers.

Every step of the creation can be the last one of its process (kill -9), and a sweeper may come between any two:

=========================== ===================================================================================
directory, no lock file     the sweeper makes the lock file itself and holds it: the creator cannot, and starts anew
lock file, no flock yet     whoever takes the flock first owns the directory; the other one leaves it
flock on a removed file     the creator compares the inode under the path with the one it locked, and starts anew
=========================== ===================================================================================
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

PREFIX = "archiver-"
NAME = re.compile(rf"{PREFIX}[0-9a-f]{{16}}")
LOCK_NAME = "lock"


class ScratchDirectory:
    """A directory of this process alone under ``parent``, 0700, with files 0600, whatever the umask.

    A context manager: entering makes the directory (and ``parent``, but nothing above it) and removes what dead
    processes left in ``parent``; leaving removes it. Blocking; raises OSError. May be entered again after it was left.
    """

    def __init__(self, parent: Path) -> None:
        self.parent = parent
        self._path: Path | None = None
        self._lock_fd = -1

    @property
    def path(self) -> Path:
        """The directory; RuntimeError unless it was entered."""
        if self._path is None:
            raise RuntimeError("the scratch directory is not open")
        return self._path

    def __enter__(self) -> Self:
        make_private_directory(self.parent)
        self.sweep()
        while self._path is None:
            self._claim(self.parent / f"{PREFIX}{secrets.token_hex(8)}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._path is not None:
            _remove(self._path)
            os.close(self._lock_fd)
            self._path = None

    def new_file(self) -> tuple[int, Path]:
        """A new empty file, 0600: its descriptor, open for writing, and its path. The caller closes and unlinks it."""
        path = self.path / secrets.token_hex(16)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        os.fchmod(fd, 0o600)  # the umask may have taken bits away
        return fd, path

    def sweep(self) -> list[Path]:
        """Remove the directories in ``parent`` that dead processes left; which ones those were."""
        return [path for path in sorted(self.parent.glob(f"{PREFIX}*")) if _is_ours(path) and _sweep(path)]

    def abandoned(self) -> list[Path]:
        """What ``sweep`` would remove; nothing is."""
        return [path for path in sorted(self.parent.glob(f"{PREFIX}*")) if _is_ours(path) and _is_abandoned(path)]

    def _claim(self, path: Path) -> None:
        """Make ``path`` and lock it; leaves things as they are where a sweeper was faster."""
        path.mkdir(mode=0o700)
        with suppress(FileNotFoundError):
            path.chmod(0o700)
        try:
            fd = _lock(path)
        except OSError:  # no flock here, no room for the lock file: nobody could ever sweep what we would put there
            _remove(path)
            raise
        if fd is not None:
            self._path, self._lock_fd = path, fd


def make_private_directory(path: Path) -> bool:
    """Make ``path`` 0700 whatever the umask, unless it is there; True if it was made."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        return False
    path.chmod(0o700)
    return True


def _lock(path: Path) -> int | None:
    """The flock of the directory, as a descriptor; None if another process holds it or the directory is gone."""
    try:
        fd = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), os.lstat(path / LOCK_NAME)):
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _sweep(path: Path) -> bool:
    """Remove ``path`` if its process is dead."""
    try:
        fd = _lock(path)
    except OSError:
        return False  # not readable any more, or on its way out: what cannot be locked is not ours to judge
    if fd is None:
        return False
    try:
        return _remove(path)
    finally:
        os.close(fd)


def _is_abandoned(path: Path) -> bool:
    """True if no living process holds the lock of ``path``. Makes no lock file: looking leaves no trace."""
    try:
        fd = os.open(path / LOCK_NAME, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _remove(path: Path) -> bool:
    """Remove the directory while its lock is held. The lock file goes last: without it the directory looks claimable.

    False where something remains, for example because somebody put a new lock file there: it is left to them.
    """
    try:
        for entry in path.iterdir():
            if entry.name == LOCK_NAME:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
        (path / LOCK_NAME).unlink(missing_ok=True)
        path.rmdir()
    except OSError:
        return False
    return True


def _is_ours(path: Path) -> bool:
    """A real directory of this user, named as none but we name them: the parent may be a shared /tmp.

    There somebody's ``archiver-demo`` or ``archiver-backup`` may lie, without a lock, and be worth a lot.
    """
    if not NAME.fullmatch(path.name):
        return False
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()

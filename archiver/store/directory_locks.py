"""Retention and holds beside a directory of objects: a file each below ``.locks/``, under the object's own key.

A directory cannot lock. What stands here binds this program alone; anybody else with write access is free.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from archiver.errors import StoreFailed
from archiver.model import Protection, Retention, RetentionMode

FOLDER = ".locks"


class LockFiles:
    """The protections of the objects below ``root``. Blocking; raises OSError, and StoreFailed for a damaged file."""

    def __init__(self, root: Path, new_file: Callable[[], tuple[int, Path]], make_parents: Callable[[Path], None]):
        self._root = root
        self._folder = root / FOLDER
        self._new_file = new_file
        self._make_parents = make_parents

    def read(self, key: str) -> Protection | None:
        """None where nothing was ever demanded."""
        try:
            text = (self._folder / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        try:
            said: dict[str, Any] = json.loads(text)
            retention = None
            if said["mode"] is not None:
                retention = Retention(RetentionMode(said["mode"]), datetime.fromisoformat(said["until"]))
            return Protection(retention, bool(said["legal_hold"]))
        except (ValueError, KeyError, TypeError):
            raise StoreFailed(f"the lock file of {key} cannot be read: nothing is deleted under it") from None

    def join(self, key: str, wanted: Protection) -> Protection:
        """Demand more of it; what is demanded then."""
        with self._alone():
            return self._write(key, wanted.joined(self.read(key)))

    def hold(self, key: str, *, on: bool) -> Protection:
        """Set or lift the legal hold alone."""
        with self._alone():
            held = self.read(key) or Protection()
            return self._write(key, Protection(held.retention, on))

    def forget(self, key: str) -> None:
        """After its object."""
        (self._folder / key).unlink(missing_ok=True)

    def _write(self, key: str, protection: Protection) -> Protection:
        retention = protection.retention
        said = {
            "mode": retention.mode.value if retention else None,
            "until": retention.until.isoformat() if retention else None,
            "legal_hold": protection.legal_hold,
        }
        path = self._folder / key
        self._make_parents(path.parent)
        fd, temporary = self._new_file()
        with os.fdopen(fd, "wb") as file:
            file.write(json.dumps(said).encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        return protection

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Between processes and threads: to read and write is one step."""
        self._make_parents(self._folder)
        fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

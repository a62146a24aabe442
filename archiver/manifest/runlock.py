"""One run at a time on a manifest: a file lock that dies with its process, however that ends."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from archiver.errors import ManifestUnusable


class RunLock:
    """The lock beside the manifest. The file stays; only the operating system's lock on it means anything."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        # thread_local off: it is taken and let go by different threads.
        self._lock = FileLock(self._path, timeout=0, mode=0o600, thread_local=False)

    @property
    def held(self) -> bool:
        """True while this object holds it."""
        return self._lock.is_locked

    def take(self) -> bool:
        """Take it without waiting; False if it is taken, be it by this very object."""
        if self.held:
            return False
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        except OSError as error:
            raise ManifestUnusable(
                f"the run lock {self._path} cannot be used: {error.strerror}",
                "the file and its directory must be writable by this user",
            ) from None
        return True

    def release(self) -> None:
        """Let it go, if it is held."""
        self._lock.release(force=True)

"""What the spool may use: memory from a budget, and disk down to a reserve."""

from __future__ import annotations

import errno
import os
from collections import deque
from pathlib import Path

import anyio
from anyio.to_thread import run_sync

from archiver.errors import SpoolFull


class MemoryBudget:
    """The budget: bytes, given out first come, first served. On one event loop."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.free = total
        self._waiting: deque[tuple[int, anyio.Event]] = deque()

    async def take(self, size: int) -> None:
        """Wait for ``size`` bytes, which may not be more than ``total``. Only for those who hold none."""
        if self.take_at_once(size):
            return
        ticket = (size, anyio.Event())
        self._waiting.append(ticket)
        try:
            await ticket[1].wait()
        except BaseException:
            if ticket[1].is_set():  # granted and cancelled at once
                self.give(size)
            else:
                self._waiting.remove(ticket)
                self.give(0)  # those behind may fit now
            raise

    def take_at_once(self, size: int) -> bool:
        """Take ``size`` bytes if they are free and nobody waits."""
        return not self._waiting and self.take_now(size)

    def take_now(self, size: int) -> bool:
        """Take ``size`` bytes if they are free. Passing those who wait starves nobody: only running bodies may."""
        if size > self.free:
            return False
        self.free -= size
        return True

    def give(self, size: int) -> None:
        """Give ``size`` bytes back, and let in who fits, in order."""
        self.free += size
        while self._waiting and self._waiting[0][0] <= self.free:
            size, granted = self._waiting.popleft()
            self.free -= size
            granted.set()


class DiskRoom:
    """Room on the scratch disk: what is promised to bodies that are not written yet counts as used."""

    def __init__(self, directory: Path, reserve: int) -> None:
        self._directory = directory
        self._reserve = reserve
        self.promised = 0

    async def promise(self, size: int) -> None:
        """Set ``size`` bytes aside; SpoolFull if less than the reserve would stay free."""
        try:
            status = await run_sync(os.statvfs, self._directory)
        except OSError as error:
            raise unwritable(self._directory, error) from None
        free = status.f_bavail * status.f_frsize - self.promised
        if free - size < self._reserve:
            raise SpoolFull(
                f"no room to spool {size} bytes: {max(0, free)} free in {self._directory}, "
                f"of which {self._reserve} are kept in reserve",
                "free space there, set limits.spool_dir to a larger disk, or lower limits.concurrency",
            )
        self.promised += size


def unwritable(directory: Path | None, error: OSError) -> SpoolFull:
    """A failed file operation of the spool, as the error to raise. ``directory``: None is the system's."""
    name = "the system's temporary directory" if directory is None else f"the spool directory {directory}"
    fact = f"{name} cannot be used: {os.strerror(error.errno or errno.EIO).lower()}"
    return SpoolFull(fact, "free space there, or set limits.spool_dir to a writable directory with more room")

"""What a failed file operation of the directory store means: for this object only, or for all of them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archiver.errors import ArchiverError, DestinationUnusable, StoreFailed

FULL = (errno.ENOSPC, errno.EDQUOT)
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def file_errors(root: Path, doing: str) -> Iterator[None]:
    """Raise an OSError of the block as DestinationUnusable or StoreFailed; ``doing`` starts the fact."""
    try:
        yield
    except OSError as error:
        raise translated(error, root, doing) from None


def translated(error: OSError, root: Path, doing: str) -> ArchiverError:
    """The error to raise for ``error``."""
    code = error.errno or errno.EIO
    fact = f"{doing}: {os.strerror(code).lower()}"
    if code in FULL:
        return DestinationUnusable(fact, f"free space (or raise the quota) on the disk of {root}, then run again")
    if code in DENIED:
        return DestinationUnusable(fact, f"let the user of this process read and write {root} and all below it")
    if code == errno.EXDEV:
        return DestinationUnusable(fact, f"another file system is mounted below {root}: make that the destination")
    if code in (errno.ENOENT, errno.ENOTDIR) and not root.is_dir():
        return DestinationUnusable(
            fact, f"make the directory {root.parent}, or mount it, and see that {root} is no file"
        )
    return StoreFailed(fact)


@contextmanager
def link_errors(root: Path) -> Iterator[None]:
    """Raise DestinationUnusable where the file system of ``root`` knows no hard links; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        raise DestinationUnusable(
            f"the file system of {root} has no hard links, so a create-only put cannot be guaranteed",
            "use a file system that has them (ext4, xfs, btrfs, zfs, apfs, nfs; not vfat or exfat)",
        ) from None

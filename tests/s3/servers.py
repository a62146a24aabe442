"""Which S3 server that enforces is asked for, by the make target that unpacked it."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest

from tests.s3 import localstack, radosgw, rclone

LOCKING = bool(localstack.PYTHON or radosgw.ROOT)
"""The one that is asked for can lock objects."""
ASKED = LOCKING or bool(rclone.PROGRAM)
RADOSGW = bool(radosgw.ROOT)
RCLONE = bool(rclone.PROGRAM)


def server() -> AbstractContextManager[str]:
    """Its URL, while it runs; credentials: test, test. One has to be asked for."""
    if RCLONE:
        return rclone.rclone()
    return radosgw.radosgw() if RADOSGW else localstack.localstack()


def needs_create_only() -> None:
    """Skips where a second put of a key replaces the first."""
    if RCLONE:
        pytest.skip("rclone serve s3 ignores If-None-Match; its doctor says so")


def needs_create_only_with_versions() -> None:
    """Skips where a bucket that keeps versions takes a second put of a key for a new version."""
    if RADOSGW:
        pytest.skip("radosgw 16 ignores If-None-Match in a bucket that keeps versions; its doctor says so")

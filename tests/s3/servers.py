"""Which S3 server that enforces is asked for, by the make target that unpacked it."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest

from tests.s3 import localstack, radosgw

ASKED = bool(localstack.PYTHON or radosgw.ROOT)
RADOSGW = bool(radosgw.ROOT)


def server() -> AbstractContextManager[str]:
    """Its URL, while it runs; credentials: test, test. One has to be asked for."""
    return radosgw.radosgw() if RADOSGW else localstack.localstack()


def needs_create_only_with_versions() -> None:
    """Skips where a bucket that keeps versions takes a second put of a key for a new version."""
    if RADOSGW:
        pytest.skip("radosgw 16 ignores If-None-Match in a bucket that keeps versions; its doctor says so")

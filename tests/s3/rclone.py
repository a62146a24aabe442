"""``rclone serve s3`` as a process of its own, from the environment that ``make test-rclone`` has made.

It checks every signature, which is what it is here for. It has no versions and no locks, keeps each object as a file,
so that no key can lie below another, and ignores If-None-Match.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.s3.process import free_port, serving

PROGRAM = os.environ.get("ARCHIVER_TEST_RCLONE", "")
"""The program; empty: these tests are not asked for."""
START_SECONDS = 60


@contextmanager
def rclone() -> Iterator[str]:
    """Its URL, while it runs. What is put lies in a directory that goes with it."""
    with tempfile.TemporaryDirectory(prefix="rclone-") as home:
        port, buckets = free_port(), Path(home) / "buckets"
        buckets.mkdir()
        words = ["serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", "test,test", str(buckets)]

        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        with serving("rclone", [PROGRAM, "--config", "", *words], Path(home) / "log", answers, START_SECONDS):
            yield f"http://127.0.0.1:{port}"

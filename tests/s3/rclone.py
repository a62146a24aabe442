"""``rclone serve s3`` as a process of its own, from the environment that ``make test-rclone`` has made.

It checks every signature, which is what it is here for. It has no versions and no locks, keeps each object as a file,
so that no key can lie below another, and ignores If-None-Match.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = os.environ.get("ARCHIVER_TEST_RCLONE", "")
"""The program; empty: these tests are not asked for."""
START_SECONDS = 60


@contextmanager
def rclone() -> Iterator[str]:
    """Its URL, while it runs. What is put lies in a directory that goes with it."""
    with tempfile.TemporaryDirectory(prefix="rclone-") as home, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        (Path(home) / "buckets").mkdir()
        log = Path(home) / "log"
        words = ["serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", "test,test"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [PROGRAM, "--config", "", *words, str(Path(home) / "buckets")], stdout=output, stderr=output
            )
        try:
            _wait(port, process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"rclone ended by itself:\n{log.read_text()}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"rclone does not answer:\n{log.read_text()}")

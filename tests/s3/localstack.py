"""LocalStack's S3 as a process of its own, from the environment that ``make test-s3`` has made."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PYTHON = os.environ.get("ARCHIVER_TEST_LOCALSTACK", "")
"""The interpreter that has LocalStack installed; empty: these tests are not asked for."""
START_SECONDS = 240


@contextmanager
def localstack() -> Iterator[str]:
    """Its URL, while it runs. Everything it writes is below a directory that goes with it."""
    with tempfile.TemporaryDirectory(prefix="localstack-") as home, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        log = Path(home) / "log"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "TMPDIR": home,
            "FILESYSTEM_ROOT": home,
            "OVERRIDE_IN_DOCKER": "0",
            "SERVICES": "s3",
            "EAGER_SERVICE_LOADING": "1",
            "S3_SKIP_SIGNATURE_VALIDATION": "0",
            "GATEWAY_LISTEN": f"127.0.0.1:{port}",
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DNS_ADDRESS": "0",
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                [PYTHON, "-m", "localstack.runtime.main"], env=environment, stdout=output, stderr=output
            )
        url = f"http://127.0.0.1:{port}"
        try:
            _wait(url, process, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"LocalStack ended by itself:\n{log.read_text()}"
        try:
            with urllib.request.urlopen(f"{url}/_localstack/health", timeout=10):
                return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(f"LocalStack does not answer:\n{log.read_text()}")

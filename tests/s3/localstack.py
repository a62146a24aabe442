"""LocalStack's S3 as a process of its own, from the environment that ``make test-s3`` has made."""

from __future__ import annotations

import os
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.s3.process import free_port, serving

PYTHON = os.environ.get("ARCHIVER_TEST_LOCALSTACK", "")
"""The interpreter that has LocalStack installed; empty: these tests are not asked for."""
START_SECONDS = 240


@contextmanager
def localstack() -> Iterator[str]:
    """Its URL, while it runs. Everything it writes is below a directory that goes with it."""
    with tempfile.TemporaryDirectory(prefix="localstack-") as home:
        port = free_port()
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
        url = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            try:
                with urllib.request.urlopen(f"{url}/_localstack/health", timeout=10):
                    return True
            except OSError:
                return False

        words = [PYTHON, "-m", "localstack.runtime.main"]
        with serving("LocalStack", words, Path(home) / "log", answers, START_SECONDS, environment):
            yield url

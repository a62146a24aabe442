"""What holds for every test, however the test runner was started."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """A shell lets what it starts in the background ignore SIGINT, and children inherit that: here it counts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)

"""What holds for every test, however and wherever the test runner was started."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# A machine may be slow and busy, which is no finding; and what passed yesterday passes today. Other examples than
# these are tried by pytest --hypothesis-profile=search.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", settings.get_profile("search"), derandomize=True)
settings.load_profile("steady")


def pytest_configure() -> None:
    """A shell lets what it starts in the background ignore SIGINT, and children inherit that: here it counts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)

"""What to do after a failure: try again when, or give up.

A decision is a value; waiting is up to the caller. Back-off is exponential with full jitter
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), never below what the server asked for.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Wait this many seconds, then try again."""

    delay: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Attempts are spent."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently."""

    attempts: int
    """In all, the first one included."""
    base: float
    """Seconds: the greatest delay after the first failure; doubles with each further one."""
    ceiling: float
    """Seconds: no back-off of ours is longer."""
    patience: float = 120.0
    """Seconds: a server that asks for a longer wait is not waited for."""

    def decide(self, failures: int, jitter: float, retry_after: float | None = None) -> TryAgain | GiveUp:
        """After the ``failures``-th failure (from 1); ``jitter`` is uniform in [0, 1)."""
        if failures >= self.attempts or (retry_after or 0.0) > self.patience:
            return GiveUp()
        backoff = min(self.ceiling, self.base * 2.0 ** (failures - 1)) * jitter
        return TryAgain(max(backoff, retry_after or 0.0))


LISTING = RetryPolicy(attempts=8, base=1.0, ceiling=30.0)
"""One request to a report: rides out a minute of rate limiting or a restart of the source."""

TRANSFER = RetryPolicy(attempts=3, base=1.0, ceiling=15.0)
"""One recording within one run; what is left after that waits for the next run."""

FAILURES = 3
"""Windows in a row that cannot be listed, after which whoever is asked is taken to be down."""


def is_down(failures: int, *, answered: bool) -> bool:
    """True if no further window is worth asking for, after so many in a row that could not be listed."""
    return failures >= FAILURES or (failures > 0 and not answered)

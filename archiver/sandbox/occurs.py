"""When a fault happens, and where in a body."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Occurs:
    """When a fault happens: not at the first `after` occurrences, then `times` times (None: for ever)."""

    after: int = 0
    times: int | None = None

    def active(self, seen: int) -> bool:
        """Whether it happens now, `seen` occurrences having gone before."""
        return self.after <= seen and (self.times is None or seen < self.after + self.times)


def position(at: int | float, length: int) -> int:
    """Read a place in a body: bytes from the start, bytes from the end when negative, or a fraction when a float."""
    if isinstance(at, float):
        return int(length * at)
    return max(0, length + at) if at < 0 else min(at, length)

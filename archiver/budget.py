"""How much a run may do: recordings, bytes, time. What is in flight when a budget is reached is finished."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Budget:
    """Limits of one run; None is no limit."""

    recordings: int | None = None
    size: int | None = None
    """Bytes of audio."""
    seconds: float | None = None
    _started: set[str] = field(default_factory=set)
    _moved: int = 0

    @property
    def limited(self) -> bool:
        """True if there is one."""
        return (self.recordings, self.size, self.seconds) != (None, None, None)

    def admits(self, recording_id: str) -> bool:
        """True if work on this recording may start, or go on: one that was started is finished, its retries too."""
        if recording_id in self._started:
            return True
        if self.size is not None and self._moved >= self.size:
            return False
        if self.recordings is not None and len(self._started) >= self.recordings:
            return False
        if self.recordings is not None or self.size is not None:
            self._started.add(recording_id)
        return True

    def moved(self, size: int) -> None:
        """Account for transferred bytes."""
        self._moved += size

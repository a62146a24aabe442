"""What a probe writes down while it goes over the bytes: findings, proofs, details, and the shape of the audio."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from archiver.model import Finding

MOST_DETAILS = 8
"""Places told per code; further ones are only counted, so that hostile input cannot swell the evidence."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What was walked: seconds, frames, rate in Hz, bits per second, and where the bare audio lies."""

    length: float | None = None
    frames: int | None = None
    sample_rate: int | None = None
    channels: int | None = None
    bitrate: int | None = None
    audio: tuple[int, int] | None = None
    """``[start, end)`` of the audio without tags: what the audio digest covers."""


@dataclass(slots=True)
class Notes:
    """A pad of one probe. Every code appears once, however often it was seen."""

    details: dict[str, Any] = field(default_factory=dict)
    _found: dict[str, list[str]] = field(default_factory=dict)
    _seen: dict[str, int] = field(default_factory=dict)
    _held: dict[str, str] = field(default_factory=dict)

    def find(self, code: str, detail: str = "", times: int = 1) -> None:
        """Note something wrong or odd."""
        places = self._found.setdefault(code, [])
        self._seen[code] = self._seen.get(code, 0) + times
        if detail and len(places) < MOST_DETAILS:
            places.append(detail)

    def prove(self, code: str, detail: str = "") -> None:
        """Note an embedded check that held."""
        self._held.setdefault(code, detail)

    def has(self, code: str) -> bool:
        """True if ``code`` was found."""
        return code in self._found

    def proved(self, code: str) -> bool:
        """True if the check ``code`` held."""
        return code in self._held

    @property
    def findings(self) -> tuple[Finding, ...]:
        """In the order of first appearance, each with its places and their number."""
        return tuple(Finding(code, self._words(code)) for code in self._found)

    @property
    def proofs(self) -> tuple[Finding, ...]:
        """In the order of appearance."""
        return tuple(Finding(code, detail) for code, detail in self._held.items())

    def _words(self, code: str) -> str:
        places, seen = self._found[code], self._seen[code]
        words = "; ".join(places)
        return f"{words} ({seen} in all)" if seen > max(1, len(places)) else words

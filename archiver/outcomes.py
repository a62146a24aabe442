"""What came of one turn of the pipeline for one recording: a value with its reason, for the runner to act on."""

from __future__ import annotations

from dataclasses import dataclass

from archiver.manifest.interface import Entry
from archiver.model import Finding


@dataclass(frozen=True, slots=True)
class Settled:
    """The recording is in a state that this run need not touch again."""

    entry: Entry
    reasons: tuple[Finding, ...] = ()
    adopted: bool = False
    pushed_back: bool = False
    """True if the store asked to be spared before it took it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """It failed: an attempt is used."""

    stage: str
    reason: str
    retry_after: float | None = None
    hopeless_now: bool = False
    """True where trying again within this run would change nothing."""
    own: bool = True
    """False where the fault is not the recording's (an outage, our settings): it must never be given up for it."""
    pushed_back: bool = False
    """True if origin or store asked to be spared."""


@dataclass(frozen=True, slots=True)
class NeedsLink:
    """Its link is stale, or was refused: list its day again. No attempt is used."""

    reason: str


@dataclass(frozen=True, slots=True)
class FetchAgain:
    """Its bytes were rejected for the first time: fetch them once more before believing it."""

    reasons: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class JudgeLater:
    """Its audio is too long, and only the end of its window's listing tells whether it is another recording's."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing can be done now; the next run asks again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Clash:
    """The bucket holds other bytes under its key. Nothing was overwritten."""

    key: str


Outcome = Settled | Retry | NeedsLink | FetchAgain | JudgeLater | Waiting | Clash

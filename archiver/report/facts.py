"""What a report tells, as values: no page and no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from archiver.manifest.copy_book import CopyState
from archiver.manifest.interface import Entry, Flagged, Measured, RunRecord
from archiver.rules.lifecycle import State
from archiver.rules.windows import lost_at

NEEDS_A_PERSON = (State.QUARANTINED, State.UNAVAILABLE, State.FAILED)
"""What no further run settles by itself."""


class DayStatus(StrEnum):
    """How complete a day is; of several that apply the first."""

    DOUBT = "doubt"  # its listing could not be relied on
    PERSON = "person"  # something in it waits for a decision
    OPEN = "open"  # something in it is still to be fetched
    WAITING = "waiting"  # all that is listed is settled; late recordings may still come
    COMPLETE = "complete"  # closed, and all of it archived
    EMPTY = "empty"  # closed, and the source named none
    UNLISTED = "unlisted"  # never listed


@dataclass(frozen=True, slots=True)
class Day:
    """One UTC day."""

    day: date
    counts: Mapping[State, int]
    closed: bool
    listed: bool
    doubt: str = ""
    """Why its last listing cannot be relied on."""
    late: int = 0
    """Recordings that the source named after the day had been listed whole."""
    statements: int = 0
    """Statements and amendments of the day that lie in the archive."""

    @property
    def total(self) -> int:
        """Recordings that the source has named."""
        return sum(self.counts.values())

    def count(self, *states: State) -> int:
        """Recordings in these states."""
        return sum(self.counts.get(state, 0) for state in states)

    @property
    def open(self) -> int:
        """Recordings still to be fetched or sealed."""
        return self.count(*(state for state in State if state.is_open))

    @property
    def status(self) -> DayStatus:
        """The first that applies."""
        applies = {
            DayStatus.DOUBT: bool(self.doubt),
            DayStatus.PERSON: self.count(*NEEDS_A_PERSON) > 0,
            DayStatus.OPEN: self.open > 0,
            DayStatus.WAITING: not self.closed and (self.listed or self.total > 0),
            DayStatus.COMPLETE: self.closed and self.total > 0,
            DayStatus.EMPTY: self.closed,
            DayStatus.UNLISTED: True,
        }
        return next(status for status, so in applies.items() if so)


@dataclass(frozen=True, slots=True)
class Listed:
    """Some recordings of a kind, oldest first, and how many there are in all."""

    entries: Sequence[Entry]
    total: int


@dataclass(frozen=True, slots=True)
class Report:
    """How the archive stands at a moment."""

    at: datetime
    archive: str
    """The destination's URL."""
    source: str
    """The voice API's base URL."""
    software: str
    tolerance: tuple[float, float]
    """Accepted differences of measured and reported length, in seconds."""
    level: str
    """How far audio is verified, as configured now."""
    watermark: datetime
    """Before it every day is closed."""
    days: Sequence[Day]
    """The days shown, oldest first, without gaps."""
    earlier: Sequence[Day]
    """Days before those."""
    exceptions: Listed
    """What waits for a person."""
    waiting: Listed
    """What is open."""
    changed: Sequence[Flagged]
    """What the source has ceased to name, or has changed so that it does not fit its audio any more."""
    measured: Sequence[Measured]
    """Of the days shown."""
    runs: Sequence[RunRecord]
    """The latest runs, oldest first."""
    run: RunRecord | None
    """The run that the report was asked for; else the last one that ended."""
    copies: Mapping[CopyState, int] | None
    """Objects by their state in the second destination; None where there is none."""

    @property
    def states(self) -> dict[State, int]:
        """Recordings by state, over all days; archived ones first."""
        every = [*self.earlier, *self.days]
        order = sorted(State, key=lambda state: state is not State.ARCHIVED)
        return {state: count for state in order if (count := sum(day.count(state) for day in every))}

    @property
    def to_decide(self) -> int:
        """Recordings that wait for a person."""
        return self.exceptions.total

    @property
    def first_loss(self) -> datetime | None:
        """When the source forgets the oldest open recording; None where none is open."""
        return lost_at(self.waiting.entries[0].created_at) if self.waiting.entries else None

    def count_copies(self, *states: CopyState) -> int:
        """Objects in these states in the second destination."""
        return sum((self.copies or {}).get(state, 0) for state in states)

    @property
    def doubtful(self) -> list[Day]:
        """Days whose listing cannot be relied on."""
        return [day for day in (*self.earlier, *self.days) if day.status is DayStatus.DOUBT]

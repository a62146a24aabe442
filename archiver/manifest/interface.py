"""The port to the manifest: what is known of every recording, event by event. Its contract stands here.

The manifest is an index of the bucket that may be lost: nothing in it is the only copy of anything archived.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from archiver.manifest.copy_book import CopyBook
from archiver.model import Digest, Recording, Retention, Row, StoredObject, Window
from archiver.rules.evidence import Known
from archiver.rules.lifecycle import Event, Observation, State
from archiver.rules.period import Filed, Standing


@dataclass(frozen=True, slots=True)
class Entry:
    """What the manifest knows of one recording."""

    recording_id: str
    created_at: datetime
    duration: float | None
    """Reported seconds."""
    state: State
    attempts: int
    """Failed attempts so far; a refreshed link uses none."""
    reason: str
    """Why it is where it is: the last attempt's or event's words; empty where all is well."""
    grade: str | None = None
    """The verdict's grade, where there was one."""
    audio: StoredObject | None = None
    sha512: Digest | None = None
    content: Digest | None = None
    """SHA-256 of the audio without tags: equal under two ids means the same audio."""
    sidecar: StoredObject | None = None
    length: float | None = None
    """Measured seconds of the audio."""
    retention: Retention | None = None
    """What holds audio and sidecar, as last read back; None where nothing does."""
    retention_class: str | None = None
    """The policy's word for it."""
    matters: tuple[str, ...] = ()
    """Legal holds on it."""
    draft: bytes | None = None
    """The sidecar to be sealed, kept while ``stored`` so that a crash between the two puts costs no transfer."""

    @property
    def day(self) -> date:
        """The ``dt`` of its keys."""
        return self.created_at.date()


@dataclass(frozen=True, slots=True)
class Change:
    """What an event changes besides the state. None leaves a column as it is."""

    reason: str = ""
    grade: str | None = None
    audio: StoredObject | None = None
    sha512: Digest | None = None
    content: Digest | None = None
    sidecar: StoredObject | None = None
    length: float | None = None
    retention: Retention | None = None
    retention_class: str | None = None
    matters: tuple[str, ...] | None = None
    draft: bytes | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    """For the event row: JSON values, no secret, no phone number."""


@dataclass(frozen=True, slots=True)
class ListedWindow:
    """What a listing of a window ended with."""

    window: Window
    agreed: bool
    reason: str
    unique: int
    rows_unreadable: int
    """Rows from which nothing could be archived."""
    whole: bool = False
    """True if the listing began after the window's end."""


@dataclass(frozen=True, slots=True)
class CallDay:
    """What the bucket holds of a day's call log, and how its last listing ended."""

    day: date
    parts: int
    """Parts in the bucket."""
    rows: int
    """Calls in their union."""
    listing: str
    """Digest of a listing whose every row the union holds as it stands; empty if none is known."""
    union: str
    """Digest of the union's ids and rows; empty if it is not known."""
    agreed: bool = True
    """False where the last listing did not agree, or what it named could not all be put."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class WindowRecord:
    """All that is known of a window."""

    window: Window
    first_listed_at: datetime
    whole_at: datetime | None
    """When it was first listed with agreement after its end: what is first named later is late."""
    last_listed_at: datetime
    agreed: bool
    """Whether the last listing did."""
    reason: str
    rows_unreadable: int
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Observed:
    """What a run has noticed of a recording at the source."""

    number: int
    """Of the event: they are handed out in this order."""
    recording_id: str
    observation: Observation
    state: State
    detail: Mapping[str, Any]
    """Of a change: ``fields`` by name, and ``duration`` before and after where it is one of them."""


@dataclass(frozen=True, slots=True)
class Flagged:
    """A recording that somebody should know of, whatever its state."""

    recording_id: str
    created_at: datetime
    state: State
    last_seen: datetime | None
    vanished_at: datetime | None
    """When the source was found not to name it any more."""
    doubt: str | None
    """What speaks against its archived audio."""


@dataclass(frozen=True, slots=True)
class RunCounts:
    """Recordings that a run has listed, by state; ``mine`` of the archived ones were archived by it."""

    states: Mapping[State, int]
    mine: int = 0


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run, for ``status``."""

    run_id: str
    started_at: datetime
    ended_at: datetime | None
    exit_code: int | None
    summary: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """How many judged recordings have this grade, about this duration, and this difference."""

    grade: str
    reported: float | None
    """Seconds: the lower end of a class of durations that are no more than half as long again; None: not reported."""
    difference: float | None
    """Measured minus reported seconds, to a tenth, no further out than ten; None where either is missing."""
    count: int


class Manifest(Protocol):
    """Every write is one transaction that holds the change and its event row; writes of many tasks share commits.

    Times are aware UTC. An advance is compare-and-set: of two that race, one wins and the other gets None.
    Raises ManifestUnusable where the database cannot be used.
    """

    @property
    def copies(self) -> CopyBook:
        """What is known of the second destination."""

    async def begin_run(self, run_id: str, at: datetime) -> None:
        """Note the run and take the lock, which dies with the process.

        ManifestLocked if another run holds it; ValueError for an id that was used before.
        """

    async def end_run(self, run_id: str, at: datetime, exit_code: int, summary: Mapping[str, Any]) -> None:
        """Note how the run ended and let the lock go."""

    async def note_listed(self, run_id: str, at: datetime, recordings: Sequence[Recording]) -> dict[str, Entry]:
        """Bring listed recordings in: new ones become discovered (event LISTED), known ones are marked as seen.

        Where the source corrected a duration or filled in a field the row is updated, and an event says so; one that
        had vanished has returned. State never changes here. The entries of all, by id. Links are not stored.
        """

    async def note_unnamed(self, window: Window, run_id: str, at: datetime, reach: datetime) -> int:
        """Mark as vanished what this run, which has listed ``window`` with agreement, has not seen of it; how many.

        Nothing as old as ``reach``: that the source has forgotten by rule. Reopens the window if there is any.
        """

    def observed(self, run_id: str) -> AsyncIterator[Observed]:
        """What this run has noticed at the source, in the order it did, streamed."""

    async def note_doubt(self, recording_id: str, doubt: str | None) -> None:
        """Flag a recording with what speaks against its audio; None takes the flag away."""

    async def flagged(self) -> list[Flagged]:
        """Recordings that have vanished or are in doubt, oldest first, at most a thousand."""

    async def entries(self, recording_ids: Sequence[str]) -> dict[str, Entry]:
        """The entries of those ids that are known."""

    async def source_row(self, recording_id: str) -> Row:
        """A recording's row as the source last sent it; empty where none is known."""

    async def advance(
        self, recording_id: str, expected: State, event: Event, at: datetime, run_id: str | None, change: Change
    ) -> Entry | None:
        """Apply ``event`` if the recording is in ``expected``: the new entry, or None if it is not (any more).

        ValueError if the lifecycle table has no such step. ``draft`` is dropped on leaving ``stored``; REQUEUED sets
        ``attempts`` to 0.
        """

    async def note_attempt(
        self, recording_id: str, at: datetime, run_id: str, stage: str, reason: str, *, counts: bool = True
    ) -> int:
        """Keep a failed attempt and count it, unless it was no fault of the recording; how many count so far.

        ValueError for an unknown id.
        """

    async def note_waiting(self, recording_id: str, reason: str) -> None:
        """Say why an open recording waits (no audio yet, no new link), using no attempt. Nothing for any other."""

    async def note_window(self, run_id: str, at: datetime, listed: ListedWindow) -> None:
        """What the listing of a window ended with."""

    async def close_windows(self, windows: Sequence[Window], at: datetime) -> list[Window]:
        """Close those of ``windows`` that can be; the ones closed now.

        One can be if its last listing agreed and lost no row, and no recording in it is open or failed. A closed
        window is reopened by whatever makes its statement untrue: a late arrival, a requeue, a row that was changed
        or has vanished, an audit's finding.
        """

    async def closable(self, windows: Sequence[Window]) -> list[WindowRecord]:
        """Those of ``windows`` that are closed, or can be; in the order given."""

    async def windows(self) -> list[WindowRecord]:
        """Every window that was ever listed, oldest first."""

    def standings(self, day: date) -> AsyncIterator[Standing]:
        """What has become of each recording of a UTC day, in the order of ids, streamed."""

    async def restore_window(self, record: WindowRecord, unique: int, run_id: str) -> None:
        """Take in a window that is not known, as a statement tells of it (rebuild); ``run_id``: of who listed it."""

    async def restore_standings(self, standings: Sequence[Standing]) -> None:
        """What a statement tells of recordings, for those that were restored in the same state and not listed since."""

    async def file(self, documents: Sequence[Filed]) -> None:
        """Take in statements and amendments that lie in the bucket."""

    async def filed(self, day: date | None = None) -> list[Filed]:
        """The statements and amendments that are known, of a day or all, in the order of the chain."""

    async def unsettled(self) -> set[date]:
        """Days of windows that are not closed, and of open recordings, whether their window is known or not."""

    async def closed(self, first: datetime) -> set[Window]:
        """Closed windows that start at ``first`` or later."""

    async def same_content(self, digest: Digest, other_than: str) -> list[str]:
        """Ids of other stored or archived recordings with this digest of untagged audio; oldest first, at most ten."""

    async def open_entries(self, window: Window) -> list[Entry]:
        """Entries of the window that are discovered or stored, oldest first."""

    async def counts(self, run_id: str) -> RunCounts:
        """Recordings that this run has listed, by state."""

    async def days(self) -> dict[date, dict[State, int]]:
        """Recordings per UTC day and state: everything the manifest knows."""

    async def oldest_open(self) -> Entry | None:
        """The open recording with the earliest source time."""

    async def last_run(self, *, useful: bool = False) -> RunRecord | None:
        """The run that ended last; the unfinished latest one if none did. Audits and rebuilds are none.

        ``useful``: the last one that was not kept from its work (by credentials, destination, a signal, a bug).
        """

    async def runs(self, most: int) -> list[RunRecord]:
        """The latest runs, at most so many, in the order they began. Audits and rebuilds are none."""

    async def run(self, run_id: str) -> RunRecord | None:
        """The run of that id; None where none is known."""

    async def measured(self, first: date, last: date) -> list[Measured]:
        """Judged recordings of these days, both included, by grade, duration and difference: a few thousand at most."""

    async def late(self, first: date, last: date) -> dict[date, int]:
        """Of these days, those of which the source named recordings after it had listed them whole, and how many."""

    async def unagreed_windows(self) -> list[ListedWindow]:
        """Windows whose last listing did not agree, or held rows that could not be read, oldest first."""

    async def note_call_day(self, at: datetime, call_day: CallDay) -> None:
        """Keep what is known of a day's call log, in place of what was. One that did not agree reopens its window."""

    async def call_day(self, day: date) -> CallDay | None:
        """What is known of a day's call log; None if nothing is: its parts tell."""

    async def call_days(self) -> list[CallDay]:
        """Every day of which something is known, oldest first."""

    def select(self, states: Sequence[State], ids: Sequence[str] = ()) -> AsyncIterator[Entry]:
        """Entries in one of ``states`` (and among ``ids``, if any are given), oldest first, streamed."""

    def claims(self, day: date) -> AsyncGenerator[Entry, None]:
        """Entries of a UTC day that name an object of audio, in the order of its key, streamed."""

    def kept(self, day: date) -> AsyncIterator[tuple[Entry, Row]]:
        """Entries of a UTC day with the source's rows (empty where none is kept), in the order of ids, streamed."""

    async def note_kept(
        self,
        recording_id: str,
        *,
        retention: Retention | None = None,
        retention_class: str | None = None,
        matters: Sequence[str] | None = None,
    ) -> None:
        """What holds a recording now; None leaves a column as it is. Nothing for an unknown id."""

    def listed(self, day: date) -> AsyncIterator[Known]:
        """What the source said of the recordings of a UTC day, and where each stands, in the order of ids, streamed."""

    async def restore(self, entry: Entry, row: Mapping[str, Any], at: datetime, run_id: str | None) -> bool:
        """Write an entry read from a sidecar (rebuild); False if the id is known already. Its events say so."""

    async def aclose(self) -> None:
        """Write what is pending, let the lock go, close."""

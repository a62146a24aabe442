"""What a run says at its end, and the exit code that follows from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from archiver.errors import ExitCode, first_of

SIGNALS = ("SIGINT", "SIGTERM")


@dataclass(slots=True)
class Summary:
    """Counts of one run. ``listed`` is the sum of the seven counts from ``archived`` to ``unavailable``."""

    run_id: str
    windows: int = 0
    archived: int = 0
    """By this run."""
    already_archived: int = 0
    """Before this run, or adopted from the bucket by it."""
    expired: int = 0
    """Among ``already_archived``: deleted since, when their retention was over."""
    quarantined: int = 0
    skipped: int = 0
    pending: int = 0
    failed: int = 0
    unavailable: int = 0
    bytes: int = 0
    """Of audio that was fetched whole, twice where it had to be fetched twice."""
    seconds: float = 0.0
    windows_disagreed: int = 0
    """Windows whose listing failed or did not come to agree with the stated total."""
    rows_unreadable: int = 0
    """Rows from which nothing can be archived."""
    rows_odd: int = 0
    """Rows that are used without a field that cannot be read."""
    vanished: int = 0
    """Open recordings that the source named before and names no longer."""
    unnamed: int = 0
    """Settled recordings that the source has ceased to name, noticed by this run."""
    returned: int = 0
    """Recordings that the source names again."""
    changed: int = 0
    """Rows of known recordings that say something else than before."""
    misfits: int = 0
    """Archived recordings whose audio does not fit the duration that the source has corrected."""
    conflicts: int = 0
    """Puts that met other bytes under their key."""
    links_refreshed: int = 0
    in_flight: int = 0
    """Recordings that were in flight at once, at most."""
    concurrency: int = 0
    """How many could be, at the end: the level that was found, or the number that was given."""
    concurrency_highest: int = 0
    """How many could be, at most."""
    pushed_back: int = 0
    """How often origin or destination asked to be spared (429, 503)."""
    suspect: int = 0
    """Among ``archived``: with warnings."""
    retention_unclear: int = 0
    """Among ``archived``: kept as long as the longest class, because the row lacks what a retention rule asks for."""
    left: int = 0
    """Among ``pending``: for a reason of their own (no audio yet, attempts failed), not because the run was stopped."""
    forgotten: int = 0
    """Open recordings that the source was to keep for 60 days, and that are past them."""
    calls_listed: int = 0
    """Distinct calls that the source named, per window."""
    calls_archived: int = 0
    """Rows of calls, new or changed, that this run has written."""
    call_parts: int = 0
    """Parts of the call log that they were written to."""
    calls_pending: int = 0
    """Rows of calls that are still to be written: by a real run, in a dry one; or that could not be put."""
    calls_unsettled: int = 0
    """Windows whose calls were not listed reliably, or not all archived."""
    copied: int = 0
    """Objects that were copied to the second destination."""
    copies_pending: int = 0
    """Objects known to be still to be copied there."""
    copy_conflicts: int = 0
    """Objects in whose place something else lies there."""
    copies_unfinished: str = ""
    """Why the second destination was not compared to the end; empty where it was, or where there is none."""
    statements: int = 0
    """Days that this run has closed with a statement."""
    amendments: int = 0
    """Amendments to statements that this run has written."""
    periods_pending: int = 0
    """Days that could have been closed, if their statement could have been written."""
    bugs: int = 0
    """Recordings that met an unexpected error."""
    ended_early: ExitCode | None = None
    """Of the error that ended the run early, before its first listing or later: CREDENTIALS, DESTINATION, …"""
    stopped: str = ""
    """``budget``, ``SIGINT``, ``SIGTERM``, or nothing."""

    @property
    def listed(self) -> int:
        """Distinct recordings that the source named in the windows of this run."""
        return (
            self.archived
            + self.already_archived
            + self.quarantined
            + self.skipped
            + self.pending
            + self.failed
            + self.unavailable
        )

    @property
    def uncopied(self) -> bool:
        """True where the second destination may lack something."""
        return bool(self.copies_pending or self.copies_unfinished)

    @property
    def exit_code(self) -> ExitCode:
        """The first that applies, in the order of ``errors.PRECEDENCE``."""
        at_budget = self.stopped == "budget"
        unlisted = self.windows_disagreed or self.calls_unsettled or self.periods_pending
        applies = {
            ExitCode.BUG: self.bugs,
            ExitCode.INTEGRITY: self.conflicts or self.copy_conflicts,
            ExitCode.NEEDS_A_PERSON: self.quarantined
            or self.unavailable
            or self.forgotten
            or self.rows_unreadable
            or self.misfits,
            ExitCode.INCOMPLETE: self.left or self.failed or unlisted or self.vanished or self.uncopied,
            ExitCode.BUDGET: at_budget,
        }
        codes = {code for code, reason in applies.items() if reason}
        codes |= {ExitCode[self.stopped]} if self.stopped in SIGNALS else set()
        codes |= {self.ended_early} if self.ended_early is not None else set()
        codes |= {ExitCode.INCOMPLETE} if self.pending and not at_budget else set()
        return first_of(codes)

    def to_json(self) -> dict[str, Any]:
        """The ``summary`` object of ``archiver run --json``; ``complete`` where the exit code is COMPLETE alone."""
        counts = asdict(self)
        head = {"type": "summary", "run_id": counts.pop("run_id"), "windows": counts.pop("windows")}
        seconds = round(counts.pop("seconds"), 3)
        counts.pop("ended_early")  # the exit code tells it, and the error that is printed
        complete = self.exit_code is ExitCode.COMPLETE
        return {**head, "listed": self.listed, **counts, "seconds": seconds, "complete": complete}

"""The working record of one recording within one run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from archiver.intake import Intake
from archiver.manifest.interface import Entry
from archiver.model import Call, Finding, Link, Recording

NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True, eq=False)
class Job:
    """One recording on its way through a run: what is known of it, and what has been tried."""

    intake: Intake
    """The window that it was listed in."""
    entry: Entry
    recording: Recording | None
    """As listed by this run; None where the source no longer lists it and only the seal is missing."""
    call: Call | None = None
    """The call that it names, where the call log of its window has it."""
    born_stale: bool = False
    """True if its new link looked dead as soon as it was listed: our idea of its deadline is wrong, so it is tried."""
    failures: int = 0
    """Failed attempts in this run."""
    absences: int = 0
    """Links under which the origin had no audio."""
    received: int = 0
    """Bytes of audio that arrived in its last turn."""
    seconds: float = 0.0
    """In transfer so far, without waiting."""
    refusals: int = 0
    """Links that the origin refused, in a row."""
    rejection: tuple[Finding, ...] = ()
    """Why its bytes were rejected when they were fetched before."""

    @property
    def link(self) -> Link | None:
        """The newest link."""
        return self.recording.link if self.recording else None

    @property
    def order(self) -> tuple[datetime, datetime]:
        """Earliest deadline first; among equals the oldest recording, which the source will forget first."""
        deadline = self.link.deadline if self.link else None
        return deadline or NEVER, self.entry.created_at

    def take_link(self, link: Link) -> bool:
        """Go on with a newer link to the same audio; False, and nothing, for a link to other audio."""
        if self.recording is None or (self.link is not None and self.link.public != link.public):
            return False
        self.recording = replace(self.recording, link=link)
        return True

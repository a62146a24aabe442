"""The way of one recording: fetch, probe, judge, put, seal.

The verdict comes before anything is written; ``custody`` holds the order of what follows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from errno import EMFILE, ENFILE

from archiver.custody import Custody, Exhibit
from archiver.errors import SpoolFull, StoreFailed
from archiver.job import Job
from archiver.manifest.interface import Change, Entry
from archiver.model import AudioFacts, Digest, Link, Recording, TransferFacts, Verdict
from archiver.outcomes import FetchAgain, JudgeLater, NeedsLink, Outcome, Retry, Settled, Waiting
from archiver.rules import presign
from archiver.rules.lifecycle import Event, State
from archiver.rules.verdict import Expectation, Level, judge
from archiver.source.interface import AudioGone, Fetched, FetchFailed, LinkExpired, LinkRefused, Source
from archiver.spool import FetchedAudio, Receiver, Spool, TooLarge

MOST_REFUSALS = 5
"""Fresh links in a row that may be refused before that counts as a failed attempt."""

NO_DESCRIPTORS = frozenset({EMFILE, ENFILE})
"""It passes when others have closed theirs, and is no fault of a recording."""
SETTLING = timedelta(days=1)
"""The provider may list a recording before its audio is in place: younger ones are asked for again by the next run."""


@dataclass(slots=True)
class Pipeline:
    """Archives one recording at a time, many concurrently."""

    source: Source
    spool: Spool
    custody: Custody
    tolerance: tuple[float, float]
    level: Level
    shared_paths: set[str] = field(default_factory=set)
    """Audio paths that the source has named for more than one recording of one window, in this run."""
    _in_flight: dict[Digest, str] = field(default_factory=dict)
    """Accepted audio on its way into the bucket, without tags, each with its recording: not in the manifest yet."""

    async def archive(self, job: Job) -> Outcome:
        """Bring one recording as far as it will go.

        Expected trouble is an outcome. Raises DestinationUnusable and ManifestUnusable: no other recording would do
        better.
        """
        try:
            if job.entry.state is State.STORED:
                resumed = await self.custody.resume(job.entry)
                if not isinstance(resumed, Entry):
                    return resumed
                job.entry = resumed  # the audio is not there any more: from the beginning
            if adopted := await self.custody.adopt(job.entry, job.intake.bucket_day):
                return adopted
            if job.recording is None or job.link is None:
                return Waiting("the source has no audio for it yet")
            if not job.born_stale and not presign.is_fresh(job.link.deadline, self.source.server_time()):
                return NeedsLink("its link died in the queue")
            async with self.spool.receive(self._probe) as receiver:
                return await self._transfer(job, job.recording, job.link, receiver)
        except SpoolFull as error:
            return Retry("spool", error.fact, own=False)
        except StoreFailed as error:
            job.entry = await self.custody.current(job.entry)  # its audio may be stored already
            return Retry("store", error.fact, own=False, pushed_back=error.pushed_back)
        except OSError as error:
            if error.errno not in NO_DESCRIPTORS:
                raise
            job.entry = await self.custody.current(job.entry)
            return Retry("machine", f"no file can be opened: {os.strerror(error.errno).lower()}", own=False)

    async def _transfer(self, job: Job, recording: Recording, link: Link, receiver: Receiver) -> Outcome:
        with self.custody.trace.span("fetch"):
            fetched = await self._fetch(job, link, receiver)
        if not isinstance(fetched, TransferFacts):
            return fetched
        audio, facts = receiver.audio(), receiver.facts
        assert facts is not None
        others = await self._same_audio(facts.audio_digest, recording.id)
        verdict = self._judge(recording, link, facts, fetched, others)
        exhibit = Exhibit(recording, audio, fetched, facts, verdict, job.call)
        if not job.intake.complete and any(reason.code == "too_long" for reason in verdict.reasons):
            return JudgeLater()
        if verdict.accepted:
            with self._known_in_flight(facts.audio_digest, recording.id):
                return await self.custody.archive(job.entry, exhibit)
        if not job.rejection:
            job.rejection = verdict.reasons
            return FetchAgain(verdict.reasons)
        return await self.custody.quarantine(job.entry, exhibit)

    async def _same_audio(self, content: Digest | None, recording_id: str) -> tuple[str, ...]:
        """Accepted recordings that have the very same audio: in the manifest, or in flight beside this one."""
        if content is None:
            return ()
        with self.custody.trace.span("manifest"):
            known = await self.custody.manifest.same_content(content, recording_id)
        in_flight = self._in_flight.get(content)
        return tuple(dict.fromkeys([*known, *([in_flight] if in_flight else [])]))

    @contextmanager
    def _known_in_flight(self, content: Digest | None, recording_id: str) -> Iterator[None]:
        if content is None or content in self._in_flight:
            yield
            return
        self._in_flight[content] = recording_id
        try:
            yield
        finally:
            del self._in_flight[content]

    async def _fetch(self, job: Job, link: Link, receiver: Receiver) -> TransferFacts | Outcome:
        try:
            outcome = await self.source.fetch(link, receiver)
        except TooLarge as error:
            return Retry("fetch", str(error), hopeless_now=True, own=False)
        match outcome:
            case Fetched(transfer):
                job.refusals = 0
                job.received = transfer.received
                return transfer
            case FetchFailed(reason, retry_after, outage, pushed_back):
                return Retry("fetch", reason, retry_after, own=not outage, pushed_back=pushed_back)
            case LinkRefused(reason, permanent=True):
                return Retry("fetch", reason, hopeless_now=True, own=False)
            case LinkExpired():
                return self._refused(job, "its link was refused as expired")
            case LinkRefused(reason):
                return self._refused(job, f"its link was refused: {reason}")
            case AudioGone(reason):
                return await self._gone(job, reason)

    def _refused(self, job: Job, reason: str) -> Outcome:
        job.refusals += 1
        if job.refusals < MOST_REFUSALS:
            return NeedsLink(reason)
        return Retry("fetch", f"{reason}, {job.refusals} times in a row", hopeless_now=True)

    async def _gone(self, job: Job, reason: str) -> Outcome:
        """Believed only of a second link, listed for the purpose, and not while the audio may be on its way."""
        job.absences += 1
        if job.absences < 2:
            return NeedsLink(f"its audio is gone ({reason})")
        if self.source.server_time() - job.entry.created_at < SETTLING:
            return Waiting(f"its audio is not there yet ({reason})")
        change = Change(reason=f"the source names it, and its audio is gone ({reason})")
        return Settled(await self.custody.advance(job.entry, Event.SOURCE_GONE, change))

    def _probe(self, audio: FetchedAudio) -> AudioFacts:
        """In the thread that has fetched it."""
        from archiver.audio import probe  # here, since most runs find nothing that is new

        with self.custody.trace.span("verify"), audio.view() as data:
            return probe(data, level=self.level, whole=audio.sha256)

    def _judge(
        self, recording: Recording, link: Link, facts: AudioFacts, transfer: TransferFacts, others: tuple[str, ...]
    ) -> Verdict:
        expectation = Expectation(
            duration=recording.duration.total_seconds() if recording.duration else None,
            tolerance=self.tolerance,
            level=self.level,
            link_shared=link.public in self.shared_paths,
            same_audio_as=others,
        )
        return judge(facts, expectation, transfer)

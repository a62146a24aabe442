"""Bringing judged audio into the bucket, and into the manifest: put and seal, or quarantine, or adopt.

Order of the writes: audio, row ``stored``, sidecar, row ``archived``. Each may be repeated after a crash at any
point, since puts are create-only and equal bytes are adopted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from archiver.clock import Clock
from archiver.keeping import Demand, Keeper
from archiver.manifest.interface import Change, Entry, Manifest
from archiver.model import AudioFacts, Call, Digest, Protection, Recording, StoredObject, TransferFacts, Verdict
from archiver.outcomes import Clash, Settled
from archiver.reporting import UNTRACED, Trace
from archiver.rules import call_facts, keys, sidecar
from archiver.rules.hold import Subject
from archiver.rules.lifecycle import Event, State
from archiver.spool import FetchedAudio
from archiver.store.body import Document
from archiver.store.interface import AlreadyThere, Conflict, Created, PutOutcome, Store
from archiver.tombstones import read_tombstone


@dataclass(frozen=True, slots=True)
class BucketDay:
    """What the bucket held for a day when its window began."""

    sizes: Mapping[str, int]
    """Bytes by key."""
    quarantined: Mapping[str, Sequence[str]]
    """Keys of quarantine documents, by the stem of the recording's keys."""
    tombstones: frozenset[str] = frozenset()
    """Keys of what stays of recordings that were disposed of."""

    @classmethod
    async def read(cls, store: Store, day: date) -> BucketDay:
        """One LIST of the day's recordings, one of its quarantine, one of its tombstones."""
        sizes: dict[str, int] = {}
        quarantined: dict[str, list[str]] = {}
        async for stored in store.list(keys.day_prefix(keys.RECORDINGS, day)):
            sizes[stored.key] = stored.size
        async for stored in store.list(keys.day_prefix(keys.QUARANTINE, day)):
            sizes[stored.key] = stored.size
            if stored.key.endswith(keys.SIDECAR_SUFFIX):
                stem = stored.key.rpartition("/")[2].partition(".")[0]
                quarantined.setdefault(stem, []).append(stored.key)
        buried = [stored.key async for stored in store.list(keys.day_prefix(keys.TOMBSTONES, day))]
        return cls(sizes, quarantined, frozenset(buried))


@dataclass(frozen=True, slots=True)
class Exhibit:
    """Fetched audio with everything that was learnt of it."""

    recording: Recording
    audio: FetchedAudio
    transfer: TransferFacts
    facts: AudioFacts
    verdict: Verdict
    call: Call | None = None
    """The call that the recording names, as the call log has it."""


@dataclass(frozen=True, slots=True)
class Custody:
    """Everything that a run writes of a recording goes through here."""

    store: Store
    manifest: Manifest
    clock: Clock
    run_id: str
    source: str
    software: str
    keeper: Keeper
    trace: Trace = UNTRACED

    async def advance(self, entry: Entry, event: Event, change: Change) -> Entry:
        """The entry after ``event``; if another run was faster, the entry as that one left it."""
        with self.trace.span("manifest"):
            moved = await self.manifest.advance(
                entry.recording_id, entry.state, event, self.clock.now(), self.run_id, change
            )
        return moved or await self.current(entry)

    async def current(self, entry: Entry) -> Entry:
        """The entry as the manifest has it now."""
        return (await self.manifest.entries([entry.recording_id]))[entry.recording_id]

    async def archive(self, entry: Entry, exhibit: Exhibit) -> Settled | Clash:
        """Put accepted audio, note it as stored with the sidecar to come, and seal it."""
        audio = exhibit.audio
        key = keys.audio_key(entry.recording_id, entry.day, exhibit.facts.extension)
        demand = self.keeper.of_recording(exhibit.recording)
        outcome = await self._put_audio(key, exhibit, demand)
        if isinstance(outcome, Conflict):
            return Clash(key)
        kept = demand.kept(outcome.stored)
        change = Change(
            grade=exhibit.verdict.grade.value,
            audio=outcome.stored,
            sha512=audio.sha512,
            content=exhibit.facts.audio_digest,
            length=exhibit.facts.length,
            draft=self._document(exhibit, outcome.stored, kept),
            detail={"reasons": [reason.code for reason in exhibit.verdict.reasons]},
            **demand.columns(outcome.stored),
        )
        sealed = await self.seal(await self.advance(entry, Event.UPLOADED, change))
        if isinstance(sealed, Clash):
            return sealed
        pushed_back = _pushed_back(outcome) or sealed.pushed_back
        return Settled(sealed.entry, (*exhibit.verdict.reasons, *demand.unclear), pushed_back=pushed_back)

    async def seal(self, entry: Entry) -> Settled | Clash:
        """Write the sidecar of stored audio, last."""
        if entry.state is not State.STORED:
            return Settled(entry)  # another run was faster
        if entry.draft is None or entry.audio is None or entry.audio.digest is None:
            raise ValueError(f"recording {entry.recording_id} is stored without a sidecar to seal it with")
        key = keys.sidecar_key(entry.recording_id, entry.day)
        protection = self.keeper.protection(entry.retention, entry.matters)
        put = await self._put_document(key, entry.draft, entry.recording_id, entry.audio.digest, protection)
        if put is None:
            return Clash(key)
        sealed = await self.advance(entry, Event.SEALED, Change(sidecar=put.stored))
        return Settled(sealed, pushed_back=_pushed_back(put))

    async def resume(self, entry: Entry) -> Settled | Clash | Entry:
        """Seal what an earlier run has stored; the entry, discovered again, if its audio is not there any more."""
        held = await self.store.head(entry.audio.key) if entry.audio else None
        if entry.audio is None or held is None or held.digest != entry.audio.digest:
            reason = "its audio is not in the bucket as it was stored"
            return await self.advance(entry, Event.DRIFTED, Change(reason=reason))
        return await self.seal(entry)

    async def quarantine(self, entry: Entry, exhibit: Exhibit) -> Settled | Clash:
        """Put rejected bytes with the document that says why, beside whatever was rejected of it before."""
        verdict, audio = exhibit.verdict, exhibit.audio
        demand = self.keeper.of_quarantine(exhibit.recording)
        key = ""
        for again in ("", audio.sha256.hex[:12]):
            key, document_key = keys.quarantine_keys(entry.recording_id, entry.day, exhibit.facts.extension, again)
            before = await self._seal_at(document_key)
            if before is not None and before.audio.digest != audio.sha256:
                continue  # rejected before with other bytes, which stay as they are
            outcome = await self._put_audio(key, exhibit, demand)
            if isinstance(outcome, Conflict):
                continue
            document = self._document(exhibit, outcome.stored, demand.kept(outcome.stored))
            put = await self._put_document(
                document_key, document, entry.recording_id, audio.sha256, outcome.stored.protection
            )
            if put is None:
                continue
            change = Change(
                reason="; ".join(str(reason) for reason in verdict.reasons),
                grade=verdict.grade.value,
                audio=outcome.stored,
                sha512=audio.sha512,
                content=exhibit.facts.audio_digest,
                length=exhibit.facts.length,
                sidecar=put.stored,
                detail={"reasons": [reason.code for reason in verdict.reasons]},
                **demand.columns(outcome.stored),
            )
            rejected = await self.advance(entry, Event.REJECTED, change)
            return Settled(rejected, verdict.reasons, pushed_back=_pushed_back(outcome) or _pushed_back(put))
        return Clash(key)

    async def adopt(self, entry: Entry, bucket_day: BucketDay) -> Settled | None:
        """Take in what the bucket holds already, moving no audio; None if there is nothing that can be believed.

        Rejected bytes are adopted only where this manifest has never judged the recording: after a requeue it is to
        be fetched again. One that was disposed of is expired, and stays so.
        """
        if keys.tombstone_key(entry.recording_id, entry.day) in bucket_day.tombstones:
            return Settled(await self._bury(entry), adopted=True)
        document_key = keys.sidecar_key(entry.recording_id, entry.day)
        if document_key in bucket_day.sizes and (seal := await self._read_seal(document_key, entry, bucket_day)):
            change = Change(
                grade=seal.grade,
                audio=seal.audio,
                sha512=seal.sha512,
                content=seal.content,
                length=seal.length,
                detail={"adopted": True},
                **await self._held(seal),
            )
            stored = await self.advance(entry, Event.UPLOADED, change)
            if stored.state is State.STORED:
                change = Change(sidecar=seal.document, detail={"adopted": True})
                stored = await self.advance(stored, Event.SEALED, change)
            return Settled(stored, adopted=True)
        if entry.grade is not None:
            return None
        for document_key in bucket_day.quarantined.get(keys.stem(entry.recording_id), ()):
            if seal := await self._read_seal(document_key, entry, bucket_day):
                change = Change(
                    reason="; ".join(seal.reasons),
                    grade=seal.grade,
                    audio=seal.audio,
                    sha512=seal.sha512,
                    content=seal.content,
                    length=seal.length,
                    sidecar=seal.document,
                    detail={"adopted": True, "reasons": list(seal.reasons)},
                    **await self._held(seal),
                )
                return Settled(await self.advance(entry, Event.REJECTED, change), adopted=True)
        return None

    async def _bury(self, entry: Entry) -> Entry:
        """Take it in as what it is: disposed of, and never to be archived again."""
        tombstone = await read_tombstone(self.store, entry.recording_id, entry.day)
        if tombstone is None:
            return entry
        change = Change(reason=tombstone.reason, detail={"adopted": True, "plan": str(tombstone.plan)})
        for event in (Event.UPLOADED, Event.SEALED, Event.EXPIRED):
            entry = await self.advance(entry, event, change)
        return entry

    async def _held(self, seal: sidecar.Seal) -> dict[str, Any]:
        """Columns of what holds adopted audio, after every open matter that covers it has taken hold of it."""
        matters = self.keeper.matters(Subject(seal.recording_id, seal.created_at, seal.duration, seal.row))
        for key in (seal.audio.key, seal.document.key) if matters else ():
            await self.store.hold(key, None, on=True)
        columns: dict[str, Any] = {"matters": matters}
        if seal.kept is not None:
            columns |= {"retention": seal.kept.retention, "retention_class": seal.kept.retention_class}
        return columns

    async def _put_audio(self, key: str, exhibit: Exhibit, demand: Demand) -> PutOutcome:
        retention = demand.assignment.retention if demand.assignment else None
        protection = self.keeper.protection(retention, demand.matters)
        with self.trace.span("put"):
            return await self.store.put_new(
                key, exhibit.audio, exhibit.audio.sha256, exhibit.facts.mediatype, protection
            )

    async def _put_document(
        self, key: str, content: bytes, recording_id: str, audio_digest: Digest, protection: Protection | None
    ) -> Created | AlreadyThere | None:
        """Put the sidecar; None if the key holds something that does not speak of this audio.

        One written by another run differs in run id and time, and seals the same audio just as well.
        """
        document = Document(content)
        with self.trace.span("seal"):
            outcome = await self.store.put_new(key, document, document.digest, sidecar.MEDIATYPE, protection)
        if not isinstance(outcome, Conflict):
            return outcome
        seal = await self._seal_at(key)
        same = seal is not None and seal.recording_id == recording_id and seal.audio.digest == audio_digest
        return AlreadyThere(outcome.stored) if same else None

    async def _read_seal(self, key: str, entry: Entry, bucket_day: BucketDay) -> sidecar.Seal | None:
        """What a sidecar says, if it speaks of this recording and its audio lies there in the size that it states.

        Of audio that this manifest has had before, the digest has to agree as well: an audit may have doubted it.
        """
        seal = await self._seal_at(key)
        if seal is None or seal.recording_id != entry.recording_id:
            return None
        if bucket_day.sizes.get(seal.audio.key) != seal.audio.size:
            return None
        if entry.audio is not None:
            held = await self.store.head(seal.audio.key)
            return seal if held is not None and held.digest == seal.audio.digest else None
        return seal

    async def _seal_at(self, key: str) -> sidecar.Seal | None:
        content = await self.store.read(key, sidecar.SIZE_LIMIT)
        if content is None:
            return None
        try:
            return sidecar.read(key, content)
        except ValueError:
            return None  # not ours, or damaged: it vouches for nothing

    def _document(self, exhibit: Exhibit, stored: StoredObject, kept: sidecar.Kept | None) -> bytes:
        return sidecar.build(
            exhibit.recording,
            stored,
            exhibit.audio.sha512,
            exhibit.transfer,
            exhibit.facts,
            exhibit.verdict,
            sidecar.Provenance(self.run_id, self.clock.now(), self.source, self.software),
            kept=kept,
            call=call_facts.by_key(exhibit.call, exhibit.recording.row) if exhibit.call else None,
        )


def _pushed_back(put: PutOutcome) -> bool:
    return isinstance(put, Created) and put.pushed_back

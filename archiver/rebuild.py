"""From the bucket's sidecars to a manifest: rebuild it where it was lost, or check that both say the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date

import anyio

from archiver.calls import inspection as calls
from archiver.calls.log import survey
from archiver.clock import Clock
from archiver.errors import ExitCode, StoreFailed
from archiver.keeping import Keeper
from archiver.manifest.interface import Entry, Manifest
from archiver.model import StoredObject
from archiver.periods.restoration import check_periods, restore_periods
from archiver.rules import disposal, keys, sidecar
from archiver.rules.audit import Kind
from archiver.rules.hold import Subject
from archiver.rules.lifecycle import State
from archiver.store.interface import Store
from archiver.tombstones import tombstone_in

AT_ONCE = 32
"""Sidecars read concurrently."""
BATCH = 500


@dataclass(slots=True)
class Findings:
    """What a rebuild or a check came to."""

    sidecars: int = 0
    restored: int = 0
    known: int = 0
    expired: int = 0
    """Recordings restored from their tombstones."""
    problems: list[str] = field(default_factory=list)
    """A sentence each."""

    @property
    def exit_code(self) -> ExitCode:
        """INTEGRITY if there is a problem."""
        return ExitCode.INTEGRITY if self.problems else ExitCode.COMPLETE


async def rebuild(store: Store, manifest: Manifest, clock: Clock, keeper: Keeper) -> Findings:
    """Take every sealed recording into the manifest that it does not know. Changes nothing in the bucket.

    Amendments are not read: of what they tell, the manifest holds matters, which ``keeper`` knows, and retention,
    which the store is asked for before anything depends on it.
    """
    findings = Findings()
    async for seals in _seals(store, findings):
        for seal in seals:
            if await manifest.restore(entry_of(seal, keeper), seal.row, clock.now(), None):
                findings.restored += 1
            else:
                findings.known += 1
    await _bury(store, manifest, clock, findings)
    try:
        async for call_day in survey(store):
            await manifest.note_call_day(clock.now(), call_day)
        findings.problems += await restore_periods(store, manifest, clock)
    except StoreFailed as error:
        findings.problems.append(error.fact)
    return findings


async def _bury(store: Store, manifest: Manifest, clock: Clock, findings: Findings) -> None:
    """What was disposed of stays expired: it must not be archived again because a manifest was lost."""
    async for stored in store.list(f"{keys.TOMBSTONES}/"):
        try:
            tombstone = tombstone_in(stored.key, await store.read(stored.key, disposal.SIZE_LIMIT) or b"")
        except StoreFailed as error:
            findings.problems.append(error.fact)
            continue
        entry = Entry(
            recording_id=tombstone.recording_id,
            created_at=tombstone.created_at,
            duration=None,
            state=State.EXPIRED,
            attempts=0,
            reason=tombstone.reason,
            retention_class=tombstone.retention_class,
        )
        findings.expired += await manifest.restore(entry, {}, clock.now(), None)


async def check(store: Store, manifest: Manifest) -> Findings:
    """Hold bucket and manifest against each other, both ways. Changes nothing."""
    findings = Findings()
    seen: set[str] = set()
    async for seals in _seals(store, findings, seen):
        entries = await manifest.entries([seal.recording_id for seal in seals])
        for seal in seals:
            entry = entries.get(seal.recording_id)
            # One that was requeued after its quarantine may stand anywhere: its old bytes stay where they are.
            if entry is None:
                findings.problems.append(f"{seal.document.key}: the manifest does not know it")
            elif seal.outcome == "archived" and (entry.state is not State.ARCHIVED or entry.audio is None):
                findings.problems.append(f"{seal.document.key}: sealed, but {entry.state} in the manifest")
            elif seal.outcome == "archived" and entry.audio is not None and entry.audio.digest != seal.audio.digest:
                findings.problems.append(f"{seal.document.key}: its digest is not the manifest's")
            else:
                findings.known += 1
    async for entry in manifest.select([State.ARCHIVED, State.QUARANTINED]):
        if entry.sidecar is not None and entry.sidecar.key not in seen:
            findings.problems.append(f"{entry.sidecar.key}: {entry.state} in the manifest, not readable in the bucket")
    await _check_calls(store, manifest, findings)
    findings.problems += await check_periods(store, manifest)
    return findings


async def _check_calls(store: Store, manifest: Manifest, findings: Findings) -> None:
    known = {call_day.day: call_day for call_day in await manifest.call_days()}
    held: dict[date, calls.Parts] = {day: {} for day in known}
    try:
        held |= {day: parts async for day, parts in calls.days(store)}
        for day, parts in sorted(held.items()):
            found = await calls.inspect(store, known.get(day), day, parts, read=True)
            findings.problems += [
                f"{each.key}: {each.reason}" for each in found if each.kind is not Kind.VERSION_DIFFERS
            ]
    except StoreFailed as error:
        findings.problems.append(error.fact)


def entry_of(seal: sidecar.Seal, keeper: Keeper) -> Entry:
    """The manifest entry that a sidecar vouches for."""
    subject = Subject(seal.recording_id, seal.created_at, seal.duration, seal.row)
    return Entry(
        recording_id=seal.recording_id,
        created_at=seal.created_at,
        duration=seal.duration,
        state=State.ARCHIVED if seal.outcome == "archived" else State.QUARANTINED,
        attempts=0,
        reason="; ".join(seal.reasons) if seal.outcome != "archived" else "",
        grade=seal.grade,
        audio=seal.audio,
        sha512=seal.sha512,
        content=seal.content,
        length=seal.length,
        sidecar=seal.document,
        retention=seal.kept.retention if seal.kept else None,
        retention_class=seal.kept.retention_class if seal.kept else None,
        matters=keeper.matters(subject),
    )


async def _seals(store: Store, findings: Findings, seen: set[str] | None = None) -> AsyncIterator[list[sidecar.Seal]]:
    """Every readable sidecar in the bucket, in batches: recordings first, since a recording may be quarantined too.

    Keys of all sidecars are added to ``seen``, the unreadable ones as well.
    """
    for area in (keys.RECORDINGS, keys.QUARANTINE):
        sizes: dict[str, int] = {}
        documents: list[StoredObject] = []
        stem = ""
        async for stored in store.list(f"{area}/"):
            if len(documents) >= BATCH and not stored.key.startswith(stem):
                yield await _read(store, documents, sizes, findings)
                documents, sizes = [], {}
            stem = stored.key.partition(".")[0] + "."  # what belongs together stays in one batch
            if stored.key.endswith(keys.SIDECAR_SUFFIX):
                documents.append(stored)
                if seen is not None:
                    seen.add(stored.key)
            else:
                sizes[stored.key] = stored.size
        yield await _read(store, documents, sizes, findings)


def _alone(key: str) -> str:
    """What to say of an object without a sidecar."""
    if keys.amendment_of(key) is not None:
        return "an amendment without the sidecar that it amends"
    return "audio without a sidecar; the next run that lists it seals it"


async def _read(
    store: Store, documents: Sequence[StoredObject], sizes: dict[str, int], findings: Findings
) -> list[sidecar.Seal]:
    """Sidecars whose audio lies beside them, in the size they state."""
    seals: dict[str, sidecar.Seal] = {}
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def read(key: str) -> None:
        async with limit:
            try:
                seals[key] = sidecar.read(key, await store.read(key, sidecar.SIZE_LIMIT) or b"")
            except (ValueError, StoreFailed) as error:
                findings.problems.append(f"{key}: {error}")

    async with anyio.create_task_group() as tasks:
        for document in documents:
            tasks.start_soon(read, document.key)
    findings.sidecars += len(documents)
    stems = {document.key.partition(".")[0] for document in documents}
    orphans = sorted(key for key in sizes if key.partition(".")[0] not in stems)
    findings.problems += [f"{key}: {_alone(key)}" for key in orphans]
    whole = []
    for key in sorted(seals):
        if sizes.get(seals[key].audio.key) == seals[key].audio.size:
            whole.append(seals[key])
        else:
            findings.problems.append(f"{key}: its audio is not there in the size that it states")
    return whole

"""Deletes what is past its retention and under no hold: planned first, then done as it was reviewed, one by one.

For each recording: checked again, tombstone put, versions deleted, row ``expired``. The tombstone comes before the
first deletion: a disposal that was cut anywhere is finished by the same plan, and the recording returns by no way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from typing import Any

from archiver.caretaker import keys_of, subject_of
from archiver.clock import Clock
from archiver.copy_disposal import Gone
from archiver.errors import DestinationUnusable, StoreFailed
from archiver.keeping import Keeper
from archiver.manifest.copy_book import Copy, CopyState
from archiver.manifest.interface import Change, Entry, Manifest
from archiver.matters import read_orders
from archiver.model import Row
from archiver.rules import disposal, keys
from archiver.rules.disposal import Doomed, Piece, Plan, Tombstone, kept_until
from archiver.rules.lifecycle import Event, State
from archiver.store.body import Document
from archiver.store.interface import Conflict, Refused, Store
from archiver.tombstones import read_tombstone

CREDENTIALS = "use credentials with s3:DeleteObjectVersion: `archiver doctor --policy disposal` prints them"


@dataclass(slots=True)
class Done:
    """What became of a plan's recordings."""

    disposed: list[Tombstone] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    """Recording ids with the reason why they were not deleted."""


@dataclass(slots=True)
class Disposal:
    """Plans, and carries out. Never bypasses a lock; credentials decide what else it may."""

    store: Store
    manifest: Manifest
    keeper: Keeper
    clock: Clock
    run_id: str
    software: str
    tell: Callable[..., None]
    """Takes events as ``Reporter.event`` does."""
    copied: bool = False
    """True if a second destination has copies: the manifest is told of each that has to go there as well."""
    _day: date | None = None
    _rows: Mapping[str, Row] = field(default_factory=dict)

    async def plan(self) -> Plan:
        """Every archived recording whose time is over, that nothing holds. Changes nothing."""
        doomed: list[Doomed] = []
        for day in sorted(await self.manifest.days()):
            async for entry, row in self.manifest.kept(day):
                if entry.state is State.ARCHIVED and not self._reason_to_keep(entry, row):
                    pieces = await self._pieces(entry)
                    if not await self._protected(pieces):
                        doomed.append(self._doomed(entry, row, pieces))
        return Plan(self.store.location, self.clock.now(), self.software, tuple(doomed))

    async def carry_out(self, plan: Plan) -> Done:
        """Delete what the plan names and nothing else; each recording is judged anew.

        Raises DestinationUnusable where the credentials may not delete. May be repeated with the same plan.
        """
        done = Done()
        for each in plan.recordings:
            try:
                tombstone = await self._dispose(each, plan)
            except StoreFailed as error:
                tombstone = error.fact
            if isinstance(tombstone, str):
                done.kept.append((each.recording_id, tombstone))
                self.tell("kept", recording_id=each.recording_id, reason=tombstone)
            else:
                done.disposed.append(tombstone)
                self.tell("disposed", recording_id=each.recording_id, objects=len(each.pieces))
        return done

    async def _dispose(self, doomed: Doomed, plan: Plan) -> Tombstone | str:
        """The tombstone, or why the recording stays."""
        entry = (await self.manifest.entries([doomed.recording_id])).get(doomed.recording_id)
        if entry is None:
            return "the manifest does not know it"
        standing = await read_tombstone(self.store, entry.recording_id, entry.day)
        if entry.state is State.EXPIRED and standing is not None:  # by this plan before; or it was met again meanwhile
            await self._let_go(standing)
            return await self._clear(standing) or standing
        if entry.state is not State.ARCHIVED:
            return f"it is {entry.state} in the manifest"
        self.keeper.orders = await read_orders(self.store)
        if reason := self._reason_to_keep(entry, await self._row(entry)):
            return reason
        pieces = await self._pieces(entry)
        planned = {piece.name for piece in doomed.pieces}
        found = {piece.name for piece in pieces}
        if found != planned and (standing is None or not found <= planned):
            return "its objects are not those that the plan names"
        if reason := await self._protected(pieces):
            return reason
        tombstone = standing or await self._bury(entry, doomed, plan)
        await self._let_go(tombstone)
        if reason := await self._clear(tombstone):
            return reason
        change = Change(reason=tombstone.reason, matters=(), detail={"plan": str(plan.digest)})
        now = self.clock.now()
        await self.manifest.advance(entry.recording_id, State.ARCHIVED, Event.EXPIRED, now, self.run_id, change)
        return tombstone

    async def _let_go(self, tombstone: Tombstone) -> None:
        """Before anything is deleted, so that whatever cuts this short the copies are not forgotten."""
        if self.copied:
            known = await self.manifest.copies.known(tombstone.keys)
            sizes = {piece.key: piece.size for piece in tombstone.pieces}
            marked = [
                replace(known.get(key) or Copy(key, size, CopyState.LEAVING), state=CopyState.LEAVING, reason="")
                for key, size in sizes.items()
            ]
            await self.manifest.copies.note(self.clock.now(), marked)

    async def _clear(self, tombstone: Tombstone) -> str:
        """Delete what the tombstone names and is still there; why something stays, or nothing."""
        for key in tombstone.keys:
            named = {piece.name for piece in tombstone.pieces}
            for version in await self.store.versions(key):
                if (key, version.version_id) in named and (reason := await self._delete(key, version.version_id)):
                    return reason
            if await self.store.versions(key):
                return f"there are versions of {key} after their deletion"
        return ""

    async def _bury(self, entry: Entry, doomed: Doomed, plan: Plan) -> Tombstone:
        tombstone = Tombstone(
            recording_id=entry.recording_id,
            created_at=entry.created_at,
            disposed_at=self.clock.now(),
            reason=doomed.why,
            retention_class=doomed.retention_class,
            retain_until=datetime.fromisoformat(doomed.retain_until),
            plan=plan.digest,
            pieces=doomed.pieces,
            software=self.software,
        )
        document = Document(disposal.tombstone_bytes(tombstone))
        key = keys.tombstone_key(entry.recording_id, entry.day)
        outcome = await self.store.put_new(key, document, document.digest, disposal.MEDIATYPE)
        if isinstance(outcome, Conflict):
            raise StoreFailed(f"{key} holds something else than this tombstone: nothing was deleted")
        return tombstone

    async def _delete(self, key: str, version_id: str | None) -> str:
        """Why it is still there; empty if it is gone."""
        outcome = await self.store.delete_version(key, version_id)
        if not isinstance(outcome, Refused):
            return ""
        if outcome.protection is not None and outcome.protection.forbids_deletion(self.clock.now()):
            return f"{key} has been locked or held since it was looked at"
        raise DestinationUnusable(f"the store refuses to delete {key}, which nothing locks", CREDENTIALS)

    def _reason_to_keep(self, entry: Entry, row: Row) -> str:
        subject = subject_of(entry, row)
        if matters := sorted({*self.keeper.matters(subject), *entry.matters}):
            return f"held for {', '.join(matters)}"
        assignment = self.keeper.assignment(subject)
        if assignment is None:
            return "no retention policy says that its time is over"
        until = kept_until(entry.retention, assignment.retention)
        return f"kept until {until.isoformat()}" if until > self.clock.now() else ""

    async def _protected(self, pieces: Sequence[Piece]) -> str:
        """Why the store itself would keep one of them; empty if it would not."""
        for piece in pieces:
            if piece.deletion:
                continue
            held = await self.store.protection(piece.key, piece.version_id)
            if held is not None and held.legal_hold:
                return f"{piece.key} is under a legal hold"
            if held is not None and held.forbids_deletion(self.clock.now()):
                return f"{piece.key} is locked"
        return ""

    async def _pieces(self, entry: Entry) -> tuple[Piece, ...]:
        """Every version of everything that belongs to it: audio first, so that a sidecar never outlives nothing."""
        known = {
            (stored.key, stored.version_id): stored.digest
            for stored in (entry.audio, entry.sidecar)
            if stored is not None
        }
        found: list[Piece] = []
        for key in await keys_of(self.store, entry):
            for version in await self.store.versions(key):
                digest = known.get((key, version.version_id))
                if digest is None and not version.deletion and keys.amendment_of(key) is not None:
                    held = await self.store.head(key)
                    digest = held.digest if held is not None and held.version_id == version.version_id else None
                sha256 = None if digest is None else digest.hex
                found.append(Piece(key, version.version_id, version.size, sha256, version.deletion))
        return tuple(found)

    def _doomed(self, entry: Entry, row: Row, pieces: tuple[Piece, ...]) -> Doomed:
        assignment = self.keeper.assignment(subject_of(entry, row))
        assert assignment is not None
        until = kept_until(entry.retention, assignment.retention)
        return Doomed(
            recording_id=entry.recording_id,
            created_at=entry.created_at.isoformat(),
            retention_class=assignment.retention_class,
            retain_until=until.isoformat(),
            why=f"retention class {assignment.retention_class}: over since {until.isoformat()}",
            pieces=pieces,
        )

    async def _row(self, entry: Entry) -> Row:
        """The manifest is held meanwhile: no row changes. A plan goes day by day, so that one day is kept."""
        if self._day != entry.day:
            self._rows = {known.recording_id: row async for known, row in self.manifest.kept(entry.day)}
            self._day = entry.day
        return self._rows.get(entry.recording_id, {})


def certificate(plan: Plan, done: Done, ended: datetime, software: str, copies: Gone | None = None) -> dict[str, Any]:
    """What was done, for the file: JSON values, no personal data. ``copies``: of the second destination."""
    return {
        "schema_version": disposal.SCHEMA_VERSION,
        "type": "disposal certificate",
        "destination": plan.destination,
        "plan": str(plan.digest),
        "plan_made_at": plan.made_at.isoformat(),
        "ended_at": ended.isoformat(),
        "software": software,
        "second_destination": None if copies is None else asdict(copies),
        "disposed": [
            {
                "recording_id": each.recording_id,
                "class": each.retention_class,
                "retain_until": each.retain_until.isoformat(),
                "disposed_at": each.disposed_at.isoformat(),
                "objects": [{"key": piece.key, "sha256": piece.sha256, "size": piece.size} for piece in each.pieces],
                "tombstone": keys.tombstone_key(each.recording_id, each.created_at.date()),
            }
            for each in done.disposed
        ],
        "kept": [{"recording_id": recording_id, "reason": reason} for recording_id, reason in done.kept],
    }

"""Brings what lies in the bucket under what holds it now: matters that were opened or released, policies that grew.

Bits and locks first, then the amendment that tells of it, then the manifest: whatever is cut short is seen as undone
by the next attempt, and every step may be repeated.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date

import anyio

from archiver.amendments import Amender, Amendments
from archiver.errors import ArchiverError, DestinationUnusable, StoreFailed
from archiver.keeping import Keeper, day_retention
from archiver.manifest.interface import Entry, Manifest
from archiver.model import Retention, Row
from archiver.rules import keys
from archiver.rules.amendment import Kind
from archiver.rules.hold import Order, Subject
from archiver.rules.lifecycle import State
from archiver.store.interface import Store

AT_ONCE = 16
"""Recordings that are brought under it concurrently."""
IN_THE_BUCKET = (State.STORED, State.ARCHIVED, State.QUARANTINED)


@dataclass(slots=True)
class Tally:
    """What came of it, in recordings (of ``documents``: objects)."""

    matched: int = 0
    """That the order selects, or that the policy has a class for."""
    changed: int = 0
    documents: int = 0
    """Call logs and statements whose retention was extended."""
    problems: list[str] = field(default_factory=list)
    """A sentence each: what could not be done, and is to be tried again."""


@dataclass(slots=True)
class Caretaker:
    """Works through the manifest, a day at a time. Trouble with one recording is noted and does not stop the rest."""

    store: Store
    manifest: Manifest
    keeper: Keeper
    amender: Amender
    tell: Callable[..., None]
    """Takes events as ``Reporter.event`` does."""
    copies: Sequence[Store] = ()
    """Second destinations: brought along, after the first. What fails there is to be tried again."""

    async def apply_holds(self, order: Order | None = None) -> Tally:
        """Let every recording be held by the matters that cover it, and by no other.

        What ``order`` selects is looked at in the bucket; of the rest, what the manifest says otherwise.
        """
        tally = Tally()

        async def bring(entry: Entry, row: Row) -> bool:
            subject = subject_of(entry, row)
            wanted = self.keeper.matters(subject)
            selected = order is not None and order.selector.matches(subject)
            tally.matched += selected
            if not selected and wanted == entry.matters:
                return False
            changed = await self._set_hold(entry, on=bool(wanted))
            if wanted == entry.matters and not changed:
                return False
            await self._tell(entry, Kind.HOLD, {"matters": list(wanted)})
            await self.manifest.note_kept(entry.recording_id, matters=wanted)
            self.tell("hold", recording_id=entry.recording_id, matters=list(wanted))
            return True

        await self._each(bring, tally, order)
        return tally

    async def extend(self) -> Tally:
        """Let every recording be locked as long as the policy says now, where that is longer than it is."""
        tally = Tally()

        async def bring(entry: Entry, row: Row) -> bool:
            if entry.state is State.QUARANTINED:
                policy = self.keeper.policy
                assignment = policy.of_quarantine(entry.created_at) if policy else None
            else:
                assignment = self.keeper.assignment(subject_of(entry, row))
            if assignment is None or self.keeper.protection(assignment.retention, ()) is None:
                return False
            tally.matched += 1
            held = entry.retention
            if held is not None and assignment.retention.joined(held) == held:
                return False
            held = await self._extend(entry, assignment.retention)
            if held is None:
                return False
            facts = {
                "class": assignment.retention_class,
                "mode": held.mode.value,
                "retain_until": held.until.isoformat(),
            }
            await self._tell(entry, Kind.RETENTION, facts)
            await self.manifest.note_kept(
                entry.recording_id, retention=held, retention_class=assignment.retention_class
            )
            self.tell("extended", recording_id=entry.recording_id, **facts)
            return True

        await self._each(bring, tally, None)
        await self._extend_documents(tally)
        return tally

    async def _each(self, bring: Callable[[Entry, Row], Awaitable[bool]], tally: Tally, order: Order | None) -> None:
        limit = anyio.CapacityLimiter(AT_ONCE)

        async def one(entry: Entry, row: Row) -> None:
            async with limit:
                try:
                    changed = await bring(entry, row)  # first: a sum that is read before the wait loses the others'
                    tally.changed += changed
                except StoreFailed as error:
                    tally.problems.append(f"{entry.recording_id}: {error.fact}")

        for day in await self._days(order):
            async with anyio.create_task_group() as tasks:
                async for entry, row in self.manifest.kept(day):
                    if entry.state in IN_THE_BUCKET and entry.audio is not None:
                        tasks.start_soon(one, entry, row)

    async def _days(self, order: Order | None) -> list[date]:
        """Those that an order can select from; all without one."""
        days = sorted(await self.manifest.days())
        if order is None:
            return days
        first, last = order.selector.first, order.selector.last
        return [day for day in days if (first is None or day >= first) and (last is None or day <= last)]

    async def _versions(self, entry: Entry) -> AsyncIterator[tuple[Store, str, str | None]]:
        """Of everything that belongs to it, in the first place and then in the others."""
        belongings = await keys_of(self.store, entry)
        for store in (self.store, *self.copies):
            with _a_copy(store) if store is not self.store else nullcontext():
                for key in belongings:
                    for version in await store.versions(key):
                        if not version.deletion:
                            yield store, key, version.version_id

    async def _set_hold(self, entry: Entry, *, on: bool) -> bool:
        """True if a version was not as it should be."""
        changed = False
        async for store, key, version_id in self._versions(entry):
            with _a_copy(store) if store is not self.store else nullcontext():
                held = await store.protection(key, version_id)
                if held is not None and held.legal_hold is not on:
                    changed |= await store.hold(key, version_id, on=on)
        return changed

    async def _extend(self, entry: Entry, wanted: Retention) -> Retention | None:
        """What holds them all then: the least of them."""
        found: list[Retention] = []
        async for store, key, version_id in self._versions(entry):
            with _a_copy(store) if store is not self.store else nullcontext():
                held = await store.extend(key, version_id, wanted)
                found += [held] if held is not None else []
        return min(found, key=lambda each: each.until, default=None)

    async def _tell(self, entry: Entry, kind: Kind, facts: Mapping[str, object]) -> None:
        """An amendment beside the sidecar, unless the last one of its kind says so."""
        if entry.state is not State.ARCHIVED:
            return  # nothing is sealed: the document to come says it, or its quarantine does

        def is_said(known: Amendments) -> bool:
            last = known.latest(kind)
            return last.facts == facts if last is not None else facts == {"matters": []}

        await self.amender.amend(entry, kind, facts, is_said)

    async def _extend_documents(self, tally: Tally) -> None:
        """Call logs and statements: as long as the longest of their day."""
        if self.keeper.policy is None:
            return
        for day in sorted(await self.manifest.days()):
            wanted = await day_retention(self.keeper.policy, self.manifest, day)
            if self.keeper.protection(wanted, ()) is None:
                continue
            async for key in day_documents(self.store, day):
                before = await self.store.protection(key)
                if before is None or (before.retention and wanted.joined(before.retention) == before.retention):
                    continue
                try:
                    for version in await self.store.versions(key):
                        await self.store.extend(key, version.version_id, wanted)
                    tally.documents += 1
                except ArchiverError as error:
                    tally.problems.append(f"{key}: {error.fact}")


@contextmanager
def _a_copy(store: Store) -> Iterator[None]:
    """Trouble with a second destination concerns the recording at hand, whatever it is: the first goes on."""
    try:
        yield
    except DestinationUnusable as error:
        raise StoreFailed(f"its copy in {store.location}: {error.fact}", error.hint) from None


async def keys_of(store: Store, entry: Entry) -> list[str]:
    """Everything in the bucket that belongs to a recording: audio, sidecar, amendments."""
    found = [stored.key for stored in (entry.audio, entry.sidecar) if stored is not None]
    if entry.state is not State.QUARANTINED:
        found += [stored.key async for stored in store.list(keys.amendment_prefix(entry.recording_id, entry.day))]
    return found


async def day_documents(store: Store, day: date) -> AsyncIterator[str]:
    """Keys of what speaks of a whole day."""
    for area in keys.DAY_AREAS:
        async for stored in store.list(keys.day_prefix(area, day)):
            yield stored.key


def subject_of(entry: Entry, row: Row) -> Subject:
    """As holds and retention look at it."""
    return Subject(entry.recording_id, entry.created_at, entry.duration, row)

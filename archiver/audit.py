"""Bucket against manifest, both ways. Finds drift and corruption; deletes and overwrites nothing.

Both are walked side by side in the order of object keys, a day at a time: neither is ever held as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import anyio
from anyio.abc import TaskGroup

from archiver.calls import inspection as calls
from archiver.clock import Clock
from archiver.errors import ArchiverError, DestinationUnusable, ExitCode, StoreFailed
from archiver.inspection import Inspected, Inspector, expected_of, lost_its_sidecar_alone, strays
from archiver.manifest.copy_book import Copy, CopyState
from archiver.manifest.interface import CallDay, Change, Entry, Manifest
from archiver.reporting import Reporter
from archiver.reseal import Resealer
from archiver.rules import audit, keys, sidecar
from archiver.rules.audit import Difference, Kind, Share
from archiver.rules.lifecycle import Event
from archiver.store.interface import KeyHistory, Store

AT_ONCE = 32
"""Recordings inspected concurrently."""
PROBES = f"{keys.PROBES}/"
NOT_COPIED = Copy("", 0, CopyState.PENDING)
NOT_EXPECTED = (CopyState.PENDING, CopyState.LEAVING)
CANNOT_MEND = (
    "nothing is ever written over a key: bring the right version back or remove the object, then archiver requeue"
)


@dataclass(frozen=True, slots=True)
class Order:
    """What an audit is asked to do."""

    run_id: str
    share: Share = field(default_factory=Share)
    deep: bool = False
    """Read the audio instead of believing stored checksums."""
    dry_run: bool = False
    """Change no recording's state."""
    second: bool = False
    """Of the second destination: of what is known to be copied. What is found there changes no recording's state."""

    @property
    def only_tells(self) -> bool:
        """True if it changes nothing that the manifest knows."""
        return self.dry_run or self.second

    def to_json(self) -> dict[str, Any]:
        """As the summary states it."""
        share = self.share
        return {
            "run_id": self.run_id,
            "sample": share.sample,
            "seed": share.seed,
            "shard": f"{share.shard}/{share.shards}",
            "deep": self.deep,
            "dry_run": self.dry_run,
            "destination": "second" if self.second else "first",
        }


@dataclass(slots=True)
class Tally:
    """What it came to."""

    recordings: int = 0
    """That the manifest has audio of, in this shard."""
    objects: int = 0
    """In the bucket, in this shard."""
    read: int = 0
    """Recordings whose digests were compared."""
    findings: Counter[Kind] = field(default_factory=Counter)
    drifted: dict[str, date] = field(default_factory=dict)
    """Recordings to be fetched again, with their days."""
    unsealed: dict[str, date] = field(default_factory=dict)
    """Recordings whose new sidecar is drafted, with their days: the next run writes it."""
    call_days: list[date] = field(default_factory=list)
    """Days whose call log differs."""
    corrupted: int = 0
    period_flaws: int = 0
    """In statements of closed days; only the first shard looks at them."""
    unreadable: int = 0
    """Objects that the store did not hand out."""
    versions_unknown: bool = False
    """True where the store would not tell its versions."""
    stopped: str = ""
    """``SIGINT`` or ``SIGTERM``: not everything was looked at."""
    whole_before: date | None = None
    """Of an audit that was stopped: the days before this one were looked at as a whole; None: no day was."""

    @property
    def exit_code(self) -> ExitCode:
        """That of the signal that stopped it; else findings first, then what could not be looked at."""
        if self.stopped:
            return ExitCode[self.stopped]
        if self.findings or self.period_flaws:
            return ExitCode.INTEGRITY
        return ExitCode.INCOMPLETE if self.unreadable else ExitCode.COMPLETE

    def to_json(self) -> dict[str, Any]:
        """Counts, each kind of finding by its name."""
        return {
            "recordings": self.recordings,
            "objects": self.objects,
            "read": self.read,
            **{kind.value: self.findings[kind] for kind in Kind},
            "drifted": len(self.drifted),
            "unsealed": len(self.unsealed),
            "corrupted": self.corrupted,
            "call_days_differ": len(self.call_days),
            "period_flaws": self.period_flaws,
            "unreadable": self.unreadable,
            "versions_unknown": self.versions_unknown,
            "stopped": self.stopped,
            "whole_before": self.whole_before and self.whole_before.isoformat(),
        }


class Groups:
    """The keys of one area in key order, those of one recording together; only what the shard covers."""

    def __init__(self, store: Store, area: str, share: Share, tally: Tally) -> None:
        self._listing = store.history(f"{area}/")
        self._share = share
        self._tally = tally
        self._next: KeyHistory | None = None
        self.seen = False
        """True once the area has proved not to be empty."""
        self.name = ""
        self.objects: dict[str, KeyHistory] = {}
        """The group at hand; empty at the end."""

    async def advance(self) -> None:
        """Go on to the next group."""
        self.name, self.objects = "", {}
        while (history := self._next or await anext(self._listing, None)) is not None:
            self._next, self.seen = None, True
            name = audit.group_of(history.key)
            if self.objects and name != self.name:
                self._next = history
                return
            if self._share.covers(audit.stem_of(history.key)):
                self.name = name
                self.objects[history.key] = history
                self._tally.objects += history.current is not None
                self._tally.versions_unknown |= history.versions is None

    def is_before(self, name: str) -> bool:
        """True if the group at hand comes before the one of that name."""
        return bool(self.objects) and audit.order_of(self.name) < audit.order_of(name)


@dataclass(slots=True)
class Audit:
    """One audit. Use once."""

    order: Order
    store: Store
    manifest: Manifest
    resealer: Resealer
    clock: Clock
    reporter: Reporter
    tally: Tally = field(default_factory=Tally)
    _groups: dict[str, Groups] = field(init=False)
    _room: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(AT_ONCE))
    _working: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _day: date | None = None
    """The day whose recordings are being looked at."""
    _under_way: dict[str, date] = field(default_factory=dict)
    """Days of the recordings that are being inspected, by id."""

    def __post_init__(self) -> None:
        share = self.order.share
        self._groups = {
            area: Groups(self.store, area, share, self.tally) for area in (keys.QUARANTINE, keys.RECORDINGS)
        }

    async def perform(self) -> Tally:
        """Do it. Raises DestinationUnusable, ManifestUnusable, StoreFailed where the bucket cannot be listed.

        A bucket that holds nothing of what the manifest has is taken for the wrong one: nothing is concluded from it.
        """
        try:
            with self._working:
                for groups in self._groups.values():
                    await groups.advance()
                async with anyio.create_task_group() as tasks:
                    await self._walk(tasks)
                await self._calls()
                await self._leftovers()
        except ExceptionGroup as several:
            raise next((each for each in several.exceptions if isinstance(each, ArchiverError)), several) from None
        return self.tally

    def stop(self, signal: str) -> None:
        """End it here, which is safe at any point: ``SIGINT`` or ``SIGTERM``. What was concluded stays."""
        self.tally.stopped = signal
        reached = {self._day, *self._under_way.values()} - {None}
        self.tally.whole_before = min(filter(None, reached), default=None)
        self._working.cancel()

    def to_json(self) -> dict[str, Any]:
        """What was asked, and what it has come to so far."""
        return self.order.to_json() | self.tally.to_json()

    async def _walk(self, tasks: TaskGroup) -> None:
        for day in sorted(await self.manifest.days()):
            self._day = day
            async with aclosing(self.manifest.claims(day)) as entries:
                async for entry in entries:
                    if self.order.share.covers(keys.stem(entry.recording_id)):
                        await self._claim(tasks, entry)
        for groups in self._groups.values():
            while groups.objects:
                await self._unclaimed(groups)

    async def _as_copied(self, entry: Entry) -> Entry | None:
        """What the second destination should hold of it, in the versions of there; None where nothing is copied yet."""
        named = [stored for stored in (entry.audio, entry.sidecar) if stored is not None]
        known = await self.manifest.copies.known([stored.key for stored in named])
        if entry.audio is None or known.get(entry.audio.key, NOT_COPIED).state in NOT_EXPECTED:
            return None
        audio, *document = (replace(each, version_id=known.get(each.key, NOT_COPIED).version_id) for each in named)
        return replace(entry, audio=audio, sidecar=document[0] if document else None)

    async def _claim(self, tasks: TaskGroup, listed: Entry) -> None:
        """Pass over what no entry names, up to this recording; then have it inspected."""
        entry = await self._as_copied(listed) if self.order.second else listed
        if entry is None or entry.audio is None:
            return
        if expected_of(entry) and not any(groups.seen for groups in self._groups.values()):
            raise DestinationUnusable(
                f"{self.store.location} holds no recordings at all, and the manifest knows some",
                "is it mounted, and the prefix right? if the archive is truly lost, begin with a new manifest",
            )
        self.tally.recordings += 1
        area, name = entry.audio.key.partition("/")[0], audit.group_of(entry.audio.key)
        groups = self._groups.get(area)
        if groups is None or not entry.audio.key.startswith(keys.day_prefix(area, entry.day)):
            self._tell(entry, Difference(Kind.MISSING, entry.audio.key, "recorded under a key not of its day"))
            return
        while groups.is_before(name):
            await self._unclaimed(groups)
        objects = groups.objects if groups.name == name else {}
        if objects:
            await groups.advance()
        await self._room.acquire()
        self._under_way[entry.recording_id] = entry.day
        tasks.start_soon(self._inspect, entry, objects)

    async def _inspect(self, entry: Entry, objects: dict[str, KeyHistory]) -> None:
        try:
            sampled = self.order.share.samples(keys.stem(entry.recording_id))
            inspected = await Inspector(self.store, self.order.deep).inspect(entry, objects, sampled=sampled)
            self.tally.read += inspected.read
            self.reporter.progress(listed=self.tally.recordings, settled=self.tally.read, size=0)
            for sentence in inspected.unreadable:
                self.tally.unreadable += 1
                self.reporter.event("unreadable", recording_id=entry.recording_id, reason=sentence)
            if inspected.differences:
                await self._conclude(entry, inspected)
            del self._under_way[entry.recording_id]
        finally:
            self._room.release()

    async def _conclude(self, entry: Entry, inspected: Inspected) -> None:
        kinds = {difference.kind for difference in inspected.differences}
        event = audit.event_for(entry.state, kinds)
        if event and not self.order.only_tells:
            draft = None
            if event is Event.DRIFTED and lost_its_sidecar_alone(entry, inspected.differences):
                draft = await self.resealer.draft(entry, self.order.run_id)
                event = Event.DRIFTED if draft is None else Event.UNSEALED
            reason = "audit: " + "; ".join(f"{each.key}: {each.reason}" for each in inspected.differences)
            change = Change(reason=reason, draft=draft, detail={"audit": sorted(kinds)})
            entry = await self._advance(entry, event, change)
        if event is Event.DRIFTED:
            self.tally.drifted[entry.recording_id] = entry.day
        elif event is Event.UNSEALED:
            self.tally.unsealed[entry.recording_id] = entry.day
        self.tally.corrupted += event is Event.CORRUPTED
        for difference in inspected.differences:
            self._tell(entry, difference)
        if kinds & audit.CORRUPTING:
            self.reporter.event("not_repairable", recording_id=entry.recording_id, reason=CANNOT_MEND)

    async def _advance(self, entry: Entry, event: Event, change: Change) -> Entry:
        at = self.clock.now()
        moved = await self.manifest.advance(entry.recording_id, entry.state, event, at, self.order.run_id, change)
        return moved or entry

    async def _unclaimed(self, groups: Groups) -> None:
        """A group that no entry names; then on to the next."""
        objects = {key: history for key, history in groups.objects.items() if history.current}
        await groups.advance()
        if self.order.second:  # of what was disposed of, whatever is left there is known to be left
            known = await self.manifest.copies.known(list(objects))
            left = {key for key, copy in known.items() if copy.state is CopyState.LEAVING}
            objects = {key: history for key, history in objects.items() if key not in left}
        if not objects:
            return
        recording_id = await self._id_of(objects)
        entry = (await self.manifest.entries([recording_id])).get(recording_id)
        for difference in strays(entry, objects):
            self._tell(entry, difference)

    async def _id_of(self, objects: dict[str, KeyHistory]) -> str:
        """The id that a group's stem stands for: itself, or, of a hashed one, what its sidecar says."""
        stem = audit.stem_of(next(iter(objects)))
        for key in objects if stem.startswith("h-") else ():
            if not (audit.is_sidecar(key) and audit.is_ours(key)):
                continue
            try:
                seal = sidecar.read(key, await self.store.read(key, sidecar.SIZE_LIMIT) or b"")
            except (ValueError, StoreFailed):
                continue
            if keys.stem(seal.recording_id) == stem:
                return seal.recording_id
        return stem

    async def _calls(self) -> None:
        """The call logs, day by day; of those that differ the next run that lists them reads all parts again."""
        known = {each.day: each for each in await self.manifest.call_days()}
        async for day, parts in calls.days(self.store):
            await self._call_day(day, known.pop(day, None), parts)
        for day, of_day in known.items():
            await self._call_day(day, of_day, {})
        async for stray in calls.strays(self.store):
            if self.order.share.covers(stray.key):
                self._tell(None, stray)

    async def _call_day(self, day: date, known: CallDay | None, parts: calls.Parts) -> None:
        share, name = self.order.share, keys.day_prefix(keys.CALLS, day)
        if not share.covers(name):
            return
        self.tally.objects += sum(1 for history in parts.values() if history.current)
        try:
            found = await calls.inspect(self.store, known, day, parts, read=share.samples(name))
        except StoreFailed as error:
            self.tally.unreadable += 1
            self.reporter.event("unreadable", recording_id=None, reason=error.fact)
            return
        for difference in found:
            self._tell(None, difference)
        if known is not None and {each.kind for each in found} & {Kind.MISSING, Kind.DIGEST_DIFFERS}:
            self.tally.call_days.append(day)
            if not self.order.only_tells:
                doubted = replace(known, listing="", union="", agreed=False, reason=f"audit: {found[0].reason}")
                await self.manifest.note_call_day(self.clock.now(), doubted)

    async def _leftovers(self) -> None:
        async for name, words in self._left():
            if self.order.share.covers(name):
                self._tell(None, Difference(Kind.ORPHAN, name, words))

    async def _left(self) -> AsyncIterator[tuple[str, str]]:
        async for stored in self.store.list(PROBES):
            if stored.key != keys.CREATE_ONLY_PROBE:
                yield stored.key, "a probe that archiver doctor could not remove: it may be removed"
        for name in await self.store.leftovers():
            yield name, "scratch of a process that is dead: the next run that puts something removes it"

    def _tell(self, entry: Entry | None, difference: Difference) -> None:
        self.tally.findings[difference.kind] += 1
        self.reporter.event(
            difference.kind.value,
            key=difference.key,
            recording_id=entry.recording_id if entry else None,
            state=entry.state.value if entry else None,
            reason=difference.reason,
            expected=difference.expected,
            found=difference.found,
        )

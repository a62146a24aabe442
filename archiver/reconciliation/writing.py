"""Writes down what a day's reconciliation came to: recordings are told their call, and the day gets its document.

What is written stays, so it is written of nothing that may still change: a day is recorded once it is over, lookback
included, and an inferred call is told only then, and only where both listings can be relied on. The document comes
last: where it stands, and was made from the same rows, the recordings have been told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import exp
from typing import Any

import anyio

from archiver.amendments import Amender, Amendments, read_amendments
from archiver.errors import ArchiverError, StoreFailed
from archiver.manifest.interface import Entry, Manifest
from archiver.model import Call
from archiver.reconciliation.days import DayReconciled
from archiver.rules import call_facts, keys, sidecar
from archiver.rules import reconciliation_document as document_of
from archiver.rules.amendment import Kind
from archiver.rules.lifecycle import State
from archiver.rules.reconcile import Finding, Status
from archiver.store.body import Document
from archiver.store.interface import Conflict

AT_ONCE = 16
"""Recordings told concurrently."""
BATCH = 500
TRIES = 5
SUREST = 0.9999
"""No inference is called surer: its model may be wrong."""


@dataclass(slots=True)
class Written:
    """What came of a day."""

    amended: list[str] = field(default_factory=list)
    """Recordings that were told their call; in a dry run, that would be."""
    key: str | None = None
    """Of the document written; None where it stands already, or the day is not to be recorded."""
    problems: list[str] = field(default_factory=list)
    """A sentence for each recording that could not be told."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Raises StoreFailed where the document cannot be put, and DestinationUnusable."""

    amender: Amender
    manifest: Manifest
    dry: bool = False
    """Write nothing."""

    async def write(self, day: DayReconciled) -> Written:
        """Everything there is to write of a day."""
        written = Written()
        result = document_of.result_of(day.day, day.result, day.policy, day.doubt, complete=day.complete)
        inputs = inputs_of(day)
        number, last = await self._last(day)
        same = last is not None and document_of.same_result(last, result)
        if not (same and last is not None and last["inputs"] == inputs):
            await self._tell(day, written)
        if day.recorded and not same:
            written.key = keys.reconciliation_key(day.day, number + 1)
            if not self.dry:
                written.key = await self._put(day, number + 1, result, inputs)
        return written

    async def _last(self, day: DayReconciled) -> tuple[int, Mapping[str, Any] | None]:
        """Number and content of the day's last document; 0 and None where there is none."""
        store = self.amender.store
        listed = [stored.key async for stored in store.list(keys.reconciliation_prefix(day.day))]
        number = max((keys.reconciliation_number(key, day.day) or 0 for key in listed), default=0)
        if not number:
            return 0, None
        key = keys.reconciliation_key(day.day, number)
        try:
            return number, document_of.read(await store.read(key, document_of.SIZE_LIMIT) or b"")
        except ValueError as error:
            raise StoreFailed(f"{key}: {error}") from None

    async def _put(
        self, day: DayReconciled, number: int, result: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> str | None:
        """The key under which the result stands now; None if another writer came to the same."""
        made = {
            "at": self.amender.clock.now().isoformat(),
            "run_id": self.amender.run_id,
            "software": self.amender.software,
        }
        document = Document(document_of.build(result, made, inputs))
        for _ in range(TRIES):
            key = keys.reconciliation_key(day.day, number)
            outcome = await self.amender.store.put_new(key, document, document.digest, document_of.MEDIATYPE)
            if not isinstance(outcome, Conflict):
                return key
            number, last = await self._last(day)
            if last is not None and document_of.same_result(last, result):
                return None
            number += 1
        raise StoreFailed(f"other writers keep the reconciliation of {day.day} busy")

    async def _tell(self, day: DayReconciled, written: Written) -> None:
        """Amend every archived recording whose sidecar and amendments do not name its call as it is known now."""
        asked = list(_sure(day))
        for first in range(0, len(asked), BATCH):
            batch = asked[first : first + BATCH]
            entries = await self.manifest.entries([recording_id for recording_id, _ in batch])
            room = anyio.CapacityLimiter(AT_ONCE)
            try:
                async with anyio.create_task_group() as tasks:
                    for recording_id, finding in batch:
                        entry, call = entries.get(recording_id), day.calls[finding.call_id or ""]
                        if entry is not None and entry.state is State.ARCHIVED and entry.sidecar is not None:
                            tasks.start_soon(self._tell_one, room, entry, call, finding, written)
            except ExceptionGroup as several:
                raise next((each for each in several.exceptions if isinstance(each, ArchiverError)), several) from None

    async def _tell_one(
        self, room: anyio.CapacityLimiter, entry: Entry, call: Call, finding: Finding, written: Written
    ) -> None:
        async with room:
            try:
                if await self._amend(entry, call, finding):
                    written.amended.append(entry.recording_id)
            except StoreFailed as error:
                written.problems.append(f"recording {entry.recording_id}: {error.fact}")

    async def _amend(self, entry: Entry, call: Call, finding: Finding) -> bool:
        """True if it had to be told."""
        store, key = self.amender.store, keys.sidecar_key(entry.recording_id, entry.day)
        try:
            seal = sidecar.read(key, await store.read(key, sidecar.SIZE_LIMIT) or b"")
        except ValueError as error:
            raise StoreFailed(f"{key}: {error}") from None
        facts = facts_of(call, seal, finding)
        is_said = partial(says, seal.call, facts)
        if self.dry:
            return not is_said(await read_amendments(store, entry.recording_id, entry.day))
        return await self.amender.amend(entry, Kind.CALL, facts, is_said) is not None


def inputs_of(day: DayReconciled) -> dict[str, Any]:
    """What it was reconciled from, as the document has it."""
    parts = {key: str(digest) if digest else None for key, digest in day.inputs.call_parts.items()}
    return {"call_parts": parts, "recordings": day.inputs.recordings, "listing": day.inputs.listing}


def says(in_sidecar: Mapping[str, Any] | None, facts: Mapping[str, Any], amendments: Amendments) -> bool:
    """True if what is said of the call last is what ``facts`` say."""
    latest = amendments.latest(Kind.CALL)
    said = in_sidecar if latest is None else latest.facts
    return said is not None and call_facts.same(said, facts)


def facts_of(call: Call, seal: sidecar.Seal, finding: Finding) -> dict[str, Any]:
    """What a recording is told of its call."""
    if finding.status is Status.MATCHED_KEY:
        return call_facts.by_key(call, seal.row, "call_id" if str(seal.row.get("call_id")) == call.id else "audio")
    evidence = {
        "margin": finding.margin,
        "confidence": None if finding.margin is None else round(min(SUREST, 1 / (1 + exp(-finding.margin))), 4),
        "lag_seconds": finding.lag,
        "delta_seconds": finding.delta,
        "recordings": len(finding.recording_ids),
    }
    return call_facts.inferred(call, seal.row, evidence)


def _sure(day: DayReconciled) -> Iterator[tuple[str, Finding]]:
    """Recordings with the finding of their call, where that is sure enough to be written down."""
    statuses: Sequence[Status] = [Status.MATCHED_KEY]
    if day.recorded and not day.doubt:
        statuses = [Status.MATCHED_KEY, Status.MATCHED_INFERRED]
    for finding in day.result.findings:
        if finding.status in statuses:
            yield from ((recording_id, finding) for recording_id in finding.recording_ids)

"""What is to be reconciled, day by day: calls from the bucket, recordings from the manifest. Writes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo

from archiver.calls.log import find_parts, read_calls
from archiver.errors import ExitCode
from archiver.manifest.interface import Manifest
from archiver.model import Call, Digest, Row, Window
from archiver.rules import keys
from archiver.rules.calibration import Calibration
from archiver.rules.call_rows import digest_of, digest_of_all
from archiver.rules.evidence import Known, Policy
from archiver.rules.reconcile import Reconciliation, reconcile
from archiver.source.rows import read_call
from archiver.store.interface import Store

ReadCalls = Callable[[Store, date], AsyncIterator[Row]]
"""The rows of a day's calls, a row per call."""
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DayReconciled:
    """One day. ``doubt`` says why a listing of it cannot be relied on: it is not complete then; empty if both can."""

    day: date
    result: Reconciliation
    doubt: str
    policy: Policy
    recorded: bool
    """True if the day is over, lookback included: what is written down of it stays."""
    inputs: Inputs
    calls: Mapping[str, Call] = field(repr=False)
    """By id, those that have a recording."""

    @property
    def complete(self) -> bool:
        """True if nothing of it needs anybody or anything any more."""
        return not self.doubt and self.result.exit_code is ExitCode.COMPLETE


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a day was reconciled from: its own, and what the days beside it have."""

    call_parts: Mapping[str, Digest | None]
    """Digests of the parts, by key."""
    recordings: int
    listing: str
    """Digest over the recordings' ids and rows."""


@dataclass(slots=True)
class Reconciler:
    """Holds three days in memory at most: a call may begin on one day and end on another, and clocks differ."""

    store: Store
    manifest: Manifest
    zone: tzinfo
    """In which the source writes its times."""
    settled: datetime
    """A call that ended then or later may still get its recording listed."""
    policy: Policy
    read: ReadCalls = read_calls
    _calls: dict[date, list[Call]] = field(default_factory=dict)
    _recordings: dict[date, list[Known]] = field(default_factory=dict)
    _lost: dict[date, int] = field(default_factory=dict)

    async def days(self, first: date, last: date) -> AsyncIterator[DayReconciled]:
        """Every day from ``first`` to ``last``, both included."""
        day = first
        while day <= last:
            yield await self._day(day)
            day += ONE_DAY

    async def _day(self, day: date) -> DayReconciled:
        around = [day - ONE_DAY, day, day + ONE_DAY]
        for kept in [each for each in self._calls if each not in around]:
            del self._calls[kept], self._recordings[kept]
        for each in around:
            if each not in self._calls:
                await self._load(each)
        result = reconcile(
            [call for each in around for call in self._calls[each]],
            [known for each in around for known in self._recordings[each]],
            settled=self.settled,
            policy=self.policy,
            day=day,
        )
        matched = {finding.call_id for finding in result.findings if finding.recording_ids}
        calls = {call.id: call for each in around for call in self._calls[each] if call.id in matched}
        over = Window.of_day(day).end <= self.settled
        doubt = await self._doubt(day) or clock_doubt(result.calibration)
        return DayReconciled(day, result, doubt, self.policy, over, await self._inputs(around), calls)

    async def _inputs(self, days: Sequence[date]) -> Inputs:
        parts: dict[str, Digest | None] = {}
        for day in days:
            for number in (await find_parts(self.store, day)).numbers:
                key = keys.call_part_key(day, number)
                stored = await self.store.head(key)
                parts[key] = stored.digest if stored else None
        known = {known.id: digest_of(known.row) for day in days for known in self._recordings[day]}
        return Inputs(parts, len(known), digest_of_all(sorted(known.items())))

    async def _load(self, day: date) -> None:
        calls, lost = [], 0
        async for row in self.read(self.store, day):
            call, _ = read_call(row, self.zone)
            calls.extend([call] if call else [])
            lost += call is None
        self._calls[day], self._lost[day] = calls, lost
        self._recordings[day] = [known async for known in self.manifest.listed(day)]

    async def _doubt(self, day: date) -> str:
        for window in await self.manifest.unagreed_windows():
            if window.window.day == day:
                return f"recordings: {window.reason or 'rows that cannot be read'}"
        listed = await self.manifest.call_day(day)
        if listed is not None and not listed.agreed:
            return listed.reason or "the call log's listing did not agree"
        if listed is None and not self._calls[day] and not (await find_parts(self.store, day)).numbers:
            return "no call log was archived"
        return f"{self._lost[day]} calls cannot be read" if self._lost[day] else ""


def clock_doubt(calibration: Calibration) -> str:
    """What to say of clocks that are a time zone apart: the days of one report are then not those of the other."""
    if not calibration.zone_offset:
        return ""
    hours = calibration.zone_offset / 3600
    return f"created_at is {hours:+g} h from {calibration.anchors[0].value}: is one report in another time zone?"

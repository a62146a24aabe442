"""Until when a recording is kept: the class that the rules choose for its row, and the day on which that is over.

The trigger is the recording's own time, never the time of archiving. Where a row lacks what a rule asks for, nobody
can say whether the rule would have chosen it: then the longest class is, and the missing facts are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from archiver.model import Protection, Retention, RetentionMode, Row

PARTIES = ("call_from", "call_to")
BRIDGE = "bridge"
PAST = timedelta(minutes=2)
"""A lock that would end sooner than this is not asked for: stores refuse one that ends before they read it."""


@dataclass(frozen=True, slots=True)
class RetentionClass:
    """A period, and how firm it is."""

    name: str
    mode: RetentionMode
    years: int = 0
    days: int = 0

    def retention(self, moment: datetime) -> Retention:
        """What holds a recording of ``moment``. A 29 February ends on the 1 March of a year without one."""
        begun = moment.replace(microsecond=0) + timedelta(seconds=1 if moment.microsecond else 0)
        try:
            until = begun.replace(year=begun.year + self.years)
        except ValueError:
            until = begun.replace(year=begun.year + self.years, month=3, day=1)
        return Retention(self.mode, until + timedelta(days=self.days))


@dataclass(frozen=True, slots=True)
class Condition:
    """A field of the row (dotted inside objects) has one of these values; ``*`` and ``?`` stand for anything."""

    name: str
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """Chooses a class for the rows that fulfil all of its conditions."""

    use: str
    when: tuple[Condition, ...] = ()
    numbers: tuple[str, ...] = ()
    """Caller, callee or bridge is one of these."""
    duration_seconds: tuple[float | None, float | None] = (None, None)
    """At least, less than."""

    def judge(self, row: Row, duration: float | None) -> tuple[bool | None, tuple[str, ...]]:
        """True, False, or None where the row lacks what decides; then the names of the missing facts."""
        missing: list[str] = []
        for condition in self.when:
            value = _text(row, condition.name)
            if value is None:
                missing.append(condition.name)
            elif not _matches(value, condition.patterns):
                return False, ()
        if self.numbers:
            parties = {name: _text(row, name) for name in (*PARTIES, BRIDGE)}
            if not any(value is not None and _matches(value, self.numbers) for value in parties.values()):
                unknown = [name for name in PARTIES if parties[name] is None]
                if not unknown:
                    return False, ()
                missing += unknown
        least, below = self.duration_seconds
        if (least, below) != (None, None):
            if duration is None:
                missing.append("duration")
            elif (least is not None and duration < least) or (below is not None and duration >= below):
                return False, ()
        return (None, tuple(missing)) if missing else (True, ())


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the policy says of one recording."""

    retention_class: str
    retention: Retention
    missing_facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """The classes and the rules, in order. At least one class."""

    classes: Mapping[str, RetentionClass]
    rules: tuple[Rule, ...] = ()
    default: str | None = None
    """Of rows that no rule chose; None: the longest."""
    quarantine: str | None = None
    """Of rejected recordings; None: not locked."""

    def assign(self, row: Row, created_at: datetime, duration: float | None) -> Assignment:
        """The class of a recording. ``duration`` is the reported one, in seconds."""
        for rule in self.rules:
            chosen, missing = rule.judge(row, duration)
            if chosen is None:
                return self._longest(created_at, missing)
            if chosen:
                return self._of(rule.use, created_at)
        return self._unruled(created_at)

    def of_quarantine(self, created_at: datetime) -> Assignment | None:
        """The class of rejected bytes; None where they are not locked."""
        return None if self.quarantine is None else self._of(self.quarantine, created_at)

    def of_day(self, day_end: datetime, assignments: Iterable[Assignment]) -> Retention:
        """What holds the documents of a day: as long as the longest of its recordings; a day without any, as long as
        one from its last moment that no rule chose.
        """
        found: Retention | None = None
        for each in assignments:
            found = each.retention.joined(found)
        return found or self._unruled(day_end).retention

    def _unruled(self, created_at: datetime) -> Assignment:
        return self._longest(created_at) if self.default is None else self._of(self.default, created_at)

    def _of(self, name: str, created_at: datetime) -> Assignment:
        return Assignment(name, self.classes[name].retention(created_at))

    def _longest(self, created_at: datetime, missing: tuple[str, ...] = ()) -> Assignment:
        def length(each: RetentionClass) -> tuple[datetime, bool, str]:
            return each.retention(created_at).until, each.mode is RetentionMode.COMPLIANCE, each.name

        longest = max(self.classes.values(), key=length)
        return Assignment(longest.name, longest.retention(created_at), missing)


def protection_of(retention: Retention | None, now: datetime) -> Protection | None:
    """The lock to ask for; None where there is none, or its time is over."""
    return None if retention is None or retention.until <= now + PAST else Protection(retention)


def _text(row: Row, name: str) -> str | None:
    """A field as text; None where it is absent, null or empty, or no single value."""
    found: object = row.get(name)
    if found is None and "." in name:
        found = row
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, str | int | float):
        return str(found) or None
    return None


def _matches(value: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)

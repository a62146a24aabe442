"""The report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from archiver.errors import ExitCode
from archiver.manifest.copy_book import CopyState
from archiver.manifest.interface import Entry, Measured, RunRecord
from archiver.report import charts, words
from archiver.report.facts import Day, DayStatus, Report
from archiver.rules.lifecycle import State

SOON = timedelta(days=7)
"""A loss nearer than this is the headline."""


@dataclass(frozen=True, slots=True)
class Month:
    """A sheet of the calendar."""

    name: str
    weeks: Sequence[Sequence[Day | None]]


@dataclass(frozen=True, slots=True)
class Headline:
    """The first thing to know."""

    tone: str
    """``good``, ``open``, ``bad``."""
    symbol: str
    words: str
    details: Sequence[str]


def page(report: Report) -> str:
    """The whole document. Whatever comes from outside is escaped by the template engine."""
    environment = Environment(
        loader=PackageLoader("archiver.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": _number,
        "moment": _moment,
        "span": words.seconds,
        "size": words.size,
        "visible": words.visible,
    }
    environment.globals |= {"State": State, "DayStatus": DayStatus, "timedelta": timedelta}
    return environment.get_template("report.html.j2").render(
        report=report,
        headline=headline(report),
        months=list(months(report.days)),
        statuses=words.STATUSES,
        states=words.STATES,
        grades=_grades(report.measured),
        grade_words=words.GRADES,
        measured=Lengths.of(report.measured),
        why=words.why,
        waiting=_by_reason(report.waiting.entries),
        ended=ended,
        rate=charts.recordings_per_second,
        shape=charts,
        histogram=charts.histogram(report.measured, report.tolerance),
        scatter=charts.scatter(report.measured, report.tolerance),
        throughput=charts.throughput(report.runs),
    )


def headline(report: Report) -> Headline:
    """What somebody who reads one sentence has to read."""
    closed = f"Every day up to and including {report.watermark.date() - timedelta(days=1)} is closed."
    loss = report.first_loss
    details = [closed] if any(day.closed for day in (*report.earlier, *report.days)) else ["No day is closed yet."]
    urgent = loss is not None and loss - report.at < SOON
    if report.to_decide:
        details.append(_some(report.to_decide, "recording waits", "recordings wait") + " for a person's decision.")
    if report.waiting.total:
        details.append(_some(report.waiting.total, "recording is", "recordings are") + " still to be fetched.")
    if loss is not None:
        left = loss - report.at
        when = f"in {words.seconds(left.total_seconds())}" if left > timedelta(0) else "already past"
        details.append(f"The source forgets the oldest of them at {_moment(loss)} ({when}).")
    if report.doubtful:
        details.append(_some(len(report.doubtful), "day", "days") + " could not be listed reliably.")
    if expired := report.states.get(State.EXPIRED, 0):
        details.append(
            _some(expired, "recording was", "recordings were") + " deleted: past retention, by an approved plan."
        )
    if report.changed:
        details.append(_some(len(report.changed), "recording was", "recordings were") + " changed at the source later.")
    details += _copies(report)
    foreign = report.count_copies(CopyState.CONFLICT)
    if urgent or report.to_decide or report.doubtful or report.changed or foreign:
        return Headline("bad", "!", "Somebody has to look at this archive", details)
    if report.waiting.total:
        return Headline("open", "○", "Nothing is lost; some recordings are still to be fetched", details)
    if report.count_copies(CopyState.PENDING, CopyState.LEAVING):
        return Headline("open", "○", "Nothing is open but in the second destination", details)
    ending = "is archived, or was deleted when its time was over" if expired else "is archived"
    return Headline("good", "✓", f"Everything that the source has named {ending}", details)


def months(days: Sequence[Day]) -> Iterator[Month]:
    """The days as weeks from Monday to Sunday, month by month."""
    for (year, month), group in groupby(days, key=lambda each: (each.day.year, each.day.month)):
        known = {each.day: each for each in group}
        first = date(year, month, 1)
        cursor = first - timedelta(days=first.weekday())
        weeks: list[list[Day | None]] = []
        while cursor.year * 12 + cursor.month <= year * 12 + month:
            weeks.append([known.get(cursor + timedelta(days=number)) for number in range(7)])
            cursor += timedelta(days=7)
        yield Month(f"{first:%B %Y}", [week for week in weeks if any(week)])


@dataclass(frozen=True, slots=True)
class Lengths:
    """Measured length against reported duration, in numbers."""

    compared: int
    within_a_second: int
    without: int
    """Judged, with nothing to compare."""

    @classmethod
    def of(cls, measured: Sequence[Measured]) -> Lengths:
        """Count them."""
        compared = [each for each in measured if each.difference is not None]
        close = sum(each.count for each in compared if abs(each.difference or 0) <= 1)
        total = sum(each.count for each in measured)
        return cls(sum(each.count for each in compared), close, total - sum(each.count for each in compared))


def ended(run: RunRecord) -> str:
    """How a run ended, in words."""
    if run.exit_code is None:
        return "not ended"
    known = run.exit_code in set(ExitCode)
    meaning = words.EXITS.get(ExitCode(run.exit_code), "") if known else ""
    return f"{meaning} (exit code {run.exit_code})" if meaning else f"exit code {run.exit_code}"


def _grades(measured: Sequence[Measured]) -> dict[str, int]:
    return {
        grade: count for grade in words.GRADES if (count := sum(each.count for each in measured if each.grade == grade))
    }


def _copies(report: Report) -> Iterator[str]:
    """What is not in the second destination as it should be."""
    if pending := report.count_copies(CopyState.PENDING):
        yield _some(pending, "object is", "objects are") + " still to be copied to the second destination."
    if foreign := report.count_copies(CopyState.CONFLICT):
        yield _some(foreign, "object has", "objects have") + " other bytes under their key in the second destination."
    if leaving := report.count_copies(CopyState.LEAVING):
        yield _some(leaving, "copy is", "copies are") + " still to be deleted there: past retention, as approved."


def _by_reason(entries: Sequence[Entry]) -> list[tuple[str, list[Entry]]]:
    """What waits for the same thing stands together."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        reason = entry.reason or "new: not tried yet"
        found.setdefault(reason[:1].upper() + reason[1:], []).append(entry)
    return list(found.items())


def _some(count: int, one: str, many: str) -> str:
    return f"{_number(count)} {one if count == 1 else many}"


def _number(value: Any) -> str:
    return f"{value:,}".replace(",", "\u202f")


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"

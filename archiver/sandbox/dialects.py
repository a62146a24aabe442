"""The three shapes in which the provider answers, and its English dates: as in the published response bodies.

A `Page` is what an answer holds before it takes a shape; `document` gives it the shape.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Literal

from archiver.sandbox.faults import Row
from archiver.sandbox.records import SandboxCall, SandboxRecording

Dialect = Literal["flat", "paged", "resource"]
Report = Literal["recordings", "calls"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY = r"([A-Z][a-z]{2}) (\d{2}), (\d{4})"
_SPAN = re.compile(rf"{_DAY} - {_DAY}")
FILTERS: Mapping[Report, str] = {"recordings": "datetime[r.created_at]", "calls": "datetime[end_at]"}


class ROWS:
    """Marks that a page's `data` is its rows."""


class ABSENT:
    """Marks that a page has no `data` at all."""


@dataclass(frozen=True)
class Page:
    """One page of a report. `last` and `total` are what the answer says, true or not; `data` may replace the rows."""

    report: Report
    rows: tuple[Row, ...]
    number: int
    per_page: int
    last: int
    total: int
    data: object = ROWS


def parse_span(text: str) -> tuple[date, date]:
    """Read `Jun 07, 2019 - Aug 13, 2019`; ValueError for anything else."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"not a date range: {text!r}")
    month, day, year, last_month, last_day, last_year = match.groups()
    return (
        date(int(year), _MONTHS.index(month) + 1, int(day)),
        date(int(last_year), _MONTHS.index(last_month) + 1, int(last_day)),
    )


def span_bounds(text: str, zone: tzinfo, *, last_day_included: bool = True) -> tuple[datetime, datetime]:
    """Read a date filter as the half-open stretch of time it stands for in `zone`."""
    first, last = parse_span(text)
    if last_day_included:
        last += timedelta(days=1)
    return _midnight(first, zone), _midnight(last, zone)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def clock_text(seconds: int) -> str:
    """`HH:MM:SS`; the hours may pass 24, and 99."""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _stamp(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _spoken(moment: datetime, zone: tzinfo) -> str:
    """`Jun 11, 2019 06:04 AM`, in English under every locale."""
    local = moment.astimezone(zone)
    half = "AM" if local.hour < 12 else "PM"
    hour = (local.hour + 11) % 12 + 1
    return f"{_MONTHS[local.month - 1]} {local.day:02d}, {local.year} {hour:02d}:{local.minute:02d} {half}"


def recording_row(recording: SandboxRecording, dialect: Dialect, link: str | None, zone: tzinfo, serial: int) -> Row:
    """A row of the recordings report, times written in `zone`; `serial` counts from 1 and is seen in `flat` only."""
    duration, created = clock_text(recording.duration), _stamp(recording.created_at, zone)
    if dialect != "flat":
        row: Row = {
            "id": recording.id,
            "call_from": recording.call_from,
            "call_to": recording.call_to,
            "audio": link,
            "duration": duration,
            "agent": recording.agent,
            "created_at": created,
        }
    else:
        row = {
            "id": recording.id,
            "user_id": "13016",
            "agent_id": "0" if recording.agent is None else "7",
            "call_id": recording.call_id,
            "service": "C",
            "call_from": recording.call_from,
            "call_to": recording.call_to,
            "name": None,
            "audio": link,
            "storage": "s3",
            "duration": duration,
            "options": None,
            "notes": None,
            "created_at": created,
            "agent": recording.agent,
            "serial": serial,
            "created": _spoken(recording.created_at, zone),
        }
    return row | dict(recording.extra)


def call_row(call: SandboxCall, dialect: Dialect, link: str | None, zone: tzinfo, serial: int) -> Row:
    """A row of the call log, times written in `zone`; `serial` counts from 1 and is seen in `flat` only."""
    row: Row = {
        "id": call.id,
        "call_from": call.call_from,
        "call_to": call.call_to,
        "service": call.service,
        "bridge": call.call_to,
        "status": call.status,
        "duration": clock_text(call.duration),
        "billing": clock_text(call.billing),
        "pulsing": "30",
        "charges": f"{-(-call.billing // 30) * 0.015:.4f}",
        "start_at": _stamp(call.start_at, zone),
        "end_at": _stamp(call.end_at, zone),
        "hangup_by": call.hangup_by,
        "dtmf": None,
        "location": "IN",
        "region": "AP",
        "provider": "RJ",
        "notes": "free text",
        "audio": link,
    }
    if dialect == "flat":
        row |= {"audio_length": None, "storage": None if link is None else "s3", "name": call.name, "serial": serial}
    else:
        row |= {"name": call.name}
    return row | dict(call.extra)


def document(page: Page, dialect: Dialect, endpoint: str) -> dict[str, object]:
    """Give a page the shape of a dialect. `endpoint` is the API's base URL, with the slash at its end."""
    if dialect == "flat":
        shaped: dict[str, object] = {"status": "OK", "data": list(page.rows)}
    elif dialect == "paged":
        shaped = {"status": "OK", "data": _paginator(page, f"{endpoint}voice/{page.report}")}
    else:
        shaped = _resource(page, endpoint)
    if page.data is ABSENT:
        del shaped["data"]
    elif page.data is not ROWS:
        shaped["data"] = page.data
    return shaped


def _paginator(page: Page, path: str) -> dict[str, object]:
    first, last = _row_numbers(page)
    return {
        "current_page": page.number,
        "data": list(page.rows),
        "first_page_url": f"{path}?page=1",
        "from": first,
        "last_page": page.last,
        "last_page_url": f"{path}?page={page.last}",
        "next_page_url": f"{path}?page={page.number + 1}" if page.number < page.last else None,
        "path": path,
        "per_page": page.per_page,
        "prev_page_url": f"{path}?page={page.number - 1}" if page.number > 1 else None,
        "to": last,
        "total": page.total,
    }


def _resource(page: Page, endpoint: str) -> dict[str, object]:
    # The published body of the recordings report links to the call log: kept, since a client that follows links must
    # fail.
    path = f"{endpoint}voice/calls"
    first, last = _row_numbers(page)
    previous = f"{path}?page={page.number - 1}" if page.number > 1 else None
    following = f"{path}?page={page.number + 1}" if page.number < page.last else None
    return {
        "status": "OK",
        "code": 200,
        "message": "OK",
        "data": list(page.rows),
        "links": {"first": f"{path}?page=1", "last": f"{path}?page={page.last}", "prev": previous, "next": following},
        "meta": {
            "current_page": page.number,
            "from": first,
            "last_page": page.last,
            "links": [
                {"url": previous, "label": "&laquo; Previous", "active": False},
                *_numbered_links(page, path),
                {"url": following, "label": "Next &raquo;", "active": False},
            ],
            "path": f"{path}?page=1",
            "per_page": page.per_page,
            "to": last,
            "total": page.total,
        },
    }


def _numbered_links(page: Page, path: str) -> list[dict[str, object]]:
    """The paginator's buttons: all of them, or a gap after the tenth when there are many."""
    numbers: Sequence[int | None] = range(1, page.last + 1)
    if page.last > 13:
        numbers = (*range(1, 11), None, page.last - 1, page.last)
    return [
        {"url": None, "label": "...", "active": False}
        if number is None
        else {"url": f"{path}?page={number}", "label": str(number), "active": number == page.number}
        for number in numbers
    ]


def _row_numbers(page: Page) -> tuple[int | None, int | None]:
    if not page.rows:
        return None, None
    first = (page.number - 1) * page.per_page + 1
    return first, first + len(page.rows) - 1

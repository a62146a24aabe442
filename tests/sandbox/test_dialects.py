"""Each dialect has the shape of its published response body, and pages hold what they say."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, get_args

import pytest

from archiver.sandbox import Dialect, Sandbox, World, new_recording
from archiver.sandbox.dialects import parse_span

from .client import ask, listing, rows
from .published import BODIES

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)


def shape(document: Any) -> Any:
    """Names in their order, and nothing of the values."""
    if isinstance(document, dict):
        return [(name, shape(value)) for name, value in document.items()]
    return [shape(document[0])] if isinstance(document, list) else None


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("report", ["recordings", "calls"])
def test_shape_is_that_of_the_published_body(dialect: Dialect, report: str) -> None:
    with Sandbox(World.generate(recordings=2, unanswered=0), dialect=dialect).running() as sandbox:
        answer = listing(sandbox, report)
    assert answer.status == 200
    assert shape(answer.json()) == shape(json.loads(BODIES[report, dialect]))


def test_values_are_written_as_published() -> None:
    moment = datetime(2019, 6, 11, 6, 4, 21, tzinfo=UTC)
    with Sandbox(World([new_recording(moment, 93)]), dialect="flat").running() as sandbox:
        row = rows(listing(sandbox))[0]
    assert row["duration"] == "00:01:33"
    assert row["created_at"] == "2019-06-11 06:04:21"
    assert row["created"] == "Jun 11, 2019 06:04 AM"
    assert row["agent_id"] == "0"


def test_ids_tell_the_second_of_creation_in_utc() -> None:
    import uuid

    for recording in World.generate(recordings=200).recordings():
        parsed = uuid.UUID(recording.id)
        assert parsed.version == 1
        embedded = datetime(1582, 10, 15, tzinfo=UTC) + timedelta(microseconds=parsed.time // 10)
        assert embedded.replace(microsecond=0) == recording.created_at


@pytest.mark.parametrize("dialect", ["paged", "resource"])
def test_pages_of_fifteen_hold_everything_once_newest_first(dialect: Dialect) -> None:
    world = World.generate(recordings=40)
    with Sandbox(world, dialect=dialect).running() as sandbox:
        pages = [listing(sandbox, page=number) for number in (1, 2, 3, 4)]
    listed = [[row["id"] for row in rows(page)] for page in pages]
    assert [len(ids) for ids in listed] == [15, 15, 10, 0]
    assert [recording_id for ids in listed for recording_id in ids] == [
        recording.id for recording in world.recordings()
    ]
    about = [page.json()["data"] if dialect == "paged" else page.json()["meta"] for page in pages]
    assert [(a["current_page"], a["last_page"], a["total"]) for a in about] == [(n, 3, 40) for n in (1, 2, 3, 4)]
    assert [(a["from"], a["to"]) for a in about] == [(1, 15), (16, 30), (31, 40), (None, None)]


def test_flat_gives_all_rows_whatever_page_is_asked_for() -> None:
    with Sandbox(World.generate(recordings=40), dialect="flat").running() as sandbox:
        assert [len(rows(listing(sandbox, page=number))) for number in (1, 2)] == [40, 40]
        assert set(listing(sandbox).json()) == {"status", "data"}


def test_links_of_a_resource_point_at_the_other_report() -> None:
    with Sandbox(World.generate(recordings=40), dialect="resource").running() as sandbox:
        links = listing(sandbox).json()["links"]
    assert links["next"].endswith("/api/v2/voice/calls?page=2")
    assert sandbox.token not in str(links)


def test_nothing_is_one_empty_page() -> None:
    with Sandbox().running() as sandbox:
        data = listing(sandbox).json()["data"]
        assert (data["data"], data["total"], data["last_page"], data["from"]) == ([], 0, 1, None)


@pytest.mark.parametrize("report", ["recordings", "calls"])
def test_date_filter_takes_in_both_its_days(report: str) -> None:
    world = World.generate(recordings=30, days=5, start_day=date(2026, 9, 1), unanswered=0)
    with Sandbox(world).running() as sandbox:
        answer = listing(sandbox, report, span="Sep 02, 2026 - Sep 03, 2026")
        field = "created_at" if report == "recordings" else "end_at"
        assert {row[field][:10] for row in rows(answer)} == {"2026-09-02", "2026-09-03"}
        assert len(rows(answer)) == 12
        sandbox.last_day_included = False
        assert len(rows(listing(sandbox, report, span="Sep 02, 2026 - Sep 03, 2026"))) == 6


def test_zones_of_rows_and_of_filters_are_free() -> None:
    late = new_recording(datetime(2026, 9, 1, 23, 30, tzinfo=UTC))
    east = timezone(timedelta(hours=5, minutes=30))
    with Sandbox(World([late]), row_zone=east).running() as sandbox:
        assert rows(listing(sandbox, span="Sep 01, 2026 - Sep 01, 2026"))[0]["created_at"] == "2026-09-02 05:00:00"
        sandbox.filter_zone = east
        assert rows(listing(sandbox, span="Sep 01, 2026 - Sep 01, 2026")) == []
        assert len(rows(listing(sandbox, span="Sep 02, 2026 - Sep 02, 2026"))) == 1


def test_filters_that_the_report_does_not_know_are_refused() -> None:
    with Sandbox().running() as sandbox:
        for query in ("datetime[end_at]=Sep%2001,%202026%20-%20Sep%2001,%202026", "datetime[r.created_at]=2026-09-01"):
            answer = ask(f"{sandbox.base_url}voice/recordings?{query}", Authorization=f"Bearer {sandbox.token}")
            assert answer.status == 422


def test_span_is_english_and_strict() -> None:
    assert parse_span("Jun 07, 2019 - Aug 13, 2019") == (date(2019, 6, 7), date(2019, 8, 13))
    for wrong in ("Juin 07, 2019 - Aug 13, 2019", "Jun 7, 2019 - Aug 13, 2019", "Jun 31, 2019 - Aug 13, 2019", ""):
        with pytest.raises(ValueError, match=r".+"):
            parse_span(wrong)


def test_the_dialect_may_change_between_two_requests() -> None:
    with Sandbox(World.generate(recordings=2)).running() as sandbox:
        seen = []
        for dialect in DIALECTS:
            sandbox.dialect = dialect
            seen.append(type(listing(sandbox).json()["data"]).__name__)
        assert seen == ["list", "dict", "list"]

"""Each fault of a listing does what its docstring says, to the pages it is meant for and to no others."""

import json
from typing import Any

import pytest

from archiver.sandbox import (
    ABSENT,
    CutBody,
    DataIs,
    Dialect,
    DuplicatedRow,
    EmptyPage,
    ErrorStatus,
    HtmlPage,
    LastPage,
    MoreFields,
    NumbersAsIntegers,
    OnListing,
    RepeatedPage,
    ResetTransfer,
    RowsInserted,
    RowsRemoved,
    Sandbox,
    Status,
    WithField,
    WithoutField,
    World,
    WrongTotal,
)
from archiver.sandbox.faults import RecordingFault

from .client import ask, listing, rows


def world() -> World:
    return World.generate(recordings=40, unanswered=0)


def ids(sandbox: Sandbox, page: int, report: str = "recordings") -> list[str]:
    return [row["id"] for row in rows(listing(sandbox, report, page))]


def test_statuses_meet_the_requests_they_are_meant_for() -> None:
    faults = [
        OnListing(Status(429, times=1, retry_after="2"), report="recordings", page=2),
        OnListing(Status(503, after=1, times=1), report="calls"),
    ]
    with Sandbox(world(), faults=faults).running() as sandbox:
        assert [listing(sandbox, page=page).status for page in (1, 2, 2, 3)] == [200, 429, 200, 200]
        assert [listing(sandbox, "calls", page).status for page in (1, 2, 2, 3)] == [200, 503, 200, 200]
        limited = next(record for record in sandbox.requests if record.status == 429)
        assert (limited.report, limited.page) == ("recordings", 2)


def test_a_token_may_be_refused_from_the_nth_request_on() -> None:
    with Sandbox(world(), faults=[OnListing(Status(401, after=2))]).running() as sandbox:
        answers = [listing(sandbox, page=page) for page in (1, 2, 3, 3)]
    assert [answer.status for answer in answers] == [200, 200, 401, 401]
    assert answers[-1].json()["status"] == "ERROR"


def test_retry_after_is_there_only_when_asked_for() -> None:
    for retry_after in (None, "7"):
        with Sandbox(faults=[OnListing(Status(429, retry_after=retry_after))]).running() as sandbox:
            assert listing(sandbox).headers.get("retry-after") == retry_after


def test_bodies_that_are_no_listing() -> None:
    with Sandbox(world()).running() as sandbox:
        sandbox.inject(OnListing(ErrorStatus(times=1)))
        assert listing(sandbox).json() == {"status": "ERROR", "message": "An error occured. pleae try again"}
        sandbox.inject(OnListing(HtmlPage("text/html", times=1)))
        page = listing(sandbox)
        assert (page.status, page.headers["content-type"]) == (200, "text/html")
        sandbox.inject(OnListing(CutBody(0.5, times=1)))
        with pytest.raises(json.JSONDecodeError):
            listing(sandbox).json()
        sandbox.inject(OnListing(ResetTransfer(0, times=1)))
        with pytest.raises(ConnectionError):
            listing(sandbox)
        assert listing(sandbox).status == 200


def test_a_page_repeated_for_ever() -> None:
    with Sandbox(world(), faults=[OnListing(RepeatedPage())]).running() as sandbox:
        assert ids(sandbox, 1) == ids(sandbox, 2) == ids(sandbox, 99)
        data = listing(sandbox, page=99).json()["data"]
        assert (data["current_page"], data["last_page"]) == (99, 100)


def test_an_empty_page_with_more_to_come() -> None:
    with Sandbox(world(), faults=[OnListing(EmptyPage(), page=2)]).running() as sandbox:
        data = listing(sandbox, page=2).json()["data"]
        assert (data["data"], data["last_page"], data["total"]) == ([], 3, 40)
        assert len(ids(sandbox, 3)) == 10


@pytest.mark.parametrize("dialect", ["paged", "resource"])
def test_counts_that_lie(dialect: Dialect) -> None:
    faults = [OnListing(LastPage()), OnListing(WrongTotal(-7))]
    with Sandbox(world(), dialect=dialect, faults=faults).running() as sandbox:
        document = listing(sandbox).json()
        about = document["data"] if dialect == "paged" else document["meta"]
        assert (about["last_page"], about["total"]) == (10**9, 33)
        assert ids(sandbox, 10**9) == []


@pytest.mark.parametrize("dialect", ["flat", "paged", "resource"])
@pytest.mark.parametrize("data", [None, {}, "", ABSENT])
def test_data_that_is_none(dialect: Dialect, data: Any) -> None:
    with Sandbox(world(), dialect=dialect, faults=[OnListing(DataIs(data))]).running() as sandbox:
        document = listing(sandbox).json()
    assert document["status"] == "OK"
    assert ("data" not in document) if data is ABSENT else (document["data"] == data)


def test_an_id_twice_with_other_content() -> None:
    with Sandbox(world(), faults=[OnListing(DuplicatedRow(), page=1)]).running() as sandbox:
        first, *_, last = rows(listing(sandbox))
        assert first["id"] == last["id"]
        assert first["duration"] != last["duration"] == "00:09:59"


@pytest.mark.parametrize("report", ["recordings", "calls"])
def test_rows_inserted_push_the_later_pages_down_once(report: Any) -> None:
    faults = [OnListing(RowsInserted(2), report=report, page=1)]
    with Sandbox(world(), faults=faults).running() as sandbox:
        before, after = ids(sandbox, 1, report), ids(sandbox, 2, report)
        assert after[:2] == before[-2:]
        again = ids(sandbox, 1, report)
        assert (again[2:], ids(sandbox, 2, report)) == (before[:-2], after)


@pytest.mark.parametrize("report", ["recordings", "calls"])
def test_rows_removed_hide_the_first_of_the_next_page(report: Any) -> None:
    with Sandbox(world()).running() as sandbox:
        true_second = ids(sandbox, 2, report)
        sandbox.inject(OnListing(RowsRemoved(3), report=report, page=1))
        first = rows(listing(sandbox, report))
        assert ids(sandbox, 2, report)[0] == true_second[3]
        assert ask(str(first[0]["audio"])).status == 200  # gone from the listing, not from the store


def test_moves_of_nothing_are_nothing() -> None:
    faults = [OnListing(RowsInserted(2)), OnListing(RowsRemoved(2))]
    with Sandbox(faults=faults).running() as sandbox:
        assert ids(sandbox, 1) == ids(sandbox, 1, "calls") == []


@pytest.mark.parametrize("dialect", ["flat", "paged", "resource"])
def test_rows_that_are_hard_to_read(dialect: Dialect) -> None:
    faults: tuple[RecordingFault, ...] = (
        WithoutField("id"),
        WithField("id", "../../etc/passwd"),
        WithField("created_at", "yesterday"),
        WithField("duration", "1h 3m"),
        NumbersAsIntegers(),
        MoreFields({"sentiment": {"score": 0.5}}),
    )
    made = World.generate(recordings=len(faults))
    for recording, fault in zip(made.recordings(), faults, strict=True):
        made.replace(recording.evolve(faults=(fault,)))
    with Sandbox(made, dialect=dialect).running() as sandbox:
        first, second, third, fourth, fifth, sixth = rows(listing(sandbox))
    assert "id" not in first
    assert second["id"] == "../../etc/passwd"
    assert (third["created_at"], fourth["duration"]) == ("yesterday", "1h 3m")
    assert isinstance(fifth["call_from"], int)
    assert sixth["sentiment"] == {"score": 0.5}

"""Three wrappings of a report, told apart per answer; and everything that is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.source.dialects import Envelope, UnusableAnswer, unwrap

ROW = {"id": "c136768e-8c0e-11e9-b795-6c2b59c79f5a", "duration": "00:01:33"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def read(answer: Any) -> Envelope:
    return unwrap(json.dumps(answer).encode())


def facts(answer: Any) -> tuple[object, ...]:
    found = read(answer)
    return found.dialect, found.rows, found.not_rows, found.total, found.last_page, found.more


def test_flat() -> None:
    assert facts({"status": "OK", "data": [ROW]}) == ("flat", (ROW,), 0, None, None, False)


def test_paged() -> None:
    answer = {"status": "OK", "data": {"current_page": 1, "data": [ROW], "last_page": 3, "total": 31}}
    assert facts(answer) == ("paged", (ROW,), 0, 31, 3, None)


def test_resource_is_not_taken_for_flat() -> None:
    answer = {"status": "OK", "data": [ROW], "links": {"next": None}, "meta": {"last_page": 2, "total": 16}}
    assert facts(answer) == ("resource", (ROW,), 0, 16, 2, False)


@pytest.mark.parametrize(
    ("answer", "more"),
    [
        ({"data": [ROW]}, False),
        ({"data": [ROW], "links": {"next": "https://host/?page=2"}}, False),  # flat: every row at once, whatever else
        ({"data": {"data": [ROW]}}, None),
        ({"data": {"data": [ROW], "next_page_url": None}}, False),
        ({"data": {"data": [ROW], "next_page_url": "https://host/?page=2"}}, True),
        ({"data": {"data": [ROW], "next_page_url": "/?page=2", "last_page": 1, "total": 1}}, True),
        ({"data": {"data": [ROW]}, "links": {"next": "https://host/?page=2"}}, None),  # not where this dialect says it
        ({"data": [ROW], "meta": {}}, None),
        ({"data": [ROW], "meta": {}, "links": {}}, None),
        ({"data": [ROW], "meta": {}, "links": None}, None),
        ({"data": [ROW], "meta": {}, "links": [{"next": "https://host/?page=2"}]}, None),
        ({"data": [ROW], "meta": {}, "links": {"next": None, "prev": "https://host/?page=1"}}, False),
        ({"data": [ROW], "meta": {}, "links": {"next": "https://host/?page=2"}}, True),
        ({"data": [], "meta": {"total": 0}, "links": {"next": None}}, False),
        ({"data": [], "meta": {"total": 0}, "links": {"next": "https://host/?page=2"}}, True),
        ({"data": None, "meta": {"total": 0}}, None),
    ],
)
def test_whether_a_next_page_is_named(answer: dict[str, Any], more: bool | None) -> None:
    assert read({"status": "OK", **answer}).more is more


def test_a_paginator_that_counts_nothing_states_neither_total_nor_last_page() -> None:
    answer = {"status": "OK", "data": {"current_page": 1, "data": [ROW], "next_page_url": "https://host/?page=2"}}
    assert facts(answer) == ("paged", (ROW,), 0, None, None, True)


@pytest.mark.parametrize("status", ["OK", "200", 200])
def test_success_has_three_spellings(status: object) -> None:
    assert read({"status": status, "data": []}).rows == ()


def test_counts_may_come_as_strings() -> None:
    assert read({"status": "OK", "data": [ROW], "meta": {"last_page": "2", "total": "16"}}).total == 16


def test_a_missing_last_page_follows_from_the_total() -> None:
    assert read({"status": "OK", "data": [ROW] * 15, "meta": {"total": 31}}).last_page == 3


@pytest.mark.parametrize("data", [{}, None, []])
def test_nothing_is_nothing_where_the_total_says_so(data: object) -> None:
    assert read({"status": "OK", "data": data, "meta": {"total": 0, "last_page": 1}}).rows == ()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"status":"ERROR","message":"An error occured. pleae try again"}', "status 'ERROR'"),
        (b"<!DOCTYPE html><html></html>", "HTML"),
        (b'{"status":"OK","data":[{"id":', "not whole JSON"),
        (b"", "not whole JSON"),
        (b"[]", "not an object"),
        (b"\xff\xfe", "not whole JSON"),
        (b"[" * 100_000, "not whole JSON"),
        (b'{"status":"OK"}', "absent"),
        (b'{"status":"OK","data":null}', "null"),
        (b'{"status":"OK","data":{}}', "an empty object"),
        (b'{"status":"OK","data":null,"meta":{"total":4}}', "NoneType where a total of 4"),
    ],
)
def test_what_is_no_report_says_why(body: bytes, words: str) -> None:
    with pytest.raises(UnusableAnswer, match=words):
        unwrap(body)


@settings(max_examples=500)
@given(JSON, JSON, st.sampled_from(["OK", 200, "ERROR", None]))
def test_any_document_is_read_or_refused(data: object, meta: object, status: object) -> None:
    try:
        envelope = read({"status": status, "data": data, "meta": meta})
    except UnusableAnswer:
        return
    assert status in ("OK", 200)
    assert all(isinstance(row, dict) for row in envelope.rows)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with pytest.raises(UnusableAnswer):
        unwrap(body)

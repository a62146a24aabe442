"""What counts as a change of a row, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from archiver.rules.row_changes import changed_fields, detail_of, misfit

SAME = (5.0, 5.0)
ROW: dict[str, Any] = {"id": "a", "duration": "00:00:05", "call_from": "919812345678", "call_id": None, "audio": None}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, ()),
        ({"call_from": "919800000000"}, ("call_from",)),
        ({"call_id": "c-1"}, ("call_id",)),
        ({"audio": "https://host/path"}, ("audio",)),
        ({"audio": "https://host/path", "call_id": "c-1"}, ("audio", "call_id")),
        ({"call_from": 919812345678}, ()),  # a dialect that sends numbers
        ({"serial": 7, "duration": "5"}, ()),  # of the listing; and the same length in other words
        ({"agent_id": "0", "user_id": "7"}, ()),  # a dialect with more fields
    ],
)
def test_fields_that_changed(changes: dict[str, Any], fields: tuple[str, ...]) -> None:
    assert changed_fields({"serial": 3, **ROW}, {"serial": 3, **ROW, **changes}, SAME) == fields


def test_a_field_that_is_filled_in_where_there_was_none() -> None:
    before = {name: value for name, value in ROW.items() if name not in ("call_id", "audio")}
    assert changed_fields(before, {**ROW, "call_id": "c-1", "audio": None}, SAME) == ("call_id",)


def test_a_duration_by_its_seconds() -> None:
    assert changed_fields(ROW, {**ROW, "duration": "00:00:07"}, (5.0, 7.0)) == ("duration",)
    assert changed_fields(ROW, {**ROW, "duration": None}, (5.0, None)) == ()
    assert detail_of(("call_id", "duration"), (5.0, 7.0)) == {"fields": ["call_id", "duration"], "duration": [5.0, 7.0]}


def test_no_value_and_no_odd_name_is_told() -> None:
    detail = detail_of(("+919812345678", "call_from", "x" * 50), SAME)
    assert detail == {"fields": ["(a field of another name)", "call_from", "(a field of another name)"]}


def test_a_corrected_duration_is_held_against_the_audio() -> None:
    assert misfit(5.4, 5.0, (-1.1, 1.5)) == ""
    assert misfit(6.5, 5.0, (-1.1, 1.5)) == ""
    assert misfit(5.4, 14.0, (-1.1, 1.5)) == "the source now says 14 s, its audio has 5.4 s"

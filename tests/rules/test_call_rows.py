"""What makes two call log rows the same, and a row a line."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.rules import keys
from archiver.rules.call_rows import digest_of, digest_of_all, id_of, line_of, row_of

DAY = date(2026, 9, 22)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES).map(lambda row: row | {"id": "a"}))
def test_a_row_comes_back_verbatim_from_one_line(row: dict[str, Any]) -> None:
    line = line_of(row)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert row_of(line) == row
    assert list(row_of(line)) == list(row)
    assert digest_of(row_of(line)) == digest_of(row)


def test_a_lone_surrogate_stays_what_it_was() -> None:
    row = {"id": "a", "name": "\ud800 é"}
    assert row_of(line_of(row)) == row


def test_fields_of_the_listing_make_no_change_and_all_others_do() -> None:
    row = {"id": "a", "status": "ANSWER", "serial": 1, "extra": None}
    assert digest_of(row) == digest_of(dict(reversed(row.items())) | {"serial": 2})
    for other in ({"status": "BUSY"}, {"extra": 0}, {"more": 1}):
        assert digest_of(row | other) != digest_of(row)
    assert digest_of({"id": "a"}) != digest_of({"id": "a", "extra": None})


def test_numbers_are_ids_too() -> None:
    assert id_of({"id": 7}) == id_of({"id": "7"}) == "7"


@pytest.mark.parametrize("row", [{}, {"id": None}, {"id": True}, {"id": ["a"]}])
def test_no_id_no_row(row: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="without an id"):
        row_of(json.dumps(row).encode())


@pytest.mark.parametrize("line", [b"", b"[]", b"{", b"\xff\xfe", b'{"id": "a"} {}', b"[" * 200_000])
def test_what_is_no_row_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # json's own words differ
        row_of(line)


def test_the_digest_of_all_depends_on_every_id_and_row() -> None:
    one, other = digest_of({"id": "a"}), digest_of({"id": "b"})
    seen = {
        digest_of_all([]),
        digest_of_all([("a", one)]),
        digest_of_all([("a", other)]),
        digest_of_all([("b", one)]),
        digest_of_all([("a", one), ("b", other)]),
    }
    assert len(seen) == 5


@pytest.mark.parametrize("number", [1, 12, 9999, 10_000])
def test_keys_of_parts_and_copies_are_read_back(number: int) -> None:
    part, copy = keys.call_part_key(DAY, number), keys.call_copy_key(DAY, number)
    assert keys.call_part_of(part) == keys.call_copy_of(copy) == (DAY, number)
    assert keys.call_part_of(copy) is None
    assert keys.call_copy_of(part) is None


def test_the_first_part() -> None:
    assert keys.call_part_key(DAY, 1) == "calls/dt=2026-09-22/part-0001.ndjson.gz"
    assert keys.call_copy_key(DAY, 1) == "calls-parquet/dt=2026-09-22/part-0001.parquet"


@pytest.mark.parametrize(
    "name",
    ["part-1.ndjson.gz", "part-00001.ndjson.gz", "part-0001.ndjson", "part-٠٠٠١.ndjson.gz", "x-part-0001.ndjson.gz"],
)
def test_other_names_are_no_parts(name: str) -> None:
    assert keys.call_part_of(f"calls/dt=2026-09-22/{name}") is None
    assert keys.call_part_of("calls/dt=2026-13-01/part-0001.ndjson.gz") is None

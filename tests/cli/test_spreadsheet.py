"""Nothing that comes from a report acts in the spreadsheet that opens it."""

from __future__ import annotations

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.cli.spreadsheet import ACTING, csv_lines, safe

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
TRICKY = st.builds(lambda lead, rest: lead + rest, st.sampled_from(["", " ", *ACTING]), TEXT)


@pytest.mark.parametrize("lead", ["=", "+", "-", "@", "\t", "\r"])
def test_what_would_act_is_led_by_an_apostrophe(lead: str) -> None:
    assert safe(f"{lead}HYPERLINK(1)") == f"'{lead}HYPERLINK(1)"


def test_our_own_numbers_stay_numbers() -> None:
    assert [safe(each) for each in (-41.0, 3, None, "plain")] == ["-41.0", "3", "", "plain"]


@given(st.lists(st.lists(TRICKY, min_size=2, max_size=2), max_size=5))
def test_no_cell_acts_and_every_text_comes_back(rows: list[list[str]]) -> None:
    read = list(csv.reader(StringIO(csv_lines(["a", "b"], rows), newline="")))[1:]
    assert len(read) == len(rows)
    for cells, originals in zip(read, rows, strict=True):
        for cell, original in zip(cells, originals, strict=True):
            assert not cell.lstrip(" ").startswith(ACTING)
            assert cell.removeprefix("'") == original.replace("\0", "").removeprefix("'")

"""The end of a link, read off its URL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model import Link
from archiver.rules.presign import LONGEST_LIFE, SAFETY, deadline_of, is_fresh

V4 = "https://b.s3.amazonaws.com/k.mp3?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={date}&X-Amz-Expires={expires}"


def test_version_4() -> None:
    assert deadline_of(V4.format(date="20190813T124618Z", expires=3600)) == datetime(
        2019, 8, 13, 13, 46, 18, tzinfo=UTC
    )


def test_names_are_read_in_any_case() -> None:
    url = "https://h/k?x-amz-date=20190813T124618Z&x-amz-expires=60"
    assert deadline_of(url) == datetime(2019, 8, 13, 12, 47, 18, tzinfo=UTC)


def test_version_2() -> None:
    url = "https://b.s3.amazonaws.com/k.mp3?AWSAccessKeyId=A&Expires=1565700378&Signature=s"
    assert deadline_of(url) == datetime(2019, 8, 13, 12, 46, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "X-Amz-Date=20190813T124618Z",
        "X-Amz-Date=yesterday&X-Amz-Expires=3600",
        "X-Amz-Date=20190813T124618Z&X-Amz-Expires=soon",
        "X-Amz-Date=20190813T124618Z&X-Amz-Expires=9" + "9" * 400,
        "Expires=never",
        "Expires=" + "9" * 30,
    ],
)
def test_no_readable_end(query: str) -> None:
    found = deadline_of(f"https://host/key.mp3?{query}")
    assert found is None or found <= datetime(2019, 8, 13, 12, 46, 18, tzinfo=UTC) + LONGEST_LIFE


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz%2DDate=20190813T124618Z&X-Amz-Expires=60",
        "X-Amz-Expires=%360&X-Amz-Date=20190813T124618Z#X-Amz-Expires=1",
        "X-Amz-Date=&X-Amz-Date=20190813T124618Z&X-Amz-Expires=60&X-Amz-Expires=9",
    ],
)
def test_encoded_names_and_values_fragments_and_repetitions(query: str) -> None:
    assert deadline_of(f"https://h/k?{query}") == datetime(2019, 8, 13, 12, 47, 18, tzinfo=UTC)


PIECES = st.sampled_from([*"abHT09/?#&=@:[]\\%.;~_-+ \t\r\n\x00é", "http://", "https://", "HTTP://", "://", "u:p@h"])


@given(st.lists(PIECES, max_size=14).map("".join))
def test_what_is_public_of_a_link_is_what_stands_before_its_query(url: str) -> None:
    """However it was found: most links are not taken apart for it."""
    try:
        parts = urlsplit(url)
        expected = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        expected = "(unreadable link)"
    assert Link(url).public == expected


@given(st.text(max_size=300))
def test_any_text_at_all(text: str) -> None:
    url = f"https://host/key?{text}"
    found = deadline_of(url)
    assert found is None or found.tzinfo is not None


def test_fresh_until_shortly_before_the_end() -> None:
    end = datetime(2026, 11, 1, tzinfo=UTC)
    assert is_fresh(end, end - SAFETY - timedelta(seconds=1))
    assert not is_fresh(end, end - SAFETY)
    assert is_fresh(None, end)


def test_a_link_does_not_print_its_query() -> None:
    link = Link("https://user:pass@host/path.mp3?X-Amz-Signature=secret", None)
    assert "secret" not in f"{link} {link!r}"
    assert "pass" not in f"{link} {link!r}"
    assert str(link) == "https://host/path.mp3"

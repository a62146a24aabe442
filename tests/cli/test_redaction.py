"""The last net: a secret is taken out in every form that the program, or a library, may have given it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from archiver.cli.redaction import Redactor, printable

SECRET = "s3cret/+= with a space"
STARS = "********"


def knowing(*secrets: str) -> Redactor:
    redactor = Redactor()
    for secret in secrets:
        redactor.add(secret)
    return redactor


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        base64.b64encode(SECRET.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
    ],
)
def test_each_form_is_taken_out_whole(form: str) -> None:
    assert knowing(SECRET).clean(f"before {form} after").startswith(f"before {STARS}")
    assert form not in knowing(SECRET).clean(f"before {form} after")


def test_a_secret_that_repr_escapes() -> None:
    secret = "line\nbreak\\and'quote"
    assert knowing(secret).clean(f"value={secret!r}") == f"value={repr(secret)[0]}{STARS}{repr(secret)[-1]}"


@pytest.mark.parametrize(("secret", "known"), [("abc", False), ("abcd", True), ("", False)])
def test_what_is_too_short_to_be_one_stays(secret: str, known: bool) -> None:
    assert knowing(secret).clean("xabcdx") == (f"x{STARS}x" if known else "xabcdx")


def test_the_longer_of_two_goes_first() -> None:
    assert knowing("zzzz", "aazzzzaa").clean("aazzzzaa") == STARS
    assert knowing("token", "token-and-more").clean("token-and-more") == STARS
    assert knowing("token-and-more", "token").clean("token-and-more token") == f"{STARS} {STARS}"


SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=11, max_size=40)
"""In base64 they hold + and / about as often as any other character."""


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@given(SECRETS, st.binary(max_size=9), st.binary(max_size=9))
def test_embedded_in_base64_at_any_place(
    encode: Callable[[bytes], bytes], secret: str, before: bytes, after: bytes
) -> None:
    """Every character of the encoding that depends on the secret alone is gone: six bits, all of them the secret's."""
    encoded = encode(before + secret.encode() + after).decode()
    first, last = 8 * len(before), 8 * (len(before) + len(secret))
    its_own = last // 6 - -(-first // 6)
    cleaned = knowing(secret).clean(encoded)
    assert cleaned.count(STARS) >= 1
    assert len(cleaned.replace(STARS, "")) <= len(encoded) - its_own


@pytest.mark.parametrize(("secret", "known"), [("abcdef", True), ("abcde", False)])
def test_a_run_of_base64_that_is_too_short_to_be_one_stays(secret: str, known: bool) -> None:
    """Seven characters might be a word."""
    run = base64.b64encode(secret.encode()).decode().rstrip("=")
    assert knowing(secret).clean(f"x{run}x") == (f"x{STARS}x" if known else f"x{run}x")
    for before in (b"1", b"12"):
        assert STARS not in knowing(secret).clean(base64.b64encode(before + secret.encode()).decode())


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("GET https://host/a.mp3?X-Amz-Signature=1&b=2 failed", "GET https://host/a.mp3?… failed"),
        ("HTTP://HOST/a?b", "HTTP://HOST/a?…"),
        ('"https://host/a?b"', '"https://host/a?…"'),
        ("https://host/a and ? later", "https://host/a and ? later"),
        ("https://user:word@host/a", "https://…@host/a"),
        ("https://user@host/a?b", "https://…@host/a?…"),
        ("Authorization: Bearer abc.def-ghi", f"Authorization: Bearer {STARS}"),
        ("{'authorization': 'bearer abc', 'x': 1}", f"{{'authorization': 'bearer {STARS}', 'x': 1}}"),
        ("a bearer", "a bearer"),
        ("nothing of it", "nothing of it"),
    ],
)
def test_without_knowing_anything(text: str, cleaned: str) -> None:
    assert Redactor().clean(text) == cleaned


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=8, max_size=30))
def test_any_secret_in_json(secret: str) -> None:
    assume("*" not in secret)
    redactor = knowing(secret)
    assert redactor.clean(secret) == STARS
    assert secret not in redactor.clean(json.dumps({"it": secret}, ensure_ascii=False))


@pytest.mark.parametrize("acting", ["\x00", "\x1b", "\x7f", "\x9b", "\r", "\u202e", "\u2066", "\u200f", "\u2028"])
def test_what_a_terminal_would_act_on_is_shown(acting: str) -> None:
    shown = printable(f"a{acting}b")
    assert acting not in shown
    assert f"{ord(acting):x}" in shown


def test_lines_and_tabs_and_letters_stay() -> None:
    assert printable("a\tb\nc é 漢") == "a\tb\nc é 漢"

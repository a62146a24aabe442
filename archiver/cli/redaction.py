"""Takes secrets out of a line before anybody sees it: the last net, behind code that does not print them at all."""

from __future__ import annotations

import base64
import re
from urllib.parse import quote, quote_plus

_URL_QUERY = re.compile(r"(\bhttps?://[^\s?#\"'<>]+)\?[^\s\"'<>]+", re.IGNORECASE)
_USERINFO = re.compile(r"(\bhttps?://)[^\s/@\"'<>]+@", re.IGNORECASE)
_BEARER = re.compile(r"(\bbearer\s+)[^\s\"',<>]+", re.IGNORECASE)
_SHORTEST = 4
"""A shorter secret would blot out ordinary words, and protects nothing."""

# What a terminal would act on: C0 (but for line feed and tab), DEL, C1, and the marks that reorder text.
_ACTING = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
_ACTING |= {code: f"\\u{code:04x}" for code in (0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))}


class Redactor:
    """Knows the secrets of this process."""

    def __init__(self) -> None:
        self._forms: list[str] = []

    def add(self, secret: str) -> None:
        """Know one more secret, and its URL-encoded and base64 forms."""
        if len(secret) < _SHORTEST:
            return
        forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), repr(secret)[1:-1]}
        forms.update(_base64_forms(secret.encode()))
        self._forms = sorted({*self._forms, *forms}, key=len, reverse=True)

    def clean(self, text: str) -> str:
        """``text`` without known secrets, and without any URL's query, any user in a URL, any bearer token."""
        for form in self._forms:
            text = text.replace(form, "********")
        text = _URL_QUERY.sub(r"\1?…", text)
        text = _USERINFO.sub(r"\1…@", text)
        return _BEARER.sub(r"\1********", text)


def printable(text: str) -> str:
    """``text`` with everything escaped that a terminal would act on, line feeds and tabs excepted."""
    return text.translate(_ACTING)


def _base64_forms(secret: bytes) -> list[str]:
    """The run of base64 that the secret makes at each of the three alignments, wherever it is embedded."""
    forms = []
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + secret).decode()
        start = (0, 2, 3)[shift]
        end = len(whole) - (0, 3, 2)[(shift + len(secret)) % 3]
        if end - start >= 8:
            forms += [whole[start:end], whole[start:end].replace("+", "-").replace("/", "_")]
    return forms

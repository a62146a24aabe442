"""Telephone numbers of two reports brought to one form, so that the parties of a call and of a recording compare.

Reports write the same number as ``32470123456``, ``+32 470 12 34 56``, ``0032470123456`` or ``0470/12.34.56``, and
leave it out where the caller withheld it. Needs the package ``phonenumbers`` (extra ``reconcile``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

SUFFIX = 7
"""Digits at the end that must be equal for two numbers to be compared at all; shorter numbers must be equal whole."""
WITHHELD_PENALTY = 2.0
"""Cost of a pair in which one report withholds a party that the other names (in units of log-likelihood)."""
_NOT_DIGITS = re.compile(r"\D+")


@dataclass(frozen=True, slots=True)
class Party:
    """One end of a call. ``digits``: E.164 without the plus where the number could be read, else what digits it has."""

    digits: str
    sure: bool
    """True where it was written with an international prefix and is valid: two such that differ are two parties."""

    @property
    def key(self) -> str:
        """Equal for every two parties that may be the same."""
        return self.digits[-SUFFIX:]

    def same(self, other: Party) -> bool:
        """Whether both are one number; by suffix where one of them may lack its country code."""
        if self.digits == other.digits:
            return True
        if self.sure and other.sure:
            return False
        short, long = sorted((self.digits, other.digits), key=len)
        return len(short) >= SUFFIX and long.endswith(short)


class NumberReader:
    """Reads numbers as written; knows from the numbers given to ``learn`` in which country national ones are."""

    def __init__(self) -> None:
        self._seen: dict[str, Party | None] = {}
        self._region: str | None = None

    def learn(self, numbers: Iterable[object]) -> None:
        """Take the country of most numbers that name one for the country of those that do not."""
        import phonenumbers

        codes: Counter[int] = Counter()
        for text in sorted({text for number in numbers if (text := _text(number))}):
            parsed = _parsed(_international(text))
            if parsed is not None and parsed.country_code is not None:
                codes[parsed.country_code] += 1
        if codes:
            most = min(codes, key=lambda code: (-codes[code], code))
            self._region = phonenumbers.region_code_for_country_code(most)
        self._seen.clear()

    def read(self, number: object) -> Party | None:
        """The party; None where it is withheld or no number (``anonymous``, empty, null)."""
        text = _text(number)
        if not text:
            return None
        if text not in self._seen:
            self._seen[text] = self._read(text)
        return self._seen[text]

    def _read(self, text: str) -> Party | None:
        digits = _NOT_DIGITS.sub("", text)
        if not digits.strip("0"):
            return None
        explicit = text.startswith(("+", "00"))
        parsed = _parsed(_international(text)) if explicit or not text.startswith("0") else None
        if parsed is None and not explicit and self._region is not None:
            parsed = _parsed(text, self._region)
        if parsed is None:
            return Party(digits.lstrip("0"), sure=False)
        return Party(f"{parsed.country_code}{parsed.national_number}", sure=explicit)


def agreement(call: tuple[Party | None, ...], recording: tuple[Party | None, ...]) -> float | None:
    """Cost of taking a recording's two parties for two of a call's; None if they contradict each other.

    ``call`` is from, to, and possibly a bridge behind them; the direction does not matter. A withheld party may be
    anybody, at a price unless both reports withhold one.
    """
    known = [party for party in call if party is not None]
    hidden = call[:2].count(None)
    strangers = 0
    for party in recording:
        if party is not None and not any(party.same(other) for other in known):
            strangers += 1
    withheld = recording.count(None)
    if strangers > hidden:
        return None
    if withheld + strangers == 0:
        return 0.0
    return WITHHELD_PENALTY * (strangers + max(0, withheld - hidden))


def _text(number: object) -> str:
    if isinstance(number, int) and not isinstance(number, bool):
        number = str(number)
    return number.strip() if isinstance(number, str) else ""


def _international(text: str) -> str:
    digits = _NOT_DIGITS.sub("", text)
    return "+" + (digits.removeprefix("00") if not text.startswith("+") else digits)


def _parsed(text: str, region: str | None = None) -> Any:
    """A valid number as the library reads it, or None."""
    import phonenumbers

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None

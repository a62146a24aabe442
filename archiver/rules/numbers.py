"""A party of a call as a report names it."""

from __future__ import annotations


def number_of(value: object) -> str | None:
    """Digits as a rule, without a plus; webhooks send integers. None if it is withheld, or nothing that names one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip().lstrip("+") or None if isinstance(value, str) else None

"""Numbers of things, as people say them."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """``1 recording``, ``2 recordings``: ``thing`` is what one is called."""
    return f"{number} {thing}{'s' * (number != 1)}"

"""Has the source changed what it says of a recording? Told by field names: values may be phone numbers.

Rows of two dialects differ in the fields they carry; that one was absent, or is absent now, is no change, except for
the fields that a source is known to fill in later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from archiver.model import Row
from archiver.rules.call_rows import VOLATILE

FILLED_IN = frozenset({"audio", "call_id"})
MOST_FIELDS = 20
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")


def changed_fields(before: Row, after: Row, seconds: tuple[float | None, float | None]) -> tuple[str, ...]:
    """Names of the fields in which the two rows differ, sorted; ``seconds``: the durations read from them.

    A duration counts by its seconds, whatever it is written as, and one that is no longer given is no change.
    """
    names = {name for name in before.keys() & after.keys() if _plain(before[name]) != _plain(after[name])}
    names |= {name for name in FILLED_IN & after.keys() if before.get(name) is None and after[name] is not None}
    names -= VOLATILE | {"duration"}
    if seconds[1] is not None and seconds[0] != seconds[1]:
        names.add("duration")
    return tuple(sorted(names))


def detail_of(fields: tuple[str, ...], seconds: tuple[float | None, float | None]) -> Mapping[str, Any]:
    """For the event row: no value but the durations, and no name that is not one of a field."""
    told = [name if _NAME.fullmatch(name) else "(a field of another name)" for name in fields[:MOST_FIELDS]]
    return {"fields": told, **({"duration": list(seconds)} if "duration" in fields else {})}


def misfit(length: float, duration: float, tolerance: tuple[float, float]) -> str:
    """What speaks against archived audio of this measured length if its duration was corrected; empty if nothing."""
    least, greatest = tolerance
    delta = length - duration
    if least <= delta <= greatest:
        return ""
    return f"the source now says {duration:g} s, its audio has {length:.1f} s"


def _plain(value: object) -> object:
    """Numbers come as text or as such, depending on the dialect."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value

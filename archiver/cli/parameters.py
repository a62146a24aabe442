"""Command-line values with units."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import click

from archiver.errors import UsageInvalid

FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2200, 1, 1)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


class Day(click.ParamType[date]):
    """``YYYY-MM-DD``, a UTC day."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """A date; usage error for anything else."""
        if isinstance(value, date):
            return value
        try:
            day = date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a day: write it as 2026-09-22", param, ctx)
        if not FIRST_DAY <= day <= LAST_DAY:
            self.fail(f"{value} is not a day on which anything was recorded", param, ctx)
        return day


def in_order(first: date | None, last: date | None) -> None:
    """UsageInvalid if ``--to`` is before ``--from``."""
    if first is not None and last is not None and last < first:
        raise UsageInvalid(f"--to {last} is before --from {first}", "both days are included; swap them?")


class Duration(click.ParamType[float]):
    """``90``, ``90s``, ``15m``, ``2h`` or ``1d``: seconds as a float."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds; usage error for anything else."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", str(value).strip().lower())
        if found is None:
            self.fail(f"{value!r} is not a duration: write it as 90s, 15m, 2h or 1d", param, ctx)
        return float(found[1]) * _SECONDS[found[2] or "s"]


class Size(click.ParamType[int]):
    """``1048576``, ``500M`` or ``10GiB``: bytes; the letters are powers of 1024."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes; usage error for anything else."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", str(value).strip().lower())
        if found is None:
            self.fail(f"{value!r} is not a size: write it as 500M or 10GiB", param, ctx)
        return int(float(found[1]) * _BYTES[found[2]])


class Percentage(click.ParamType[float]):
    """``5%`` or ``0.1%``: a part of one as a float."""

    name = "percentage"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Above 0, at most 1; usage error for anything else."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", str(value).strip())
        if found is None or not 0 < float(found[1]) <= 100:
            self.fail(f"{value!r} is not a percentage: write it as 5% or 0.1%", param, ctx)
        return float(found[1]) / 100


class ShardOf(click.ParamType[tuple[int, int]]):
    """``3/30``: the third of thirty."""

    name = "shard"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Number, from 1, and total; usage error for anything else."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", str(value).strip())
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            self.fail(f"{value!r} is not a shard: write it as 1/30, from 1/30 to 30/30", param, ctx)
        return int(found[1]), int(found[2])


class InFlight(click.ParamType[int | str]):
    """A number from 1 to 1024, or ``auto``."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """The number, or ``auto``; usage error for anything else."""
        return "auto" if value == "auto" else click.IntRange(1, 1024).convert(value, param, ctx)

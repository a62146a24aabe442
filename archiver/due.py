"""The days that a run is to list: those that were asked for, else those that are due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from archiver.budget import Budget
from archiver.clock import Clock
from archiver.config import Config
from archiver.manifest.interface import Manifest
from archiver.model import Window
from archiver.rules import windows


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks of a run."""

    first: date | None = None
    """First UTC day; None: every day that is not closed, and the lookback (``rules.windows.due``)."""
    last: date | None = None
    """Last UTC day, included; None: today."""
    budget: Budget = field(default_factory=Budget)
    days: Sequence[date] = ()
    """These UTC days and no others, if there are any."""


async def due_windows(config: Config, request: Request, manifest: Manifest | None, clock: Clock) -> tuple[Window, ...]:
    """The windows that a run is to list, oldest first."""
    now, settings = clock.now(), config.windows
    if request.days:
        return tuple(Window.of_day(day) for day in sorted(set(request.days)))
    if request.first is not None:
        return tuple(windows.days(request.first, request.last or max(request.first, now.date())))
    first = Window.of_day(windows.first_day(now, settings.since)).start
    closed = await manifest.closed(first) if manifest else set()
    unsettled = await manifest.unsettled() if manifest else set()
    due = windows.due(now, settings.since, settings.lookback_days, closed, unsettled)
    if request.last is None:
        return tuple(due)
    return tuple(window for window in due if window.day <= request.last) or (Window.of_day(request.last),)


async def watermark(config: Config, manifest: Manifest, clock: Clock) -> datetime:
    """Before it every window is closed."""
    now, since = clock.now(), config.windows.since
    closed = await manifest.closed(Window.of_day(windows.first_day(now, since)).start)
    return windows.watermark(now, since, closed, await manifest.unsettled())

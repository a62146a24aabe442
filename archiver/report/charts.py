"""The charts of a report as shapes: where every bar, dot and word stands. The page only draws them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from archiver.manifest.interface import Measured, RunRecord

WIDTH, HEIGHT = 400.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 10.0, 12.0, 40.0
SPAN = 2.5
"""Seconds to either side that the charts of differences show; what is further out stands at the edge."""
LEAST = 2.0
"""Height of the smallest bar: what is there can be seen, however little."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle, with what it says."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    says: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A circle (accepted) or a cross (rejected), with what it says."""

    x: float
    y: float
    radius: float
    kind: str
    says: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A word at an axis, or a line across."""

    at: float
    word: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn."""

    bars: Sequence[Bar] = ()
    dots: Sequence[Dot] = ()
    across: Sequence[Mark] = ()
    """Marks of the horizontal axis, by x."""
    upwards: Sequence[Mark] = ()
    """Marks of the vertical axis, by y."""
    limits: Sequence[float] = ()
    """Where the accepted span ends: x of a histogram, y of a scatter."""


def histogram(measured: Sequence[Measured], tolerance: tuple[float, float]) -> Chart:
    """How many recordings by difference, accepted and rejected, in steps of a quarter of a second."""
    steps = round(2 * SPAN / 0.25) + 1
    counts: dict[str, Counter[int]] = {"accepted": Counter(), "rejected": Counter()}
    for each in _with_difference(measured):
        place = round((_within(each.difference) + SPAN) / 0.25)
        counts[_kind(each)][place] += each.count
    most = max((sum(counter[place] for counter in counts.values()) for place in range(steps)), default=0)
    width = (WIDTH - LEFT - RIGHT) / steps
    bars = []
    for place in range(steps):
        floor = HEIGHT - BOTTOM
        for kind, counter in counts.items():
            if not counter[place]:
                continue
            height = max(LEAST, (HEIGHT - TOP - BOTTOM) * counter[place] / most)
            floor -= height
            said = f"{counter[place]} {kind}, {_difference_words(place * 0.25 - SPAN)}"
            bars.append(Bar(LEFT + place * width + 1, floor, width - 2, height, kind, said))
    return Chart(
        bars=bars,
        across=[Mark(_x(each), _signed(each)) for each in (-2, -1, 0, 1, 2)],
        upwards=[Mark(_up(value, most), str(value)) for value in _ticks(most)],
        limits=[_x(limit) for limit in tolerance if abs(limit) <= SPAN],
    )


def scatter(measured: Sequence[Measured], tolerance: tuple[float, float]) -> Chart:
    """Reported duration across (each class twice as wide as half the next), difference upwards, a dot per group."""
    places: Counter[tuple[float, float, str]] = Counter()
    for each in _with_difference(measured):
        places[each.reported or 0.0, _within(each.difference), _kind(each)] += each.count
    most = max(places.values(), default=1)
    dots = [
        Dot(
            x=_along(reported * 1.2 if reported else 0.7),
            y=_y(difference),
            radius=2.5 + 6 * math.sqrt(count / most),
            kind=kind,
            says=f"{count} {kind} of about {reported:g} s, {_difference_words(difference)}",
        )
        for (reported, difference, kind), count in sorted(places.items(), key=lambda item: -item[1])
    ]
    return Chart(
        dots=dots,
        across=[
            Mark(_along(value), word)
            for value, word in ((1, "1 s"), (10, "10 s"), (60, "1 min"), (600, "10 min"), (3600, "1 h"))
        ],
        upwards=[Mark(_y(each), _signed(each)) for each in (-2, -1, 0, 1, 2)],
        limits=[_y(limit) for limit in tolerance if abs(limit) <= SPAN],
    )


def throughput(runs: Sequence[RunRecord]) -> Chart:
    """Recordings archived a second, per run that archived any; time goes from left to right."""
    rates = [(run, rate) for run in runs if (rate := recordings_per_second(run)) > 0]
    most = max((rate for _, rate in rates), default=0.0)
    width = (WIDTH - LEFT - RIGHT) / max(8, len(rates))
    bars = [
        Bar(
            x=LEFT + number * width + width * 0.12,
            y=HEIGHT - BOTTOM - (height := max(LEAST, (HEIGHT - TOP - BOTTOM) * rate / most)),
            width=width * 0.76,
            height=height,
            kind="accepted",
            says=f"{run.started_at:%Y-%m-%d %H:%M}: {rate:.2f} recordings a second",
        )
        for number, (run, rate) in enumerate(rates)
    ]
    ends = [(0, rates[0][0]), (len(rates) - 1, rates[-1][0])][: len(rates)] if rates else []
    across = [Mark(LEFT + (number + 0.5) * width, f"{run.started_at:%d %b %H:%M}") for number, run in ends]
    return Chart(bars=bars, across=across, upwards=[Mark(_up(each, most), f"{each:g}") for each in _ticks(most)])


def recordings_per_second(run: RunRecord) -> float:
    """0 where it archived none."""
    seconds = float(run.summary.get("seconds") or 0)
    return float(run.summary.get("archived") or 0) / seconds if seconds > 0 else 0.0


def _with_difference(measured: Sequence[Measured]) -> list[Measured]:
    return [each for each in measured if each.difference is not None]


def _kind(each: Measured) -> str:
    return "rejected" if each.grade == "rejected" else "accepted"


def _within(difference: float | None) -> float:
    return max(-SPAN, min(SPAN, difference or 0.0))


def _x(difference: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (difference + SPAN + 0.125) / (2 * SPAN + 0.25)


def _y(difference: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (SPAN - difference) / (2 * SPAN)


def _along(seconds: float) -> float:
    least, most = math.log(0.6), math.log(10800)
    return LEFT + (WIDTH - LEFT - RIGHT) * (math.log(seconds) - least) / (most - least)


def _up(value: float, most: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / most


def _ticks(most: float) -> list[float]:
    """Round numbers up to ``most``, two to five of them."""
    if most <= 0:
        return []
    step = 10 ** math.floor(math.log10(most))
    if most / step < 2:
        step /= 2
    elif most / step >= 5:
        step *= 2
    ticks = [round(number * step, 6) for number in range(1, int(most / step + 1e-9) + 1)]
    return [int(tick) if tick == int(tick) else tick for tick in ticks]


def _signed(seconds: float) -> str:
    return f"{seconds:+g} s" if seconds else "0"


def _difference_words(seconds: float) -> str:
    edge = "or more " if abs(seconds) >= SPAN else ""
    if abs(seconds) < 0.05:
        return "as long as reported"
    return f"{abs(seconds):.2g} s {edge}{'longer' if seconds > 0 else 'shorter'} than reported"

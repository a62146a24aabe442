"""CPU milliseconds per recording and level: ``python -m benchmarks.verify``. Least of many runs, one thread.

The audio is the sandbox's: telephone MP3 at 8 kHz, constant bitrate without header, variable bitrate with Xing, LAME
tag and music CRC; and G.711 in WAV. The last rows are means over recordings of the mix that ``make bench`` moves, with
their SHA-256 known as the pipeline knows it. The exit status is 1 if a figure promised for 400 KB is not reached.
"""

from __future__ import annotations

import hashlib
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import click

from archiver.audio import probe
from archiver.model import Digest
from archiver.rules.verdict import Expectation, Level, judge
from archiver.sandbox import World
from archiver.sandbox.mp3 import Mp3Form, render, seconds_for

SIZES = {"60 KB": 60_000, "400 KB": 400_000, "2 MB": 2_000_000}
ROUNDS = 25
MIXED = 120
PROMISED = {("MP3 16 kbit/s CBR", "400 KB"): 0.6, ("MP3 VBR, Xing + LAME", "400 KB"): 1.2}
"""Milliseconds at the full level."""


def mp3(form: Mp3Form, size: int) -> bytes:
    """An MP3 of about ``size`` bytes."""
    seconds = seconds_for(form, size)
    return render(form, seconds * size / len(render(form, seconds, 1)), 1)  # variable bitrate is less than it may be


def wav(size: int) -> bytes:
    """µ-law at 8 kHz, of something that is not silence."""
    body = bytes(range(1, 255)) * (size // 254)
    fmt = b"fmt \x12\0\0\0\x07\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0\0\0"
    data = b"data" + len(body).to_bytes(4, "little") + body
    return b"RIFF" + (4 + len(fmt) + len(data)).to_bytes(4, "little") + b"WAVE" + fmt + data


FORMATS: dict[str, Callable[[int], bytes]] = {
    "MP3 16 kbit/s CBR": lambda size: mp3(Mp3Form(8_000, 16), size),
    "MP3 32 kbit/s CBR, Info + LAME": lambda size: mp3(Mp3Form(16_000, 32, info=True), size),
    "MP3 VBR, Xing + LAME": lambda size: mp3(Mp3Form(8_000, 32, vbr=True, info=True), size),
    "MP3 VBR, no header": lambda size: mp3(Mp3Form(8_000, 32, vbr=True), size),
    "MP3 44.1 kHz 64 kbit/s stereo": lambda size: mp3(Mp3Form(44_100, 64, channels=2), size),
    "WAV µ-law": wav,
}


def least(data: bytes | bytearray, level: Level, whole: Digest | None = None) -> float:
    """CPU milliseconds of probe and verdict, the least of ``ROUNDS``."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time_ns()
        judge(probe(data, level=level, whole=whole), Expectation(10.0, level=level))
        best = min(best, time.process_time_ns() - begun)
    return best / 1e6


@dataclass(frozen=True)
class Mixed:
    """One recording of the mix, and what it costs at each level."""

    varies: bool
    size: int
    frames: int
    costs: tuple[float, ...]


def mixed() -> list[Mixed]:
    """Recordings of the mix, measured."""
    world = World.generate(seed=1, recordings=MIXED, days=3, sizes="realistic")
    measured = []
    for recording in world.recordings():
        data = bytearray(world.audio_bytes(recording.id))
        whole = Digest("sha256", hashlib.sha256(data).hexdigest())
        facts = probe(data)
        costs = tuple(least(data, level, whole) for level in Level)
        measured.append(Mixed(facts.details["stream"]["mode"] == "vbr", len(data), facts.frames or 0, costs))
    return measured


def mean_row(name: str, recordings: list[Mixed]) -> str:
    """The line of the table that tells the means over ``recordings``."""
    size, frames = (
        statistics.mean(values) for values in zip(*((each.size, each.frames) for each in recordings), strict=True)
    )
    costs = (statistics.mean(values) for values in zip(*(each.costs for each in recordings), strict=True))
    cells = " | ".join(f"{cost:.3f}" for cost in costs)
    return f"| mean of the mix, {name} | {len(recordings)} recordings ({size:.0f}) | {frames:.0f} | {cells} |"


def main() -> None:
    """Print the table."""
    missed = []
    click.echo(f"| CPU ms | size | frames | {' | '.join(level.value for level in Level)} |")
    click.echo(f"|---|---:|---:|{'---:|' * len(Level)}")
    for name, make in FORMATS.items():
        for words, size in SIZES.items():
            data = make(size)
            costs = {level: least(data, level) for level in Level}
            frames = probe(data).frames
            cells = " | ".join(f"{cost:.3f}" for cost in costs.values())
            click.echo(f"| {name} | {words} ({len(data)}) | {frames} | {cells} |")
            if costs[Level.FULL] > PROMISED.get((name, words), float("inf")):
                missed.append(f"{name} {words}: {costs[Level.FULL]:.3f} ms")
    measured = mixed()
    click.echo(mean_row("constant bitrate", [each for each in measured if not each.varies]))
    click.echo(mean_row("variable bitrate", [each for each in measured if each.varies]))
    click.echo(mean_row("all", measured))
    for miss in missed:
        click.echo(f"not as promised: {miss}", err=True)
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()

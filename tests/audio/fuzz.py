"""Mutants of good files, for minutes or hours (``make fuzz``).

Any bytes must give facts and a verdict: no exception of any kind, linear time, bounded evidence.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from archiver.audio import probe
from archiver.rules.verdict import Expectation, Level, judge

from . import build

SLOWEST = 0.2
"""CPU seconds for a mutant, and as much again per MiB."""


def mutant(rng: random.Random, seeds: list[bytes]) -> bytes:
    """A good file after a few hostile edits."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not data:
            break
        at = rng.randrange(len(data))
        size = rng.choice((1, 2, 4, 8, 64, 1024))
        match rng.randrange(8):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at : at + size] = rng.randbytes(size)
            case 2:
                del data[at : at + size * 8]
            case 3:
                data[at:at] = data[at : at + size * 8]
            case 4:
                data[at : at + 4] = rng.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\0\0\0\1"))
            case 5:
                del data[at:]
            case 6:
                other = rng.choice(seeds)
                data[at : at + size] = other[: size * 4]
            case _:
                early = rng.randrange(min(len(data), 120))
                data[early] = rng.randrange(256)
    return bytes(data)


def trouble(data: bytes) -> str:
    """What is wrong with how ``data`` was taken; empty if nothing is."""
    for level in Level:
        begun = time.process_time()
        try:
            facts = probe(data, level=level)
            judge(facts, Expectation(4.0, level=level))
        except BaseException as problem:
            return f"{level}: {type(problem).__name__}: {problem}"
        spent = time.process_time() - begun
        failed = [found for found in facts.findings if found.code == "probe_failed"]
        if failed:
            return f"{level}: {failed[0]}"
        if spent > SLOWEST * (1 + len(data) / 2**20):
            return f"{level}: {spent:.2f} s for {len(data)} bytes"
    return ""


@dataclass
class Fuzz:
    """What was tried, and each offender with the file that holds it."""

    tried: int = 0
    offenders: list[str] = field(default_factory=list)


def fuzz(seconds: float, seed: int, folder: Path = Path("fuzz-offenders")) -> Fuzz:
    """Try mutants for so long; offenders are written to ``folder``."""
    rng, told = random.Random(seed), Fuzz()
    seeds = [data for data, _ in build.GOOD.values()]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = mutant(rng, seeds)
        said = trouble(data)
        told.tried += 1
        if said:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{seed}-{told.tried}.bin"
            path.write_bytes(data)
            told.offenders.append(f"{path}: {said}")
    return told

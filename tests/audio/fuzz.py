"""Mutants of good files, for minutes or hours: ``cd tests && python -m audio.fuzz --seconds 600 --seed 7``.

Any bytes must give facts and a verdict: no exception of any kind, linear time, bounded evidence. Prints what it found,
writes each offender to a file, and ends with status 1 if there was one.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
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


def fuzz(seconds: float, seed: int, folder: Path) -> int:
    """Try mutants for so long; the number of offenders."""
    rng = random.Random(seed)
    seeds = [data for data, _ in build.GOOD.values()]
    end, tried, bad = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        data = mutant(rng, seeds)
        said = trouble(data)
        tried += 1
        if said:
            bad += 1
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{seed}-{tried}.bin"
            path.write_bytes(data)
            sys.stderr.write(f"{path}: {said}\n")
    sys.stdout.write(f"{tried} mutants, {bad} offenders\n")
    return bad


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", type=Path, default=Path("fuzz-offenders"))
    asked = parser.parse_args()
    sys.exit(bool(fuzz(asked.seconds, asked.seed, asked.folder)))


if __name__ == "__main__":
    main()

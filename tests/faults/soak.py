"""Thousands of schedules of a bad network, in several processes: they wait more than they work."""

from __future__ import annotations

import logging
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from archiver.sandbox import World
from tests.faults.lab import AWS
from tests.faults.schedules import endure, station
from tests.stories.bucket_server import BucketServer

PORTION = 100
"""Schedules at a time, in one process."""


@dataclass
class Endured:
    """What came of some schedules."""

    schedules: int = 0
    connections_met: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


def endured(schedules: int, seed: int, home: Path) -> Endured:
    """So many: nine portions of ten to a directory, one to a bucket."""
    sizes = [min(PORTION, schedules - done) for done in range(0, schedules, PORTION)]
    work = [(size, seed * 100_000 + n, home, n % 10 == 9) for n, size in enumerate(sizes)]
    told = Endured()
    with ProcessPoolExecutor(2 * (os.cpu_count() or 1), get_context("spawn")) as pool:
        for each in pool.map(portion, *zip(*work, strict=True)):
            told.schedules += each.schedules
            told.connections_met += each.connections_met
            told.codes += each.codes
            told.violations += each.violations
    return told


def portion(schedules: int, seed: int, home: Path, to_bucket: bool) -> Endured:
    """So many, here; of those that violate anything the smallest is told, and the rest are not tried."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    os.environ.update(AWS)
    violations = []
    folder = home / str(seed)
    folder.mkdir()
    with BucketServer() if to_bucket else nullcontext() as server:
        with station(folder, World.generate(seed=seed, recordings=3, days=1), server) as place:
            try:
                endure(place, schedules, seed)
            except AssertionError as violated:
                violations.append(f"seed {seed}: {str(violated)[:2000]}")
        return Endured(place.schedules, place.connections_met, Counter(place.codes), violations)

"""The n-th system call of a kind fails: a short run to a directory under ``strace -e inject``."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.faults.checker import Violation
from tests.faults.lab import AWS, Lab, directory_lab, small_world
from tests.stories.operator import PROGRAM

STRACE = shutil.which("strace")
CALLS = {
    "fsync": 30,
    "link": 12,
    "pwrite64": 60,
    "write": 40,
    "unlink": 10,
    "ftruncate": 4,
    "mkdir": 8,
    "fdatasync": 10,
}
"""System calls, each with a bound for the turn: a short run makes about as many."""
ERRORS = ("EIO", "ENOSPC", "EINTR")
ALLOWED = {0, 3, 4, 10}
"""Complete, worth running again, something quarantined, destination or manifest not usable. Not 1: that is a bug."""


@dataclass(frozen=True)
class Point:
    """The ``turn``-th ``call`` of a thread fails with ``error``."""

    call: str
    error: str
    turn: int

    def __str__(self) -> str:
        return f"{self.call} {self.turn} {self.error}"


def works() -> bool:
    """True if there is an strace that may trace here."""
    if STRACE is None:
        return False
    return subprocess.run([STRACE, "-o", os.devnull, "true"], check=False, capture_output=True).returncode == 0


def points(number: int, seed: int) -> list[Point]:
    """So many, the rarer calls as often as the frequent ones."""
    rng = random.Random(seed)
    made = []
    for each in range(number):
        call = list(CALLS)[each % len(CALLS)]
        made.append(Point(call, rng.choice(ERRORS), rng.randint(1, CALLS[call])))
    return made


def suffer(point: Point, home: Path) -> tuple[bool, list[Violation]]:
    """A run with this failure, and its recovery: whether it fired, and what is violated."""
    world, bad = small_world(271, recordings=3)
    with directory_lab(home, world, bad) as lab:
        fired, code, stderr = _run(lab, point)
        unheard = code == 1 and "stdout cannot be written" in stderr  # the work was done, and nobody was told
        if (code not in ALLOWED and not unheard) or "Traceback" in stderr:
            lab.violations.append(Violation("I4", f"exit code {code}: {stderr[-800:]}"))
        lab.look()
        lab.recover()
        return fired, lab.violations


def _run(lab: Lab, point: Point) -> tuple[bool, int, str]:
    assert STRACE is not None
    log = lab.operator.home / "strace.log"
    inject = f"inject={point.call}:error={point.error}:when={point.turn}"
    tracing = [STRACE, "-f", "-qq", "--seccomp-bpf", "-o", str(log), "-e", f"trace={point.call}", "-e", inject]
    words = ["--config", str(lab.operator.configure()), "run", "--json", *lab.operator.days()]
    done = subprocess.run(
        [*tracing, *PROGRAM, *words], env=os.environ | AWS, capture_output=True, text=True, timeout=240, check=False
    )
    return "(INJECTED)" in log.read_text(), done.returncode, done.stderr

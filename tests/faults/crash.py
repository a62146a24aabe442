"""The crash sweep: SIGKILL at every named step, in the first run and again in the one that recovers from it; and at
random moments. After every death what holds at any time is looked at, after the recovery everything.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from archiver.sandbox import OnAudio, ResetTransfer
from tests.faults.checker import Violation
from tests.faults.lab import Lab, directory_lab, s3_lab, small_world
from tests.faults.launcher import Ended, Started
from tests.faults.steps import DieAt, Step, When, steps_of
from tests.stories.bucket_server import BucketServer

KILLED = -signal.SIGKILL


@dataclass
class Sweep:
    """What was tried, what fired, what was violated."""

    cases: int = 0
    kills: int = 0
    kills_in_recovery: int = 0
    not_fired: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def note(self, case: str, lab: Lab) -> None:
        self.cases += 1
        self.violations += [f"{case}: {each}" for each in lab.violations]


def cases(destination: str) -> Iterator[tuple[Step, When]]:
    for step in steps_of(destination):
        for when in get_args(When):
            yield step, when


def die_at(lab: Lab, step: Step, when: When, destination: str, sweep: Sweep, turn: int = 1) -> None:
    """Killed in the first run, killed again in the recovery if that comes by there, and then let through."""
    case = f"{when} {step.name} ({destination})"
    first = lab.run(DieAt(step, when, destination, turn))
    if first.code == KILLED:
        sweep.kills += 1
    else:
        sweep.not_fired.append(f"{case}: {first.code} {first.stderr[-300:]}")
    lab.look()
    again = lab.run(DieAt(step, when, destination))
    sweep.kills += again.code == KILLED
    sweep.kills_in_recovery += again.code == KILLED
    lab.look()
    lab.recover()
    sweep.note(case, lab)


def kill_at_random(lab: Lab, moments: int, seed: int, sweep: Sweep, *, longest: float = 0.6) -> None:
    """So many deaths, each a random time after the start of a run; one that ended before had nothing left to do."""
    rng = random.Random(seed)
    for _ in range(moments):
        started = lab.start(None)
        ended = kill_after(started, rng.random() * longest)
        if ended.code == KILLED:
            sweep.kills += 1
        elif ended.code not in (0, 4):
            lab.violations.append(Violation("I4", f"a run ended with {ended.code}: {ended.stderr[-300:]}"))
        lab.look()
    lab.recover()
    sweep.note(f"{moments} random moments, seed {seed}", lab)


def in_fifties(moments: int) -> Iterator[int]:
    """How many of them in each lab: a world that is archived has nothing left to be killed in."""
    while moments > 0:
        yield min(50, moments)
        moments -= 50


def kill_after(started: Started, seconds: float) -> Ended:
    time.sleep(seconds)
    started.process.kill()
    return started.wait()


@contextmanager
def lab_for(
    destination: str, home: Path, server: BucketServer, seed: int, recordings: int = 4, *, trouble: bool = False
) -> Iterator[Lab]:
    """A new lab with a small world, one recording of it damaged; with ``trouble`` one transfer fails once."""
    world, bad = small_world(seed, recordings)
    made = directory_lab(home, world, bad) if destination == "directory" else s3_lab(home, world, server, bad)
    with made as lab:
        if trouble:
            lab.operator.sandbox.inject(OnAudio(ResetTransfer(times=1)))
        yield lab

"""``python -m tests.faults crash|…``: an attack at full length. The last line is one JSON object, which tells what was
tried, what fired and what was violated; the exit code is 1 if anything was, or if too little fired.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.audio.fuzz import fuzz as fuzz_audio
from tests.faults import crash, syscalls
from tests.faults.documents import fuzz_documents
from tests.faults.soak import endured
from tests.stories.bucket_server import BucketServer

Told = Mapping[str, Any]


def crash_sweep(asked: argparse.Namespace, home: Path) -> Told:
    """Every step, to both destinations; then so many random moments, in labs of fifty."""
    sweep = crash.Sweep()
    with BucketServer() as server:
        for destination in ("directory", "s3"):
            for number, (step, when) in enumerate(crash.cases(destination)):
                where = home / f"{destination}-{number}"
                trouble = step.name == "attempt noted"
                with crash.lab_for(destination, where, server, asked.seed, trouble=trouble) as lab:
                    crash.die_at(lab, step, when, destination, sweep)
        at_steps = sweep.kills
        for number, moments in enumerate(crash.in_fifties(asked.moments)):
            destination = ("directory", "s3")[number % 2]
            with crash.lab_for(destination, home / f"random-{number}", server, asked.seed + number, 120) as lab:
                crash.kill_at_random(lab, moments, asked.seed + number, sweep)
    calls = failing_calls(asked, home)
    sweep.violations += calls.pop("violations")
    return {
        "cases": sweep.cases,
        "kills_at_steps": at_steps,
        "of_these_in_recovery": sweep.kills_in_recovery,
        "random_moments": asked.moments,
        "random_kills": sweep.kills - at_steps,
        **calls,
        "not_fired": sweep.not_fired,
        "violations": sweep.violations,
    }


def failing_calls(asked: argparse.Namespace, home: Path) -> dict[str, Any]:
    """So many points at which a system call fails; a turn that a run does not come to counts as not fired."""
    if not syscalls.works():
        return {"failing_calls": "not run: strace is missing or may not trace", "violations": []}
    fired, violations = 0, []
    for number, point in enumerate(syscalls.points(asked.points, asked.seed)):
        happened, found = syscalls.suffer(point, home / f"call-{number}")
        fired += happened
        violations += [f"{point}: {each}" for each in found]
    return {"failing_calls": asked.points, "failing_calls_fired": fired, "violations": violations}


def soak(asked: argparse.Namespace, home: Path) -> Told:
    """Schedules of a bad network, nine of ten to a directory, one to a bucket."""
    told = endured(asked.schedules, asked.seed, home)
    return {
        "schedules": told.schedules,
        "connections_met": told.connections_met,
        "exit_codes": told.codes,
        "violations": told.violations,
    }


def fuzz(asked: argparse.Namespace, _: Path) -> Told:
    """Mutants of audio for so long, then so many malformed documents."""
    audio = fuzz_audio(asked.seconds, asked.seed)
    documents = fuzz_documents(asked.documents, asked.seed)
    return {
        "audio_mutants": audio.tried,
        "documents": documents.documents,
        "documents_refused": documents.refused,
        "rows_read_as_meant": documents.rows_whole,
        "rows_told_as_bad": documents.rows_told,
        "violations": [*audio.offenders, *documents.violations],
    }


ATTACKS: dict[str, Callable[[argparse.Namespace, Path], Told]] = {"crash": crash_sweep, "soak": soak, "fuzz": fuzz}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("attack", choices=ATTACKS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--moments", type=int, default=1000)
    parser.add_argument("--points", type=int, default=60)
    parser.add_argument("--schedules", type=int, default=5000)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=600)
    asked = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as home:
        told = ATTACKS[asked.attack](asked, Path(home))
    seconds = round(time.monotonic() - began, 1)
    sys.stdout.write(json.dumps({"attack": asked.attack, "seed": asked.seed, "seconds": seconds, **told}) + "\n")
    return 1 if told["violations"] or told.get("not_fired") else 0


if __name__ == "__main__":
    raise SystemExit(main())

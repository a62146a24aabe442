"""The harness proves itself: for every invariant a bug is put into the program, and has to be caught as that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import checker
from tests.faults.checker import Books, Violation
from tests.faults.lab import Lab, directory_lab, small_world
from tests.faults.seeded import BUGS, somebody_else_writes
from tests.stories.conftest import Directory

CASES = [(invariant, bug) for invariant, bugs in BUGS.items() for bug in bugs]


def looked_at(lab: Lab, bug: Callable[[], None] | None) -> set[str]:
    """Two runs with the bug, and every question that the checker has; which invariants it finds violated."""
    destination = lab.operator.destination
    assert isinstance(destination, Directory)
    victim = next(each for each in lab.operator.sandbox.world.recordings() if each.id not in lab.bad)
    somebody_else_writes(destination.root, f"recordings/dt={victim.created_at.date()}/{victim.id}.mp3")
    lab.look()
    lab.violations.clear()
    for _ in range(2):
        lab.run(bug)
        lab.look()
    bucket, books, truth = lab.bucket(), Books.read(lab.operator.manifest), lab.truth()
    scratch = [path for path in lab.operator.scratch() if path.is_file()]
    found: list[Violation] = lab.violations + checker.in_the_end(bucket, books, truth, scratch)
    # What somebody else wrote is a conflict: the archive cannot converge there, and says so.
    found += [each for each in checker.converged(bucket, books, truth) if victim.id not in each.detail]
    found = [each for each in found if not ("orphan" in each.detail and victim.id in each.detail)]
    signatures = {
        value for each in lab.operator.sandbox.downloads() for name, value in each.query if name == "X-Amz-Signature"
    }
    sinks = {**bucket.objects, "manifest": lab.operator.manifest.read_bytes()}
    found += checker.leaked({f"signature {number}": value for number, value in enumerate(signatures)}, sinks)
    return {each.invariant for each in found}


@pytest.mark.parametrize(("invariant", "bug"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_a_seeded_bug_is_caught(invariant: str, bug: Callable[[], None], tmp_path: Path) -> None:
    world, bad = small_world(261, recordings=6)
    with directory_lab(tmp_path, world, bad) as lab:
        assert invariant in looked_at(lab, bug)


def test_without_a_bug_nothing_is_found(tmp_path: Path) -> None:
    world, bad = small_world(261, recordings=6)
    with directory_lab(tmp_path, world, bad) as lab:
        assert looked_at(lab, None) == set()


def test_every_invariant_has_its_bug() -> None:
    assert set(BUGS) == {"I1", "I2", "I3", "I4", "I5", "I6"}

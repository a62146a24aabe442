"""Every version that is installed, in the image, for the tests and for CI, is written down with its hash."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import locks

PYPROJECT = (locks.ROOT / "pyproject.toml").read_text()


def needed(name: str, extras: frozenset[str] = frozenset()) -> Iterator[Requirement]:
    """What a package asks for on this machine, as it is installed here, and what that asks for."""
    for text in requires(name) or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
            yield requirement


@pytest.mark.parametrize(("lock", "extras"), [(locks.SHIPPED, frozenset()), (locks.DEV, frozenset({"dev"}))])
def test_a_lock_holds_all_that_is_needed_and_fits_it(lock: Path, extras: frozenset[str]) -> None:
    versions = locks.locked(lock)
    waiting, seen = list(needed("recording-archiver", extras)), set()
    assert waiting
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        assert name in versions, f"{name} is not in {lock.name}: make lock"
        assert requirement.specifier.contains(versions[name], prereleases=True), f"{requirement}: make lock"
        key = (name, frozenset(requirement.extras))
        if key not in seen:
            seen.add(key)
            waiting.extend(needed(name, key[1]))


def test_the_locks_are_as_new_as_what_is_asked_for() -> None:
    assert locks.problems(PYPROJECT) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('    "click>=8.5"', '    "click>=99"', {"requirements.lock", "requirements-dev.lock"}),
        ('    "pytest>=8.3"', '    "pytest>=99"', {"requirements-dev.lock"}),
        ('    "pytest>=8.3"', '    "pytest>=8.3", "a-new-one"', {"requirements-dev.lock"}),
        ('["hatchling>=1.27"]', '["hatchling>=99"]', {"requirements-build.lock"}),
    ],
)
def test_a_lock_that_is_older_is_told(old: str, new: str, told: set[str]) -> None:
    assert old in PYPROJECT
    assert {each.split()[0] for each in locks.problems(PYPROJECT.replace(old, new))} == told


def test_a_version_without_a_hash_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    path.write_text("one==1.0 \\\n    --hash=sha256:00\n    # via two\ntwo==1.0\n")
    with pytest.raises(ValueError, match=r"two==1\.0 has no hash"):
        locks.locked(path)


@pytest.mark.parametrize("lock", [locks.SHIPPED, locks.BUILD, locks.DEV, locks.SERVER], ids=lambda each: each.name)
def test_a_lock_names_no_place(lock: Path) -> None:
    """Whose index the versions come from is the affair of whoever installs: the hashes hold anywhere."""
    assert re.search(r"https?://|--index|--find-links|file:", lock.read_text()) is None


def test_everything_that_ci_installs_is_held_to_its_hash() -> None:
    """Of the make targets that CI runs; what is built from this tree comes without an index."""
    makefile = (locks.ROOT / "Makefile").read_text()
    targets = re.findall(r"^\$\((STAMP|S3_STAMP)\):.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert len(targets) == 2
    installs = [line for _, recipe in targets for line in recipe.splitlines() if "call PIP" in line]
    assert len(installs) == 3
    assert all("--require-hashes" in line or "--no-index --no-deps" in line for line in installs)
    assert "pip install" not in (locks.ROOT / ".ci" / "run").read_text()

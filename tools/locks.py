"""``python -m tools.locks``: do the locks still hold what pyproject.toml asks for? Exit code 1, and what to do, if not.

Only what is asked for directly is looked at: what that asks for in turn was resolved when the lock was made, and pip
refuses to install from a lock that leaves any of it out.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
SHIPPED, BUILD, DEV, SERVER = (
    ROOT / name
    for name in ("requirements.lock", "requirements-build.lock", "requirements-dev.lock", "tests/s3/requirements.lock")
)


def locked(path: Path) -> dict[str, Version]:
    """Names and versions; ValueError for one that stands there without a hash."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE)
    found = {}
    for block in re.split(r"\n(?=\S)", text.strip()):
        named = re.match(r"([\w.-]+)==([\w.+!-]+)", block)
        if named is None or "--hash=sha256:" not in block:
            raise ValueError(f"{path.name}: {block.partition(chr(10))[0]} has no hash")
        found[canonicalize_name(named[1])] = Version(named[2])
    return found


def stale(name: str, wanted: Iterable[str], versions: Mapping[str, Version]) -> Iterator[str]:
    """What of ``wanted`` the lock called ``name`` does not hold, in words."""
    for text in wanted:
        requirement = Requirement(text)
        version = versions.get(canonicalize_name(requirement.name))
        if version is None:
            yield f"{name} does not hold {requirement}"
        elif not requirement.specifier.contains(version, prereleases=True):
            yield f"{name} holds {requirement.name} {version}, and {requirement} is asked for"


def problems(pyproject: str) -> list[str]:
    """What the locks lack for a pyproject.toml of this text."""
    document = tomllib.loads(pyproject)
    project, shipped, build, dev = document["project"], locked(SHIPPED), locked(BUILD), locked(DEV)
    needed = project["dependencies"]
    server = [line for line in SERVER.with_suffix(".txt").read_text().splitlines() if not line.startswith("#")]
    found = [
        *stale(SHIPPED.name, needed, shipped),
        *stale(BUILD.name, document["build-system"]["requires"], build),
        *stale(DEV.name, [*needed, *project["optional-dependencies"]["dev"]], dev),
        *stale(str(SERVER.relative_to(ROOT)), server, locked(SERVER)),
    ]
    for each, version in {**shipped, **build}.items():
        if dev.get(each, version) != version:
            found.append(f"{DEV.name} holds {each} {dev[each]}, and {version} is shipped")
    return found


def main() -> int:
    found = problems((ROOT / "pyproject.toml").read_text())
    for each in found:
        sys.stderr.write(f"make: {each}\n")
    if found:
        sys.stderr.write("make: the locks are older than what is asked for. Run: make lock\n")
    return bool(found)


if __name__ == "__main__":
    raise SystemExit(main())

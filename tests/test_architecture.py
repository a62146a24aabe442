"""What import-linter cannot say of the code, said here."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "archiver"
_CLOCK_READS = re.compile(
    r"\b(datetime\.(now|utcnow|today)\(|date\.today\(|time\.(time|time_ns|localtime|gmtime|ctime)\()"
)


def modules() -> Iterator[Path]:
    """Every module but the sandbox's: that is the other side, with a clock of its own."""
    return (path for path in sorted(PACKAGE.rglob("*.py")) if PACKAGE / "sandbox" not in path.parents)


def test_the_time_of_day_is_asked_for_in_one_place() -> None:
    asking = {str(path.relative_to(ROOT)) for path in modules() if _CLOCK_READS.search(path.read_text())}
    assert asking == {"archiver/clock.py"}


@pytest.mark.parametrize("words", ["datetime.now(UTC)", "date.today()", "time.time()", "datetime.utcnow()"])
def test_the_test_above_would_see_a_clock(words: str) -> None:
    assert _CLOCK_READS.search(f"    started = {words}\n")


def test_the_rules_are_kept_from_every_library_we_depend_on() -> None:
    contracts = ConfigParser()
    contracts.read(ROOT / ".importlinter")
    forbidden = set(contracts["importlinter:contract:rules"]["forbidden_modules"].split())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[^\w-]", each)[0] for each in project["dependencies"]} - {"tzdata"}  # data, not code
    assert {"yaml" if name == "pyyaml" else name.replace("-", "_") for name in names} <= forbidden


def test_the_sandbox_shares_no_code_with_what_is_held_against_it() -> None:
    """A mistake in one must not be repeated in the other."""
    imported = {
        module
        for path in sorted((PACKAGE / "sandbox").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        for module in _modules_in(node)
        if module.partition(".")[0] == "archiver"
    }
    assert imported
    assert all(module.startswith("archiver.sandbox") for module in imported)


def _modules_in(node: ast.AST) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom(module=str(module), level=0):
            return [f"{module}.{alias.name}" for alias in node.names]
        case ast.ImportFrom(module=module):
            return [f"archiver.relative.{module}"]  # not used here, and not understood by the line above
        case _:
            return []


def test_nothing_is_called_utils() -> None:
    assert not [path for path in modules() if path.stem in {"utils", "util", "helpers", "common", "misc"}]


def test_no_module_is_longer_than_400_lines() -> None:
    assert not [f"{path}: {lines}" for path in modules() if (lines := len(path.read_text().splitlines())) > 400]


def test_no_function_is_longer_than_45_lines() -> None:
    """Counted from its first statement on: signature and docstring are for the reader."""
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _lines_of_code(node) > 45
    ]
    assert not long


def _lines_of_code(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[1] if ast.get_docstring(function) and len(function.body) > 1 else function.body[0]
    return (function.end_lineno or 0) - first.lineno + 1

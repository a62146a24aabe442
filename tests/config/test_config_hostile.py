"""A hostile file costs bounded time and memory, runs nothing, and is refused with a place."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from archiver.config import document
from archiver.config.problems import SHOWN

Problems = Callable[..., list[str]]
BOMBS: dict[str, tuple[bytes, str]] = {
    "aliases": (
        b"a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\nd: [*c, *c, *c]\n",
        "anchors and aliases",
    ),
    "lists in lists": (b"[" * 200_000, "nested too deep"),
    "mappings in mappings": (b"{a: " * 60_000, "nested too deep"),
    "blocks in blocks": (b"\n".join(b" " * depth + b"a:" for depth in range(600)), "nested too deep"),
    "keys in keys": (b"? " * 100_000, "nested too deep"),
    "ten megabytes": (b"a: " + b"x" * 10_000_000, "is larger than 256 KiB"),
    "endless keys": (b"a: 1\n" * 50_000, "is given twice"),
    "flow": (b"{" + b"a:b," * 60_000 + b"}", "is given twice"),
    "huge number": (b"limits:\n  concurrency: " + b"9" * 200_000, "not a value that YAML can read"),
    "huge sexagesimal": (b"limits:\n  memory_mib: 1" + b":59" * 60_000, "must be at most"),
    "references": (b'source:\n  token: "' + b"${" * 100_000 + b'"', "has a ${ that is not ${NAME}"),
    "a key of terminal codes": (b'source:\n  "\\e[31m\\a": 1\n', r"source.'\x1b[31m\x07': unknown key"),
    "object": (b"source:\n  token: !!python/object/apply:os.system [id]\n", "tags (!) are not allowed"),
    "name": (b"source:\n  token: !!python/name:os.system x\n", "tags (!) are not allowed"),
    "object as a section": (b"source: !!python/object/apply:os.system [id]\n", "must be a section of keys"),
    "binary": (b"source:\n  token: !!binary aGVsbG8=\n", "tags (!) are not allowed"),
    "merge": (b"source:\n  <<: {token: x}\n", "unknown key"),
    "two documents": (b"source:\n---\nsource:\n", "found another document"),
    "list as root": (b"- source\n", "must be sections of keys"),
    "list as key": (b"? [a]\n: 1\n", "keys must be names"),
    "not UTF-8": (b"a: 1\nb: \xff\n", "archiver.yaml:2:1: is not UTF-8"),
    "NUL": (b"a: \0", "control characters"),
    "unclosed quote": (b"source:\n  token: 'canary\n", "archiver.yaml:3:1: is not YAML"),
    "tab": (b"source:\n\ttoken: canary\n", "archiver.yaml:2:1: is not YAML"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_in_bounded_time(problems_of: Problems, bomb: str) -> None:
    data, expected = BOMBS[bomb]
    began = time.process_time()
    problems = problems_of(data)
    assert time.process_time() - began < 15, "of processor time; two seconds are usual"
    assert any(expected in problem for problem in problems), problems[:3]
    assert len(problems) <= SHOWN + 1
    assert all(problem.isprintable() and len(problem) < 500 for problem in problems)


def test_nothing_is_executed(problems_of: Problems, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    problems_of(f"source:\n  token: !!python/object/apply:os.system ['touch {witness}']\n")
    assert not witness.exists()


def test_an_endless_device_is_read_to_the_cap_only(tmp_path: Path) -> None:
    path = tmp_path / "zeros.yaml"
    path.symlink_to("/dev/zero")
    from archiver.config import load
    from archiver.errors import ConfigInvalid

    with pytest.raises(ConfigInvalid, match="is larger than 256 KiB"):
        load(path, {})


@pytest.mark.parametrize("text", ["{a: 1}", "[[1]]", "!!python/name:os.system x", "*a", "&a 1", "[1", "1: 2"])
def test_an_environment_value_is_a_scalar_or_a_list_of_them(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        document.scalar(text)


def test_a_byte_order_mark_is_no_problem(problems_of: Problems, minimal: str) -> None:
    assert problems_of(b"\xef\xbb\xbf" + minimal.encode()) == []

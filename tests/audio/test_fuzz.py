"""Any bytes at all give facts and a verdict, in bounded time. ``make fuzz`` does the same for long."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from archiver.audio import probe
from archiver.rules.verdict import EVIDENCE, REJECTS, WARNS, Expectation, judge

from . import build, fuzz

MAGIC = [
    *(b"", b"RIFF\0\0\0\0WAVEfmt ", b"OggS\0", b"\0\0\0\x20ftypM4A ", b"fLaC", b"#!AMR\n", b"#!AMR-WB\n"),
    *(b"\x1a\x45\xdf\xa3", b"\xff\xfb\x90\x64", b"\xff\xe3\x28\xc4", b"\xff\xf1\x6c\x40", b"ID3\x04\0\0"),
    *(b"MPCK", b"<html", b"{"),
]
BUDGET = settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@BUDGET
@given(st.sampled_from(MAGIC), st.binary(max_size=4096), st.floats(allow_nan=True) | st.none())
@example(b"MPCK", b"XX\x00" + bytes(16), 4.0)
@example(b"\xff", b"", None)
def test_any_bytes_give_facts_and_a_verdict(magic: bytes, rest: bytes, duration: float | None) -> None:
    facts = probe(magic + rest)
    judged = judge(facts, Expectation(duration))
    assert facts.size == len(magic) + len(rest)
    assert judged.grade
    assert "probe_failed" not in {found.code for found in facts.findings}
    assert facts.length is None or facts.length >= 0


@BUDGET
@given(st.integers(0, 2**32))
def test_mutants_of_good_files_are_taken_calmly(seed: int) -> None:
    rng = random.Random(seed)
    seeds = [data for data, _ in build.GOOD.values()]
    for _ in range(3):
        data = fuzz.mutant(rng, seeds)
        assert not fuzz.trouble(data)
        known = REJECTS | WARNS | EVIDENCE
        assert {found.code for found in probe(data).findings} <= known

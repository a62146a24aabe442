"""A bucket that loses answers, refuses, is overtaken, garbles; a directory that is full at any level."""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from archiver.sandbox import SandboxRecording, World
from tests.faults import checker
from tests.faults.checker import Books
from tests.faults.lab import Lab, directory_lab, s3_lab, small_world
from tests.faults.schedules import hurried
from tests.faults.store_faults import (
    FaultyBucketServer,
    Garbles,
    LostAnswer,
    LostRequest,
    Overtaken,
    Refuses,
    StoreFault,
    at_random,
    faulty_server,
)
from tests.stories.conftest import put_behind_the_back

RANDOM = 6
"""Random mixes of passing faults."""
LEVELS = (0, 1, 512, 2_048, 4_096, 5_000, 8_192, 12_000, 20_000, 40_000, 110_000, 170_000)
"""Bytes that the largest file may have. The manifest alone is some 150,000."""


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyBucketServer]:
    with faulty_server() as running:
        yield running


@contextmanager
def lab_before(server: FaultyBucketServer, home: Path, *faults: StoreFault) -> Iterator[Lab]:
    server.misbehaves()
    with s3_lab(home, World.generate(seed=221, recordings=4, days=1), server) as lab, hurried():
        server.misbehaves(*faults)
        yield lab


def settle(lab: Lab) -> None:
    """Nothing lies now; and a run in good weather mends everything."""
    assert lab.look() == []
    assert lab.recover() == []


@pytest.mark.parametrize("suffix", [".mp3", ".vcon.json"])
@pytest.mark.parametrize(
    ("fault", "times"),
    [
        (LostAnswer, 1),
        (LostAnswer, 3),
        (LostRequest, 1),
        (Refuses, 2),
        (Overtaken, 1),
        (Overtaken, 4),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value),
)
def test_what_passes_costs_nothing(
    fault: type[StoreFault], times: int, suffix: str, server: FaultyBucketServer, tmp_path: Path, aws: None
) -> None:
    """Including an answer that is lost after the commit: the repeat meets 412, and the same bytes are adopted."""
    with lab_before(server, tmp_path, fault(suffix, times=times)) as lab:
        result = lab.operator.runs()
        assert server.fired == times
        assert result.exit_code == 0, result.stderr
        server.misbehaves()
        settle(lab)


@pytest.mark.parametrize(
    ("fault", "code", "leaves"),
    [
        (Refuses(times=99, status="403 Forbidden", code="AccessDenied"), 10, 0),
        (Refuses(times=99, status="503 Slow Down", code="SlowDown"), 3, 0),
        (Refuses(times=99, status="409 Conflict", code="ConditionalRequestConflict"), 3, 0),
        (Refuses(".vcon.json", times=99, status="500 Oops", code="InternalError"), 3, 4),
        (LostRequest(times=99), 3, 0),
    ],
    ids=lambda value: (
        f"{type(value).__name__}{getattr(value, 'code', '')}" if isinstance(value, StoreFault) else str(value)
    ),
)
def test_what_lasts_is_said(
    fault: StoreFault, code: int, leaves: int, server: FaultyBucketServer, tmp_path: Path, aws: None
) -> None:
    with lab_before(server, tmp_path, fault) as lab:
        result = lab.operator.runs(calls={"archive": False})
        assert server.fired
        assert result.exit_code == code, result.stderr
        assert result.summary["archived"] == 0
        assert len([key for key in lab.bucket().objects if key.endswith(".mp3")]) == leaves
        assert not [key for key in lab.bucket().objects if key.endswith(".vcon.json")], "no seal"
        server.misbehaves()
        settle(lab)


def test_other_bytes_are_never_overwritten(server: FaultyBucketServer, tmp_path: Path, aws: None) -> None:
    with lab_before(server, tmp_path, Overtaken(other=True)) as lab:
        result = lab.operator.runs()
        assert result.exit_code == 5
        assert result.summary["conflicts"] == 1
        assert b"somebody else's" in lab.bucket().objects.values()
        assert lab.look() == []
        assert lab.operator.runs().exit_code == 5, "until somebody has looked"
        assert lab.look() == []


def test_a_store_that_garbles_is_found_out(server: FaultyBucketServer, tmp_path: Path, aws: None) -> None:
    """It answered 200. What it holds was compared, and is not called archived: neither then nor by the repeat."""
    with lab_before(server, tmp_path, Garbles()) as lab:
        result = lab.operator.runs()
        assert server.fired == 1
        assert result.exit_code == 5, result.stderr
        assert result.summary["archived"] == 3
        assert lab.look() == []


@pytest.mark.parametrize("fault", [LostAnswer(), LostAnswer(".vcon.json", times=2), Refuses(times=2), None], ids=str)
def test_a_store_that_takes_second_puts(
    fault: StoreFault | None, server: FaultyBucketServer, tmp_path: Path, aws: None
) -> None:
    """It is noticed before anything is put, said once, and made up for: each key is looked at before its put."""
    with lab_before(server, tmp_path) as lab:
        victim, orphan = lab.operator.sandbox.world.recordings()[:2]
        put_behind_the_back(lab.operator.destination, audio_key(victim), b"somebody else's")
        whole = lab.operator.sandbox.world.audio_bytes(orphan.id)
        put_behind_the_back(lab.operator.destination, audio_key(orphan), whole)
        server.misbehaves(*([fault] if fault else []))
        server.takes_second_puts = True
        result = lab.operator.runs()
        assert server.fired == (fault.times if fault else 0)
        assert result.exit_code == 5, result.stderr
        assert (result.summary["conflicts"], result.summary["archived"]) == (1, 3)
        (told,) = result.of("not_create_only")
        assert told["destination"] == lab.operator.destination.section["url"]
        assert "ignores If-None-Match" in told["reason"]
        assert "Two writers at once" in result.stderr
        assert lab.look() == [], "one version of everything"
        assert lab.bucket().objects[audio_key(victim)] == b"somebody else's"


def test_a_store_that_keeps_its_word_is_asked_once(server: FaultyBucketServer, tmp_path: Path, aws: None) -> None:
    with lab_before(server, tmp_path) as lab:
        for days in range(2):
            lab.operator.sandbox.world.insert(*World.generate(seed=224 + days, recordings=2, days=1).recordings())
            server.requests.clear()
            result = lab.operator.runs(calls={"archive": False})
            assert result.exit_code == 0, result.stderr
            assert result.of("not_create_only") == []
            probes = [path for path in server.puts() if "/doctor/" in path]
            assert len(probes) == (1 if days else 2), "the first run has to leave something to be refused"
            assert probes[0] == server.puts()[0]
        assert lab.look() == []
        assert len(lab.bucket().versions["doctor/create-only"]) == 1


def failed(lab: Lab, **destination: str) -> dict[str, str]:
    """Remedies by finding, of the doctor's findings that are none to be content with."""
    result = lab.operator.types("doctor", "--json", destination=destination)
    assert result.exit_code == 10
    return {each["name"]: each["remedy"] for each in result.of("check") if not each["passed"]}


def test_the_doctor_has_one_finding_for_one_fault(server: FaultyBucketServer, tmp_path: Path, aws: None) -> None:
    with lab_before(server, tmp_path) as lab:
        server.takes_second_puts = True
        assert failed(lab).keys() == {"create-only"}


def test_the_doctor_says_what_to_correct(server: FaultyBucketServer, tmp_path: Path, aws: None) -> None:
    refuses = Refuses("", times=99, status="400 Bad Request", code="InvalidArgument")
    with lab_before(server, tmp_path, refuses) as lab:
        found = failed(lab, storage_class="STANDARD_IA")
        assert found.keys() == {"as configured"}
        assert "destination.storage_class" in found["as configured"]
        assert failed(lab).keys() == {"bucket"}
        assert failed(lab)["bucket"]


def audio_key(recording: SandboxRecording) -> str:
    return f"recordings/dt={recording.created_at.date()}/{recording.id}.mp3"


def test_random_mixes(server: FaultyBucketServer, tmp_path: Path, aws: None) -> None:
    rng, fired = random.Random(222), 0
    for number in range(RANDOM):
        faults = at_random(rng)
        with lab_before(server, tmp_path / str(number), *faults) as lab:
            result = lab.operator.runs()
            fired += server.fired
            assert result.exit_code in (0, 3), f"{faults}: {result.stderr}"
            server.misbehaves()
            settle(lab)
    assert fired > RANDOM


@dataclass(frozen=True)
class NoLargerFileThan:
    """``prepare`` for the launcher: writing beyond fails, as on a full disk (EFBIG)."""

    size: int

    def __call__(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.size))


@pytest.mark.parametrize("level", LEVELS)
def test_a_disk_that_is_full_at_any_level(level: int, tmp_path: Path) -> None:
    """Streams are files too: at the lowest levels not even the words come through, and still nothing lies."""
    world, bad = small_world(223)
    with directory_lab(tmp_path, world, bad) as lab:
        ended = lab.run(NoLargerFileThan(level))
        assert ended.code != 0 if level < 100_000 else ended.code in (3, 4, 10), ended
        assert "Traceback" not in ended.stderr
        assert checker.at_any_time(lab.bucket(), Books.read(lab.operator.manifest), lab.truth(), {}) == []
        assert lab.recover() == []

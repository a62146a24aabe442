"""Who judges a file of the corpus: we at each level, the naive check, and others' programs where they are installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import mutagen

from archiver.audio import decoding, probe
from archiver.model import Grade, Verdict
from archiver.rules.verdict import Expectation, Level, judge
from tools.corpus.build import Sample

NAIVE_TOLERANCE = 2.0
TIMEOUT = 30


def ours(data: bytes, sample: Sample, level: Level) -> Verdict:
    """Our verdict at ``level``."""
    extension = sample.path.rpartition(".")[2].removesuffix("-nb")
    expectation = Expectation(duration=sample.duration, level=level, extension=extension)
    return judge(probe(data, level=level), expectation)


def decoded(data: bytes, sample: Sample) -> bool:
    """True if the optional decoder, asked after the full level, tells a person."""
    facts = decoding.decoded(probe(data), data)
    return flagged(judge(facts, Expectation(duration=sample.duration)))


def flagged(verdict: Verdict) -> bool:
    """True if a person is told."""
    return verdict.grade in (Grade.SUSPECT, Grade.REJECTED)


def naive(path: Path, sample: Sample) -> bool:
    """True if mutagen's length is not the reported one within two seconds, or it cannot tell."""
    try:
        file = mutagen.File(path)
        return file is None or abs(file.info.length - sample.duration) > NAIVE_TOLERANCE
    except Exception:  # mutagen raises anything
        return True


def mp3val(path: Path) -> bool:
    """True if mp3val warns of more than of tags that are not there."""
    done = subprocess.run(["mp3val", str(path)], capture_output=True, timeout=TIMEOUT, check=False)  # noqa: S603, S607
    lines = done.stdout.splitlines()
    return any((b"WARNING" in line or b"ERROR" in line) and b"No supported tags" not in line for line in lines)


def ffmpeg(path: Path) -> bool:
    """True if ffmpeg complains while it decodes everything."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False)  # noqa: S603
    return done.returncode != 0 or bool(done.stderr.strip())


def installed(name: str) -> bool:
    """True if the program can be called."""
    return shutil.which(name) is not None

"""The detection matrix: per class of damage how many files each judge catches, and what it says of good ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from archiver.rules.verdict import Level
from tools.corpus import judges
from tools.corpus.build import Sample, load

GOOD = "(good files)"
HEADERS = (b"Info", b"Xing")
COLUMNS = (*[level.value for level in Level], "naive")


@dataclass(frozen=True, slots=True)
class Line:
    """What the judges said of one file."""

    sample: Sample
    caught: frozenset[str]
    reasons: tuple[str, ...]
    grade: str
    has_header: bool


def lines(folder: Path, *, others: bool, decode: bool) -> Iterator[Line]:
    """Judge every file of the corpus in ``folder``; ``others`` asks third parties as well."""
    headers: dict[str, bool] = {}
    for sample in tqdm(load(folder), desc="judge", disable=None):
        path = folder / sample.path
        data = path.read_bytes()
        if not sample.damage:
            headers[sample.path] = sample.path.endswith("mp3") and any(name in data[:4096] for name in HEADERS)
        caught = {"naive"} if judges.naive(path, sample) else set()
        for level in Level:
            verdict = judges.ours(data, sample, level)
            if judges.flagged(verdict):
                caught.add(level.value)
        if decode and ("full" in caught or judges.decoded(data, sample)):
            caught.add("decode")
        if others and judges.installed("ffmpeg") and judges.ffmpeg(path):
            caught.add("ffmpeg")
        if others and judges.installed("mp3val") and path.suffix == ".mp3" and judges.mp3val(path):
            caught.add("mp3val")
        reasons = tuple(reason.code for reason in verdict.reasons)
        yield Line(sample, frozenset(caught), reasons, verdict.grade.value, headers[sample.origin])


def table(judged: list[Line], columns: tuple[str, ...]) -> Iterator[str]:
    """The matrix as a Markdown table, worst class last seen first in the alphabet of classes."""
    names = sorted({line.sample.damage or GOOD for line in judged})
    yield "| class | files | " + " | ".join(columns) + " |"
    yield "|---|---:|" + "---:|" * len(columns)
    for name in names:
        group = [line for line in judged if (line.sample.damage or GOOD) == name]
        counts = Counter(column for line in group for column in line.caught)
        yield f"| {name} | {len(group)} | " + " | ".join(str(counts[column]) for column in columns) + " |"


def missed(judged: list[Line]) -> Iterator[str]:
    """Every damaged file that passed, and every good one that did not."""
    for line in judged:
        if line.sample.damage and "full" not in line.caught:
            yield f"missed: {line.sample.damage}: {line.sample.path} ({line.grade})"
        if not line.sample.damage and "full" in line.caught:
            yield f"flagged: {line.sample.path} ({', '.join(line.reasons)})"


def totals(judged: list[Line]) -> dict[str, int]:
    """The figures of the last line."""
    good = [line for line in judged if not line.sample.damage]
    damaged = [line for line in judged if line.sample.damage]
    mp3 = [line for line in damaged if line.sample.origin.endswith("mp3")]
    return {
        "good": len(good),
        "good_flagged": sum("full" in line.caught for line in good),
        "damaged": len(damaged),
        "caught": sum("full" in line.caught for line in damaged),
        "mp3_damaged": len(mp3),
        "mp3_caught": sum("full" in line.caught for line in mp3),
        "naive_caught": sum("naive" in line.caught for line in damaged),
    }


def report(folder: Path, *, others: bool, decode: bool, verbose: bool) -> Iterator[str]:
    """The report line by line; the last is one JSON object."""
    judged = list(lines(folder, others=others, decode=decode))
    columns = (
        COLUMNS
        + (("decode",) if decode else ())
        + (tuple(name for name in ("ffmpeg", "mp3val") if judges.installed(name)) if others else ())
    )
    yield from table(judged, columns)
    yield ""
    if verbose:
        yield from missed(judged)
    proved = [line for line in judged if line.sample.damage and line.has_header]
    caught = sum("full" in line.caught for line in proved)
    yield f"damaged MP3s with an Info or Xing header: {caught} of {len(proved)} caught"
    naive_good = sum("naive" in line.caught for line in judged if not line.sample.damage)
    yield f"good files that the naive check rejects: {naive_good}"
    for judge in columns[len(COLUMNS) :]:
        right = sum(judge in line.caught for line in judged if line.sample.damage)
        wrong = sum(judge in line.caught for line in judged if not line.sample.damage)
        yield f"{judge}: {right} damaged files caught, {wrong} good ones flagged"
    grades = Counter((line.grade, bool(line.sample.damage)) for line in judged)
    for (grade, damage), count in sorted(grades.items()):
        yield f"{grade}: {count} {'damaged' if damage else 'good'}"
    yield json.dumps(totals(judged))

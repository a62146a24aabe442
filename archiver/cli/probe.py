"""``archiver probe``: facts and verdict of local audio files, for archives that people already have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.console import Console
from archiver.cli.redaction import printable
from archiver.errors import ExitCode, UsageInvalid

if TYPE_CHECKING:
    from archiver.model import AudioFacts, Verdict
    from archiver.rules.verdict import Expectation

MAPPED_FROM = 16 * 2**20
"""Bytes from which a file is mapped instead of read."""
NOT_AUDIO = re.compile(r".*\.(?:vcon\.json|amendment-[0-9]{4,9}\.json|part|tmp)")
"""What lies beside the recordings of an archive: sidecars, amendments, unfinished files."""
COLOURS = {"verified": "green", "consistent": "green", "suspect": "yellow", "rejected": "red"}
LEVELS = ("transport", "structure", "full")


class Reported(click.ParamType[float]):
    """``00:01:33``, ``01:33``, ``93`` or ``93.5s``: seconds as a float."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds; usage error for anything else."""
        if isinstance(value, float):
            return value
        text = str(value).strip().removesuffix("s")
        if re.fullmatch(r"(\d+:){0,2}\d+(\.\d+)?", text) is None:
            self.fail(f"{value!r} is not a duration: write it as 00:01:33 or 93", param, ctx)
        seconds = 0.0
        for part in text.split(":"):
            seconds = seconds * 60 + float(part)
        return seconds


@click.command()
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--duration", type=Reported(), metavar="TIME", help="What the source reported: 00:01:33 or 93.")
@click.option("--level", type=click.Choice(LEVELS), default="full", show_default=True, help="How far to go.")
@click.option("--decode", is_flag=True, help="Decode formats without checksums too (needs the extra 'decode').")
@click.pass_obj
def probe(console: Console, paths: tuple[Path, ...], duration: float | None, level: str, decode: bool) -> ExitCode:
    """Say what audio files are, and whether they are whole. Directories are searched for files.

    Exit code 0 if all are verified or consistent, 4 if one is suspect or rejected. Without --duration nothing is held
    against a reported length: a recording cut cleanly at its end can then only be told if its encoder counted frames.
    """
    from archiver.rules.verdict import Expectation, Level

    if decode:
        _require_decoder()
    expectation = Expectation(duration, level=Level(level), reference_needed=duration is not None)
    files = list(_files(paths))
    single = len(files) == 1
    counts: dict[str, int] = {}
    with _bar(console, files, wanted=any(path.is_dir() for path in paths)) as shown:
        for path in shown:
            facts, verdict = _examine(path, expectation, decode=decode)
            counts[verdict.grade.value] = counts.get(verdict.grade.value, 0) + 1
            _tell(console, path, facts, verdict, duration, at_length=single)
    clean = set(counts) <= {"verified", "consistent"}
    console.event("summary", files=len(files), grades=counts, clean=clean)
    if not single:
        console.say(
            f"{len(files)} files: " + (", ".join(f"{count} {grade}" for grade, count in counts.items()) or "none")
        )
    return ExitCode.COMPLETE if clean else ExitCode.NEEDS_A_PERSON


def _require_decoder() -> None:
    from archiver.audio.decoding import available

    if not available():
        raise UsageInvalid("there is no decoder", "pip install 'recording-archiver[decode]'")


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files named, and those below the directories named, in the order of their names; hidden ones left out."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for found in sorted(path.rglob("*")):
            below = found.relative_to(path).parts
            if (
                found.is_file()
                and not any(part.startswith(".") for part in below)
                and not NOT_AUDIO.fullmatch(found.name)
            ):
                yield found


@contextmanager
def _bar(console: Console, files: list[Path], *, wanted: bool) -> Iterator[Iterable[Path]]:
    """``files`` with a live bar on stderr, where one is wanted and stderr is a terminal."""
    if not (wanted and console.live):
        yield files
        return
    from tqdm import tqdm

    with tqdm(files, unit="file", desc="probing", dynamic_ncols=True, leave=False) as bar:
        yield bar


def _examine(path: Path, expectation: Expectation, *, decode: bool) -> tuple[AudioFacts, Verdict]:
    from dataclasses import replace

    from archiver.audio import probe as probe_bytes
    from archiver.rules.verdict import judge

    named = replace(expectation, extension=path.suffix.lower().removeprefix(".") or None)
    try:
        with _bytes_of(path) as data:
            facts = probe_bytes(data, level=expectation.level)
            if decode:
                from archiver.audio.decoding import decoded

                facts = decoded(facts, data)
    except OSError as problem:
        raise UsageInvalid(f"cannot read {path}: {problem.strerror}") from None
    return facts, judge(facts, named)


@contextmanager
def _bytes_of(path: Path) -> Iterator[bytes | mmap]:
    with path.open("rb") as file:
        if path.stat().st_size < MAPPED_FROM:
            yield file.read()
            return
        with mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
            yield mapped


def _tell(
    console: Console, path: Path, facts: AudioFacts, verdict: Verdict, duration: float | None, *, at_length: bool
) -> None:
    from tqdm import tqdm

    with tqdm.external_write_mode():
        if console.flags.json:
            console.event("probe", **_as_event(path, facts, verdict, duration))
        elif at_length:
            console.data("\n".join(_at_length(console, path, facts, verdict, duration)))
        else:
            console.data(_in_a_line(console, path, facts, verdict))


def _as_event(path: Path, facts: AudioFacts, verdict: Verdict, duration: float | None) -> dict[str, Any]:
    """Everything that is known, as JSON values."""

    def listed(findings: Iterable[Any]) -> list[dict[str, str]]:
        return [{"code": each.code, "detail": each.detail} for each in findings]

    return {
        "path": str(path),
        "grade": verdict.grade.value,
        "reasons": listed(verdict.reasons),
        "reported": duration,
        "delta": verdict.delta,
        "container": facts.container,
        "extension": facts.extension,
        "mediatype": facts.mediatype,
        "size": facts.size,
        "length": facts.length,
        "frames": facts.frames,
        "sample_rate": facts.sample_rate,
        "channels": facts.channels,
        "bitrate": facts.bitrate,
        "findings": listed(facts.findings),
        "proofs": listed(facts.proofs),
        "audio_digest": facts.audio_digest and str(facts.audio_digest),
        "details": dict(facts.details),
    }


def _grade(console: Console, verdict: Verdict) -> str:
    import sys

    return console.paint(verdict.grade.value, COLOURS[verdict.grade.value], sys.stdout)


def _in_a_line(console: Console, path: Path, facts: AudioFacts, verdict: Verdict) -> str:
    length = "-" if facts.length is None else f"{facts.length:.3f} s"
    padding = " " * (10 - len(verdict.grade.value))
    words = (
        "" if verdict.grade.value in ("verified", "consistent") else ", ".join(each.code for each in verdict.reasons)
    )
    line = f"{padding}  {facts.container:<6} {length:>12}  {printable(str(path))}"
    return _grade(console, verdict) + (f"{line}: {words}" if words else line)


def _at_length(
    console: Console, path: Path, facts: AudioFacts, verdict: Verdict, duration: float | None
) -> Iterator[str]:
    yield f"{printable(str(path))}: {_grade(console, verdict)}"
    stream = ", ".join(f"{name} {value}" for name, value in facts.details.get("stream", {}).items())
    yield f"  {facts.container}, {facts.mediatype}, {facts.size} bytes" + (f" ({stream})" if stream else "")
    if facts.length is not None:
        rate = f", {facts.sample_rate} Hz" if facts.sample_rate else ""
        speed = f", {facts.bitrate / 1000:.1f} kbit/s" if facts.bitrate else ""
        yield f"  {facts.length:.3f} s in {facts.frames} frames{rate}, {facts.channels or '?'} channels{speed}"
    if duration is None:
        yield "  no reported duration given: the length was held against nothing"
    elif verdict.delta is not None:
        yield f"  reported {duration:g} s: {verdict.delta:+.3f} s"
    if facts.audio_digest is not None:
        yield f"  audio {facts.audio_digest}"
    for finding in dict.fromkeys((*verdict.reasons, *facts.findings)):
        if finding not in facts.proofs:
            yield f"  {printable(str(finding))}"
    for proof in facts.proofs:
        yield f"  holds: {printable(str(proof))}"

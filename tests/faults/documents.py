"""Malformed answers of the API: real ones of every dialect after a few hostile edits; and what reading them must give.

The reading is held against a reader of its own, which shares nothing with the archiver's: each row that came through
the edits whole has to be read as it was meant, exactly once, and no signature may be kept with any row.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from archiver.model import BadRow
from archiver.sandbox import Dialect, World
from archiver.sandbox.dialects import Page, call_row, document, recording_row
from archiver.source.dialects import UnusableAnswer, unwrap
from archiver.source.rows import read_call, read_recording

CANARY = "f00dcafe" * 8
QUERY = f"?X-Amz-Expires=3600&X-Amz-Signature={CANARY}"
LINK = f"https://recordings.s3.amazonaws.com/rc/a.mp3{QUERY}"
SLOWEST = 1.0
"""CPU seconds for a document, and as much again per MiB."""
ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        10**18,
        10**400,
        1.5,
        1e308,
        "",
        " ",
        "0",
        "null",
        "OK",
        "ERROR",
        [],
        {},
        [[]],
        [{}],
    ),
    *("\x00", "\ud800", "\u202e", "é" * 50, "../../etc/passwd", "a" * 5000, LINK, f"see {LINK} there", {"a": LINK}),
    *("2026-02-30 00:00:00", "0000-00-00 00:00:00", "9999-12-31 23:59:59", "99:99:99", "00:00:00", "-00:00:01"),
)
BYTES = (b"", b"\xff", b"\x00", b"\xef\xbb\xbf", b"{", b"]", b'"', b",", b"NaN", b"1e999", b"\\ud800", b"<html>", b"//")


@dataclass
class Fuzz:
    """What became of the documents."""

    documents: int = 0
    refused: int = 0
    """Refused as a whole, with the reason."""
    read: int = 0
    rows_whole: int = 0
    rows_told: int = 0
    """Rows that were named as bad."""
    violations: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sample:
    """A document of which every row is known."""

    report: str
    body: Any
    rows: Mapping[str, str]
    """The very rows, as JSON, by id."""


def samples(seed: int) -> list[Sample]:
    """Both reports in every dialect, of a small world."""
    world = World.generate(seed=seed, recordings=4, days=1)
    made = []
    for dialect in get_args(Dialect):
        recordings = [recording_row(each, dialect, LINK, UTC, 1) for each in world.recordings()]
        calls = [call_row(each, dialect, LINK, UTC, 1) for each in world.calls()]
        for report, rows in (("recordings", recordings), ("calls", calls)):
            page = Page(report, tuple(rows), 1, max(15, len(rows)), 1, len(rows))  # type: ignore[arg-type]
            body = document(page, dialect, "https://api.example/api/v2/")
            made.append(Sample(report, body, {str(row["id"]): _frozen(row) for row in rows}))
    return made


def mutant(rng: random.Random, sample: Sample) -> bytes:
    """The document after one to four edits of its structure, some of its bytes, or both."""
    body = json.loads(json.dumps(sample.body))
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        _edit(rng, body)
    text = json.dumps(body, ensure_ascii=rng.random() < 0.9).encode("utf-8", "surrogatepass")
    if rng.random() < 0.4:
        return text
    for _ in range(rng.choice((0, 0, 1, 1, 3))):
        at = rng.randrange(len(text) + 1)
        match rng.randrange(4):
            case 0:
                text = text[:at]
            case 1:
                text = text[:at] + rng.choice(BYTES) + text[at:]
            case 2:
                text = text[:at] + text[at + rng.choice((1, 2, 40)) :]
            case _:
                text = text[:at] + rng.randbytes(rng.choice((1, 4))) + text[at + 1 :]
    return text


def _edit(rng: random.Random, body: Any) -> None:
    """One edit of one place, which may be at any depth."""
    place = body
    while True:
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and rng.random() < 0.8:
            place = place[key]
            continue
        break
    match rng.randrange(6):
        case 0:
            del place[key]
        case 1 if isinstance(place, list):
            place.insert(key, place[rng.randrange(len(place))])
        case 1:
            place[f"{key}_"] = place[key]
        case 2 if isinstance(place, dict):
            place[rng.choice(("id", "data", "meta", "links", "status", "total", "audio", "created_at"))] = place[key]
        case 3:
            place[key] = _deep(rng.choice((3, 40, 300)), place[key])
        case _:
            place[key] = rng.choice(ODD)


def _deep(levels: int, value: Any) -> Any:
    for _ in range(levels):
        value = [value]
    return value


def hold(sample: Sample, text: bytes, fuzz: Fuzz) -> None:
    """Read it, and note what is not as it must be."""
    fuzz.documents += 1
    began = time.process_time()
    try:
        envelope = unwrap(text)
    except UnusableAnswer as refused:
        fuzz.refused += 1
        if CANARY in str(refused) or not str(refused):
            fuzz.violations.append(f"refused in the wrong words: {refused}")
        return
    except Exception as error:
        fuzz.violations.append(f"{type(error).__name__} out of {text[:200]!r}")
        return
    fuzz.read += 1
    read: Callable[..., tuple[Any, list[BadRow]]] = read_recording if sample.report == "recordings" else read_call
    whole: list[str] = []
    secret = text.count(QUERY.encode()) == text.count(CANARY.encode())  # a query that was cut to pieces opens nothing
    for raw in envelope.rows:
        try:
            row, bad = read(raw, UTC)
        except Exception as error:
            fuzz.violations.append(f"{type(error).__name__} out of row {raw!r:.300}")
            continue
        if row is None and not any(each.lost for each in bad):
            fuzz.violations.append(f"a row is lost and nobody says so: {raw!r:.300}")
        if secret and CANARY in f"{row!r}{getattr(row, 'row', '')!r}{bad!r}":
            fuzz.violations.append(f"a signature is kept with a row: {row!r:.300}")
        fuzz.rows_told += bool(bad)
        if row is not None and _frozen(raw) == sample.rows.get(row.id):
            whole.append(row.id)
            _as_meant(row, raw, bad, fuzz)
    fuzz.rows_whole += len(whole)
    _none_missing(sample, text, whole, fuzz)
    if (spent := time.process_time() - began) > SLOWEST * (1 + len(text) / 2**20):
        fuzz.violations.append(f"{spent:.1f} s for {len(text)} bytes")


def _as_meant(row: Any, raw: Mapping[str, Any], bad: list[BadRow], fuzz: Fuzz) -> None:
    """A row that came through whole says what it said, by a reading of our own."""
    hours, minutes, seconds = (int(part) for part in raw["duration"].split(":"))
    length = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    began = datetime.fromisoformat(raw.get("created_at") or raw["start_at"]).replace(tzinfo=UTC)
    if (
        bad
        or (row.duration or timedelta()) != length
        or began not in (getattr(row, "created_at", 0), getattr(row, "start_at", 0))
    ):
        fuzz.violations.append(f"a good row was read as {row!r:.300} with {bad!r:.200}")


def _none_missing(sample: Sample, text: bytes, whole: list[str], fuzz: Fuzz) -> None:
    """Every row that is whole and in the list's place was read, as often as it stands there."""
    answer = json.loads(text)
    data = answer["data"]
    if not isinstance(answer.get("meta"), dict) and isinstance(data, dict):
        data = data["data"]
    stand = [
        str(row["id"])
        for row in data or ()
        if isinstance(row, dict) and _frozen(row) == sample.rows.get(str(row.get("id")))
    ]
    if sorted(stand) != sorted(whole):
        fuzz.violations.append(f"of {len(stand)} whole rows {len(whole)} were read: {text[:300]!r}")


def _frozen(row: Mapping[str, Any]) -> str:
    return json.dumps(row, sort_keys=True)


def fuzz_documents(number: int, seed: int) -> Fuzz:
    """So many documents."""
    rng, told = random.Random(seed), Fuzz()
    originals = samples(seed)
    while told.documents < number:
        sample = rng.choice(originals)
        hold(sample, mutant(rng, sample), told)
    return told

"""An archive of two months with everything in it that a report may have to tell, from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import yaml

from archiver.manifest.interface import Change, ListedWindow
from archiver.manifest.sql import SqlManifest
from archiver.model import Digest, Recording, StoredObject, Window
from archiver.rules.lifecycle import Event, State

SHA256, SHA512 = Digest("sha256", "ab" * 32), Digest("sha512", "cd" * 64)
HOSTILE = (
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>{{ 7*7 }}",
    "a" * 300,
    "\u202egnp.exe\u0007",
)
NUMBER = "+32470123456"
REASONS = (
    "too_short: 3.971 s of audio, 6 s reported; cut_frame: the last frame starts at byte 15882",
    "not_audio_html: a web page in place of audio",
    "music_crc_wrong: the checksum of the encoder does not match",
)


def days_before(today: date, most: int) -> list[date]:
    return [today - timedelta(days=number) for number in range(most, -1, -1)]


async def fill(path: Path, today: date, *, days: int = 62, per_day: int = 12, seed: int = 1) -> None:
    """Write a manifest in which most days are complete, and some are of every other kind."""
    chance = random.Random(seed)
    hostile = iter(HOSTILE)
    async with await SqlManifest.open(f"sqlite:///{path}") as manifest:
        for number, day in enumerate(days_before(today, days)):
            await _one_day(manifest, day, number, today, per_day, chance, hostile)


async def _one_day(
    manifest: SqlManifest,
    day: date,
    number: int,
    today: date,
    per_day: int,
    chance: random.Random,
    hostile: Iterator[str],
) -> None:
    window = Window.of_day(day)
    begun = window.end + timedelta(hours=2, minutes=7)
    run_id = f"{begun:%Y%m%dT%H%M%SZ}-{number:06x}"
    await manifest.begin_run(run_id, begun)
    count = 0 if number in {10, 11} else per_day + chance.randrange(per_day)
    rows = [_recording(f"{day}-{each:04}-00", window, each / max(1, count), chance) for each in range(count)]
    left = 0
    for row in rows:
        await manifest.note_listed(run_id, begun, [row])
        newest = (today - day).days <= 1 and chance.random() < 0.4
        if newest or (number == 40 and chance.random() < 0.3):
            left += 1
            await manifest.note_waiting(row.id, "the source has no audio for it yet")
            continue
        await _judge(manifest, row, run_id, begun, REASONS[0] if chance.random() < 0.003 else "", chance)
    if number in {15, 22, 28, 38, 47} and rows:
        await _exception(manifest, next(hostile), window, run_id, begun, number)
    doubt = "the source named 41 recordings and stated 43" if number in {33, 34} else ""
    await manifest.note_window(run_id, begun, ListedWindow(window, not doubt, doubt, count, 0, whole=True))
    if (today - day).days > 3:
        await manifest.close_windows([window], begun)
    if number == 50:
        late = _recording("late-arrival", window, 0.5, chance)
        await manifest.note_listed(run_id, begun + timedelta(days=2), [late])
        await _judge(manifest, late, run_id, begun, "", chance)
        await manifest.close_windows([window], begun + timedelta(days=2))
    summary = {
        "windows": 4,
        "listed": count,
        "archived": count - left,
        "already_archived": 3 * per_day,
        "pending": left,
        "quarantined": 0,
        "bytes": count * 431_000,
        "seconds": round(count * chance.uniform(0.02, 0.06), 3),
        "links_refreshed": chance.randrange(3),
    }
    await manifest.end_run(run_id, begun + timedelta(minutes=chance.randrange(1, 9)), 3 if left else 0, summary)


def _recording(name: str, window: Window, part: float, chance: random.Random) -> Recording:
    seconds = round(chance.lognormvariate(4.5, 1.2)) + 1
    created = window.start + timedelta(hours=7) + timedelta(hours=11) * part
    row = {"id": name, "agent_name": HOSTILE[0], "call_from": NUMBER}
    return Recording(name, created, timedelta(seconds=seconds), None, row, call_from=NUMBER)


async def _judge(
    manifest: SqlManifest, row: Recording, run_id: str, at: datetime, rejected: str, chance: random.Random
) -> None:
    assert row.duration is not None
    seconds = row.duration.total_seconds()
    if rejected:
        length = seconds * chance.uniform(0.1, 0.8)
        change = Change(reason=rejected, grade="rejected", audio=_stored(row.id), sha512=SHA512, length=length)
        await manifest.advance(row.id, State.DISCOVERED, Event.REJECTED, at, run_id, change)
        return
    grade = chance.choices(["verified", "consistent", "suspect"], [90, 9, 1])[0]
    length = seconds + (chance.uniform(-0.5, 0.5) if chance.random() < 0.97 else chance.uniform(-1.1, 1.5))
    change = Change(grade=grade, audio=_stored(row.id), sha512=SHA512, length=length, draft=b"{}")
    await manifest.advance(row.id, State.DISCOVERED, Event.UPLOADED, at, run_id, change)
    await manifest.advance(row.id, State.STORED, Event.SEALED, at, run_id, Change(sidecar=_stored(f"{row.id}.json")))


async def _exception(manifest: SqlManifest, name: str, window: Window, run_id: str, at: datetime, number: int) -> None:
    row = _recording(name, window, 0.5, random.Random(number))
    await manifest.note_listed(run_id, at, [row])
    if number == 28:
        reason = "the source names it, and its audio is gone (404)"
        await manifest.advance(name, State.DISCOVERED, Event.SOURCE_GONE, at, run_id, Change(reason=reason))
        return
    await _judge(manifest, row, run_id, at, REASONS[number % 3], random.Random(number))


def _stored(key: str) -> StoredObject:
    return StoredObject(f"recordings/{abs(hash(key))}", 1234, SHA256)


def configure(home: Path, manifest: Path) -> Path:
    """A configuration that names the manifest."""
    path = home / "archiver.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "source": {"base_url": "https://api.example.net/api/v2/", "token": "canary-token-5f1c0a7e9d"},
                "destination": {"url": "s3://acme-voice-archive/bics"},
                "manifest": {"url": f"sqlite://{manifest}"},
                "windows": {"since": datetime.now(UTC).date() - timedelta(days=62)},
            }
        )
    )
    path.chmod(0o600)
    return path

"""Holds a bucket against a ledger. Reads JSON and gzip itself: it shares no code with what wrote them."""

from __future__ import annotations

import gzip
import hashlib
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tests.simulation.year import LOOKBACK, START, Year


def violations(year: Year) -> list[str]:
    """Everything that does not hold, in words."""
    objects = {path.relative_to(year.archive).as_posix(): path for path in files_below(year.archive)}
    documents = {key: json.loads(path.read_bytes()) for key, path in objects.items() if is_document(key)}
    found = chain(objects, documents)
    for number in range(year.days):
        day = START + timedelta(days=number)
        found += [f"{day}: {words}" for words in day_violations(year, day, objects, documents)]
    audio = [key for key in objects if key.startswith("recordings/") and not key.endswith(".json")]
    ids = [key.rpartition("/")[2].partition(".")[0] for key in audio]
    wanted = year.ledger.recordings.keys() - year.ledger.without_audio - open_at_the_end(year)
    found += [f"{recording_id} is not archived" for recording_id in sorted(wanted - set(ids))]
    found += [f"{recording_id} is archived twice" for recording_id in sorted(set(ids)) if ids.count(recording_id) > 1]
    found += [f"{recording_id} was never named" for recording_id in sorted(set(ids) - year.ledger.recordings.keys())]
    found += [f"{key} is not what the source had" for key in audio if not is_true(year, key, objects[key])]
    return found


def day_violations(year: Year, day: date, objects: dict[str, Path], documents: dict[str, Any]) -> list[str]:
    """Of one day: is it closed when it should be, and does its last document add up to the ledger?"""
    mine = sorted(key for key in documents if key.startswith(f"periods/dt={day}/"))
    truth = {each.id for each in year.ledger.recordings.values() if each.created_at.date() == day}
    if not mine:
        over = day < year.last - timedelta(days=LOOKBACK)
        return ["has no statement"] if over and not truth & waiting(year) else []
    if mine[-1] != f"periods/dt={day}/statement.json":
        return ["has amendments and no statement"]
    said = documents[([mine[-1], *mine[:-1]])[-1]]  # amendment-… sorts before statement
    found = []
    recordings = said["recordings"]
    states: dict[str, str] = {}
    if recordings["ids"] is not None:
        content = objects[recordings["ids"]["key"]].read_bytes()
        if hashlib.sha256(content).hexdigest() != recordings["ids"]["sha256"]:
            found.append("its ids are other bytes")
        for line in gzip.decompress(content).splitlines():
            row = json.loads(line)
            states[row["id"]] = row["state"]
    if states.keys() != truth:
        found.append(f"states {len(states)} recordings, and the source named {len(truth)}")
    if recordings["known"] != sum(recordings["states"].values()) or recordings["known"] != len(states):
        found.append("its counts do not add up")
    for recording_id, state in states.items():
        expected = "unavailable" if recording_id in year.ledger.without_audio else "archived"
        if state != expected:
            found.append(f"{recording_id} is {state}, not {expected}")
    named_late = {each["id"] for each in recordings["late"]["recordings"]}
    if missed := (year.ledger.late & truth) - named_late:
        found.append(f"late and not said to be: {sorted(missed)}")
    calls = {each.id for each in year.ledger.calls.values() if each.end_at.date() == day}
    if said["calls"]["rows"] != len(calls):
        found.append(f"states {said['calls']['rows']} calls, and the source named {len(calls)}")
    return found


def chain(objects: dict[str, Path], documents: dict[str, Any]) -> list[str]:
    """One line of documents, none missing, each naming the one before it by its bytes."""
    found = []
    for key, said in documents.items():
        for reference in said["previous"]:
            path = objects.get(reference["key"])
            if path is None or hashlib.sha256(path.read_bytes()).hexdigest() != reference["sha256"]:
                found.append(f"{key}: the document before it is not there as it was")
    numbers = sorted(said["number"] for said in documents.values())
    if numbers != list(range(1, len(documents) + 1)):
        found.append("the chain is not one line")
    return found


def waiting(year: Year) -> set[str]:
    """Named without audio, and not yet given up by the source: their day stays open."""
    reach = year.last - timedelta(days=61)
    return {each for each in year.ledger.without_audio if year.ledger.recordings[each].created_at.date() >= reach}


def open_at_the_end(year: Year) -> set[str]:
    """Held back by the source beyond the last run."""
    return {recording.id for _, recording in year._later} & year.ledger.recordings.keys()


def is_true(year: Year, key: str, path: Path) -> bool:
    recording = year.ledger.recordings[key.rpartition("/")[2].partition(".")[0]]
    return recording.audio is not None and path.read_bytes() == recording.audio.render()


def is_document(key: str) -> bool:
    return key.startswith("periods/") and key.endswith(".json")


def files_below(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and ".scratch" not in path.parts]

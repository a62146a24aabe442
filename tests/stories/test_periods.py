"""A day closes: its statement says what the source named, what became of each, and can be held to it."""

from __future__ import annotations

import gzip
import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from archiver.sandbox import NoAudioYet, World, new_recording
from tests.stories.conftest import NewOperator, put_behind_the_back
from tests.stories.operator import Destination, Operator

SCHEMA = json.loads(files("archiver").joinpath("schemas/statement.schema.json").read_text())


@pytest.fixture
def start() -> date:
    return datetime.now(UTC).date() - timedelta(days=10)


def document(someone: Operator, day: date, name: str = "statement") -> dict[str, Any]:
    said: dict[str, Any] = json.loads(someone.destination.objects()[f"periods/dt={day}/{name}.json"])
    jsonschema.validate(said, SCHEMA)
    return said


def documents(someone: Operator) -> list[str]:
    keys = someone.destination.objects()
    return sorted(key for key in keys if key.startswith("periods/") and key.endswith(".json"))


def lines(someone: Operator, reference: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines of a companion, which is what the document says it is."""
    content = someone.destination.objects()[reference["key"]]
    assert hashlib.sha256(content).hexdigest() == reference["sha256"]
    assert len(content) == reference["size"]
    return [json.loads(line) for line in gzip.decompress(content).splitlines()]


def verify(someone: Operator) -> tuple[int, list[dict[str, Any]]]:
    result = someone.types("periods", "verify", "--json")
    return result.exit_code, result.of("period_flaw")


def test_a_day_closes_with_a_statement_of_everything(
    start: date, operator: NewOperator, destination: Destination
) -> None:
    world = World.generate(seed=501, recordings=40, days=2, start_day=start)
    someone = operator(world, destination)
    result = someone.runs()
    assert result.exit_code == 0, result.stderr
    assert result.summary["statements"] == 2

    first, second = (document(someone, start + timedelta(days=n)) for n in (0, 1))

    for day, said in ((start, first), (start + timedelta(days=1), second)):
        begin = datetime.combine(day, datetime.min.time(), UTC)
        truth = {each.id: each for each in world.recordings(begin, begin + timedelta(days=1))}
        assert said["window"]["start"] == begin.isoformat()
        assert said["window"]["end"] == (begin + timedelta(days=1)).isoformat()
        assert said["source"] == someone.sandbox.base_url
        assert said["run_id"] == result.summary["run_id"]
        recordings = said["recordings"]
        assert recordings["known"] == len(truth) == sum(recordings["states"].values())
        assert recordings["places"] == {"named": len(truth), "moved": 0, "vanished": 0, "out_of_reach": 0}
        assert recordings["states"]["archived"] == len(truth)
        ids = {line["id"]: line for line in lines(someone, recordings["ids"])}
        assert ids.keys() == truth.keys()
        assert all(ids[each.id]["created_at"] == each.created_at.isoformat() for each in truth.values())
        assert all(ids[each.id]["duration"] == each.duration for each in truth.values())
        calls = world.calls(begin, begin + timedelta(days=1))
        assert said["calls"]["rows"] == len(calls)
        for part in said["calls"]["parts"]:
            assert hashlib.sha256(destination.objects()[part["key"]]).hexdigest() == part["sha256"]
        listing = said["listings"]["recordings"]
        asked = f"{day - timedelta(days=1):%b %d, %Y} - {day + timedelta(days=1):%b %d, %Y}"
        assert listing["query"] == {"path": "voice/recordings", "parameters": {"datetime[r.created_at]": asked}}
        assert listing["total"] == {"before": 40, "after": 40}
        assert listing["unique"] == 40
        assert_pages(someone, listing, {each.id for each in world.recordings()})
    assert first["previous"] == []
    statement = destination.objects()[first["key"]]
    assert second["previous"] == [{"key": first["key"], "sha256": hashlib.sha256(statement).hexdigest()}]
    assert verify(someone) == (0, [])
    shown = someone.types("periods", "show", start.isoformat())
    assert json.loads(shown.stdout) == first

    puts = destination.puts()
    assert someone.runs().summary["statements"] == 0
    assert destination.puts() == puts, "closed once"


def assert_pages(someone: Operator, listing: dict[str, Any], ids: set[str]) -> None:
    """The kept pages are those stated, hold every id, and no link that would open anything."""
    kept = iter(lines(someone, listing["archive"]))
    seen: set[str] = set()
    for stated in listing["pages"]["stated"]:
        described = next(kept)
        assert described.pop("answer")["status"] == "OK"
        assert described == stated
        rows = [next(kept) for _ in range(stated["rows"])]
        text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
        assert hashlib.sha256(text.encode()).hexdigest() == stated["kept"]
        seen |= {row["id"] for row in rows}
        assert all("?" not in (row["audio"] or "") for row in rows)
    assert next(kept, None) is None
    assert seen == ids
    archive = gzip.decompress(someone.destination.objects()[listing["archive"]["key"]])
    for secret in (someone.sandbox.token.encode(), b"X-Amz-", b"Signature"):
        assert secret not in archive


def test_a_day_without_anything_has_a_statement_too(start: date, operator: NewOperator, directory: Destination) -> None:
    someone = operator(World(), directory, dialect="resource")
    result = someone.types("run", "--json", "--from", start.isoformat(), "--to", start.isoformat())
    assert result.exit_code == 0, result.stderr
    said = document(someone, start)
    assert said["recordings"]["known"] == 0
    assert said["recordings"]["ids"] is None
    assert said["calls"] == {"rows": 0, "parts": []}
    assert said["listings"]["recordings"]["total"] == {"before": 0, "after": 0}
    assert verify(someone) == (0, [])
    assert "no recordings, 0 calls: closed" in someone.types("periods", "list").stdout


def test_a_late_arrival_after_closing_is_an_amendment(
    start: date, operator: NewOperator, destination: Destination
) -> None:
    world = World.generate(seed=503, recordings=6, days=1, start_day=start)
    someone = operator(world, destination)
    days = someone.days()
    assert someone.runs().exit_code == 0
    before = destination.objects()
    late = new_recording(datetime.combine(start, datetime.min.time(), UTC) + timedelta(hours=9), seed=77)
    world.insert(late)

    result = someone.types("run", "--json", *days)

    assert result.exit_code == 0, result.stderr
    assert (result.summary["statements"], result.summary["amendments"]) == (0, 1)
    after = destination.objects()
    assert {key: after[key] for key in before} == before, "nothing is rewritten"
    said = document(someone, start, "amendment-0001")
    statement = before[f"periods/dt={start}/statement.json"]
    assert said["amends"] == said["previous"][0]
    assert said["amends"]["sha256"] == hashlib.sha256(statement).hexdigest()
    assert said["recordings"]["known"] == 7
    assert [each["id"] for each in said["recordings"]["late"]["recordings"]] == [late.id]
    assert said["changes"]["count"] == 1
    (change,) = said["changes"]["recordings"]
    assert (change["id"], change["before"], change["after"]["state"]) == (late.id, None, "archived")
    assert change["after"]["late"] is True
    assert verify(someone) == (0, [])
    assert "1 amendment: closed" in someone.types("periods", "list").stdout


def test_a_vanished_row_and_a_corrected_duration_are_amended(
    start: date, operator: NewOperator, directory: Destination
) -> None:
    world = World.generate(seed=504, recordings=6, days=1, start_day=start)
    someone = operator(world, directory)
    days = someone.days()
    assert someone.runs().exit_code == 0
    gone, corrected, *_ = world.recordings()
    world.remove(gone.id, keep_audio=True)
    world.replace(corrected.evolve(duration=corrected.duration + 90))
    assert someone.types("run", "--json", *days).exit_code == 4

    said = document(someone, start, "amendment-0001")["recordings"]

    assert said["places"] == {"named": 5, "moved": 0, "vanished": 1, "out_of_reach": 0}
    assert said["states"]["archived"] == 6
    (vanished,) = said["vanished"]["recordings"]
    assert vanished["id"] == gone.id
    assert vanished["last_seen"] == document(someone, start)["listed"]["last"][:19] + vanished["last_seen"][19:]
    assert [each["id"] for each in said["changed"]["recordings"]] == [corrected.id]
    (doubted,) = said["doubted"]["recordings"]
    assert doubted["id"] == corrected.id
    assert verify(someone) == (0, [])


def test_a_day_that_cannot_close_blocks_no_other(start: date, operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=505, recordings=12, days=3, start_day=start)
    waiting = world.recordings()[-1]
    assert waiting.created_at.date() == start
    world.replace(waiting.evolve(faults=(NoAudioYet(),)))
    someone = operator(world, directory)
    assert someone.runs().exit_code == 3
    assert documents(someone) == [f"periods/dt={start + timedelta(days=n)}/statement.json" for n in (1, 2)]
    assert f"{start}  " in someone.types("periods", "list").stdout
    assert "open: 1 recording is open" in someone.types("periods", "list").stdout

    world.replace(waiting)
    assert someone.runs().exit_code == 0
    said = document(someone, start)
    assert said["number"] == 3
    assert said["previous"][0]["key"] == f"periods/dt={start + timedelta(days=2)}/statement.json"
    assert verify(someone) == (0, [])


@pytest.mark.parametrize("keep", ["nothing", "ids", "statement"])
def test_a_run_that_was_killed_while_it_closed_a_day(
    keep: str, start: date, operator: NewOperator, directory: Destination
) -> None:
    """What a kill between any two of the writes leaves; the next run completes it, without a conflict."""
    world = World.generate(seed=506, recordings=5, days=2, start_day=start)
    someone = operator(world, directory)
    assert someone.runs().exit_code == 0
    last = f"periods/dt={start + timedelta(days=1)}/"
    root = getattr(directory, "root")  # noqa: B009
    for key in directory.objects():
        kept = keep == "statement" or (keep == "ids" and "statement" not in key)
        if key.startswith(last) and not kept:
            (root / key).unlink()
    someone.manifest.unlink()  # it was not told

    result = someone.runs()

    assert result.exit_code == 0, result.stderr
    assert verify(someone) == (0, [])
    assert documents(someone) == [f"periods/dt={start + timedelta(days=n)}/statement.json" for n in (0, 1)]
    assert "closed" in someone.types("periods", "list").stdout
    assert result.summary["conflicts"] == 0


def test_two_manifests_grow_one_chain(start: date, operator: NewOperator, directory: Destination) -> None:
    """A container without a volume: each run begins with an empty manifest, and goes on where the bucket ends."""
    world = World.generate(seed=507, recordings=6, days=3, start_day=start)
    someone = operator(world, directory)
    for n in range(3):
        day = (start + timedelta(days=n)).isoformat()
        assert someone.types("run", "--json", "--from", day, "--to", day).exit_code == 0
        someone.manifest.unlink()
    numbers = [document(someone, start + timedelta(days=n))["number"] for n in range(3)]
    assert numbers == [1, 2, 3]
    assert verify(someone) == (0, [])


def tampered(content: bytes, change: str) -> bytes:
    said = json.loads(content)
    if change == "a count":
        said["recordings"]["states"]["archived"] -= 1
    elif change == "a page":
        said["listings"]["recordings"]["pages"]["stated"][0]["received"] = "0" * 64
    elif change == "a time":
        said["closed_at"] = "2020-01-01T00:00:00+00:00"
    elif change == "the schema":
        said["more"] = 1
    return json.dumps(said, indent=2).encode() + b"\n"


@pytest.mark.parametrize("change", ["a count", "a page", "a time", "the schema", "all of it"])
def test_a_statement_that_was_tampered_with_is_found(
    change: str, start: date, operator: NewOperator, destination: Destination
) -> None:
    world = World.generate(seed=508, recordings=20, days=2, start_day=start)
    someone = operator(world, destination)
    assert someone.runs().exit_code == 0
    key = f"periods/dt={start}/statement.json"
    content = destination.objects()[key]
    put_behind_the_back(destination, key, b"{}" if change == "all of it" else tampered(content, change))
    code, flaws = verify(someone)
    assert code == 5
    assert key in {flaw["key"] for flaw in flaws}
    audit = someone.types("audit", "--json")
    assert audit.exit_code == 5
    assert audit.of("period_flaw")


@pytest.mark.parametrize("victim", ["ids-", "listing-recordings-", "listing-calls-", "/part-", ".mp3", ".vcon.json"])
def test_what_a_statement_refers_to_must_be_there(
    victim: str, start: date, operator: NewOperator, directory: Destination
) -> None:
    world = World.generate(seed=509, recordings=8, days=1, start_day=start)
    someone = operator(world, directory)
    assert someone.runs().exit_code == 0
    root = getattr(directory, "root")  # noqa: B009
    key = next(key for key in sorted(directory.objects()) if victim in key)
    (root / key).unlink()
    code, flaws = verify(someone)
    assert code == 5
    assert [flaw["key"] for flaw in flaws] == [f"periods/dt={start}/statement.json"]
    if victim in ("ids-", "listing-recordings-", "listing-calls-", "/part-"):
        (root / key).write_bytes(b"something else")
        code, flaws = verify(someone)
        assert code == 5
        assert key in {flaw["key"] for flaw in flaws}


def test_a_document_taken_out_and_a_fork_are_found(start: date, operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=510, recordings=9, days=3, start_day=start)
    someone = operator(world, directory)
    assert someone.runs().exit_code == 0
    root = getattr(directory, "root")  # noqa: B009
    middle = root / f"periods/dt={start + timedelta(days=1)}/statement.json"
    content = middle.read_bytes()
    middle.unlink()
    code, flaws = verify(someone)
    assert code == 5
    assert any("is not there" in flaw["reason"] for flaw in flaws)

    middle.write_bytes(content)
    assert verify(someone) == (0, [])
    second = start + timedelta(days=2)  # as a run would have written it that did not see the one in the middle
    forked = json.loads((root / f"periods/dt={second}/statement.json").read_bytes())
    forked["previous"] = json.loads(content)["previous"]
    forked["number"] = 2
    (root / f"periods/dt={second}/statement.json").write_bytes(json.dumps(forked, indent=2).encode() + b"\n")
    code, flaws = verify(someone)
    assert code == 5
    assert any("forked" in flaw["reason"] for flaw in flaws)
    someone.manifest.unlink()
    day = (start + timedelta(days=5)).isoformat()
    assert someone.types("run", "--json", "--from", day, "--to", day).exit_code == 0
    assert len(document(someone, start + timedelta(days=5))["previous"]) == 2, "it goes on from both ends"
    assert verify(someone) == (0, [])


def test_a_rebuilt_manifest_knows_the_periods(start: date, operator: NewOperator, destination: Destination) -> None:
    world = World.generate(seed=511, recordings=12, days=2, start_day=start)
    someone = operator(world, destination)
    days = someone.days()
    assert someone.runs().exit_code == 0
    gone, corrected, *_ = world.recordings()
    world.remove(gone.id, keep_audio=True)
    world.replace(corrected.evolve(duration=corrected.duration + 90))
    world.insert(new_recording(datetime.combine(start, datetime.min.time(), UTC) + timedelta(hours=9), seed=77))
    assert someone.types("run", "--json", *days).exit_code == 4
    assert someone.types("manifest", "check").exit_code == 0
    listed = someone.types("periods", "list", "--json").of("period")
    before = json.loads(someone.types("status", "--json").stdout)
    someone.manifest.unlink()

    result = someone.types("manifest", "rebuild")

    assert result.exit_code == 0, result.stdout
    assert someone.types("periods", "list", "--json").of("period") == listed
    after = json.loads(someone.types("status", "--json").stdout)
    assert [each["recording_id"] for each in after["vanished"]] == [gone.id]
    for name in ("vanished", "in_doubt", "states", "days", "watermark"):
        assert after[name] == before[name], name
    check = someone.types("manifest", "check")
    assert check.exit_code == 0, check.stdout
    puts = destination.puts()
    assert someone.types("run", "--json", *days).summary["amendments"] == 0
    assert destination.puts() == puts


def test_a_check_finds_a_statement_that_is_gone(start: date, operator: NewOperator, directory: Destination) -> None:
    """The last document of the chain: the bucket alone cannot tell that there ever was one."""
    world = World.generate(seed=512, recordings=4, days=1, start_day=start)
    someone = operator(world, directory)
    assert someone.runs().exit_code == 0
    key = f"periods/dt={start}/statement.json"
    (getattr(directory, "root") / key).unlink()  # noqa: B009
    assert verify(someone) == (0, [])
    check = someone.types("manifest", "check")
    assert check.exit_code == 5
    assert f"{key}: in the manifest, not in the bucket" in check.stdout

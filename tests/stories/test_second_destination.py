"""The second destination: copied to once the first holds it, never in its way, and caught up with."""

from __future__ import annotations

import json
import signal
import socket
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from archiver.rules.keys import tombstone_beside
from archiver.sandbox import World, new_recording
from tests.stories.conftest import Directory, NewOperator, put_behind_the_back
from tests.stories.disposing import OVER, approve, certificate, plan
from tests.stories.operator import Destination, Operator, kill, sealed

RECORDINGS = 12


@pytest.fixture
def world() -> World:
    return World.generate(seed=91, recordings=RECORDINGS, days=2, start_day=date(2026, 3, 2))


@pytest.fixture
def second(destination: Destination, request: pytest.FixtureRequest, tmp_path: Path) -> Destination:
    """Of the same kind as the first."""
    if isinstance(destination, Directory):
        return Directory(tmp_path / "second")
    other: Destination = request.getfixturevalue("new_bucket")()
    return other


def with_second(someone: Operator, second: Destination, **more: Any) -> Operator:
    someone.settings = {"second_destination": {**second.section, **more}}
    return someone


def down(second: Destination) -> dict[str, Any]:
    """As it looks while nobody answers."""
    if isinstance(second, Directory):
        return {"url": (second.root.parent / "not" / "mounted" / "second").as_uri()}
    return {**second.section, "endpoint_url": "http://127.0.0.1:9"}


def test_everything_is_copied_and_nothing_twice(
    world: World, operator: NewOperator, destination: Destination, second: Destination
) -> None:
    someone = with_second(operator(world, destination), second)

    result = someone.runs()

    assert result.exit_code == 0, result.stderr
    assert result.summary["archived"] == RECORDINGS
    assert second.objects() == destination.objects()
    assert any(key.startswith("calls/") for key in second.objects())
    assert result.summary["copied"] == len(second.objects())
    status = json.loads(someone.types("status", "--json").stdout)["copies"]
    assert (status["copied"], status["complete"]) == (result.summary["copied"], True)
    puts = second.puts()
    again = someone.runs()
    assert (again.exit_code, again.summary["copied"]) == (0, 0)
    assert second.puts() == puts

    late = new_recording(world.recordings()[0].created_at, seed=5)
    world.insert(late)
    third = someone.runs()
    assert (third.exit_code, third.summary["archived"]) == (0, 1)
    assert late.id in sealed(second.objects(), "recordings")
    assert second.objects() == destination.objects()


def test_down_for_a_run_and_caught_up_by_the_next(
    world: World, operator: NewOperator, destination: Destination, second: Destination
) -> None:
    someone = operator(world, destination)
    textfile = {"textfile": str(someone.home / "archiver.prom")}
    someone.settings = {"second_destination": down(second), "metrics": textfile}

    result = someone.runs()

    assert result.exit_code == 3
    assert result.summary["archived"] == RECORDINGS, "the first is not held up"
    assert someone.archived() == someone.truth()
    assert result.summary["copies_unfinished"]
    assert result.summary["copies_pending"] == len(destination.objects())
    assert "second destination:" in result.stderr
    status = someone.types("status")
    told = (someone.home / "archiver.prom").read_text()
    assert f'state="pending"}} {float(len(destination.objects()))}' in told
    report = someone.types("report").stdout
    assert f"{len(destination.objects())} objects are still to be copied to the second destination." in report
    assert "Nothing is open but in the second destination" in report
    assert f"{len(destination.objects())} pending" in status.stdout

    puts = destination.puts()
    later = with_second(someone, second).runs()
    assert later.exit_code == 0, later.stderr
    assert (later.summary["archived"], later.summary["copies_pending"]) == (0, 0)
    assert second.objects() == destination.objects()
    assert destination.puts() == puts


def test_other_bytes_under_a_key(
    world: World, operator: NewOperator, destination: Destination, second: Destination
) -> None:
    """Of the same size, so that no listing tells. Nothing is overwritten, all else is copied, exit code 5."""
    someone = operator(world, destination)
    assert someone.runs().exit_code == 0
    victim = next(key for key in destination.objects() if key.startswith("recordings/") and key.endswith(".mp3"))
    foreign = bytes(len(destination.objects()[victim]))
    put_behind_the_back(second, victim, foreign)

    for _ in range(2):
        result = with_second(someone, second).runs()
        assert result.exit_code == 5
        assert result.summary["copy_conflicts"] == 1
        report = someone.types("report", "--json").events[-1]
        assert report["copies"]["conflict"] == 1
        assert report["headline"] == "Somebody has to look at this archive"
        assert second.objects()[victim] == foreign
    stem = victim.removesuffix(".mp3")
    missing = destination.objects().keys() - second.objects().keys()
    assert missing == {f"{stem}.vcon.json"}, "it is not sealed there"
    assert someone.archived() == someone.truth()
    found = someone.types("audit", "--destination", "second", "--json")
    assert found.exit_code == 5
    assert {event["key"] for event in found.of("digest_differs")} == {victim}
    assert someone.types("audit").exit_code == 0, "and of the first nothing is said"


def test_damage_in_the_first_is_not_copied(world: World, operator: NewOperator, directory: Directory) -> None:
    someone = operator(world, directory)
    second = Directory(directory.root.parent / "second")
    assert someone.runs().exit_code == 0
    victim = next(path for path in directory.root.rglob("recordings/*/*.mp3"))
    victim.write_bytes(bytes(victim.stat().st_size))
    result = with_second(someone, second).runs()
    assert result.exit_code == 3
    (told,) = result.of("copy_failed")
    assert told["key"] == victim.relative_to(directory.root).as_posix()
    assert "archiver audit" in told["reason"]
    assert told["key"] not in second.objects()
    assert len(sealed(second.objects(), "recordings")) == RECORDINGS - 1


def test_an_audit_of_either(world: World, operator: NewOperator, directory: Directory) -> None:
    someone = operator(world, directory)
    assert someone.runs().exit_code == 0
    assert someone.types("audit", "--destination", "second").exit_code == 2, "there is none"
    second = Directory(directory.root.parent / "second")
    assert with_second(someone, second).runs().exit_code == 0
    assert someone.types("audit", "--deep", "--destination", "second").exit_code == 0
    victim = next(path for path in second.root.rglob("recordings/*/*.mp3"))
    content = victim.read_bytes()
    victim.unlink()
    found = someone.types("audit", "--destination", "second", "--json")
    assert (found.exit_code, found.events[-1]["missing"], found.events[-1]["destination"]) == (5, 1, "second")
    assert someone.types("audit").exit_code == 0
    assert someone.runs().exit_code == 0
    assert victim.read_bytes() == content, "what a listing misses is copied again"
    assert json.loads(someone.types("status", "--json").stdout)["states"] == {"archived": RECORDINGS}


def test_killed_while_it_copies(world: World, operator: NewOperator, directory: Directory) -> None:
    """At any moment: no object there is half of one, and none says sealed without its audio."""
    someone = operator(world, directory)
    second = Directory(directory.root.parent / "second")
    assert someone.runs().exit_code == 0
    with_second(someone, second)
    process = someone.starts(limits={"concurrency": 1})
    deadline = time.monotonic() + 60
    while not second.objects() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    kill(process, signal.SIGKILL)
    for key, data in second.objects().items():
        assert directory.objects()[key] == data
        if key.endswith(".vcon.json"):
            assert json.loads(data)["archive"]["key"] in second.objects()
    assert someone.runs().exit_code == 0
    assert second.objects() == directory.objects()


def test_a_signal_while_the_second_destination_hangs(
    world: World, operator: NewOperator, directory: Directory, aws: None
) -> None:
    someone = operator(world, directory)
    second = Directory(directory.root.parent / "second")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        hung = {"url": "s3://nowhere/voice", "endpoint_url": f"http://127.0.0.1:{port}", "region": "us-east-1"}
        process = someone.starts(second_destination=hung)
        silent.settimeout(60)
        connection, _ = silent.accept()
        started = time.monotonic()
        code, stdout, stderr = kill(process, signal.SIGTERM)
        connection.close()
    assert (code, time.monotonic() - started < 20) == (143, True), stderr
    summary = json.loads(stdout.splitlines()[-1])
    assert (summary["archived"], bool(summary["copies_unfinished"])) == (RECORDINGS, True)
    assert someone.archived() == someone.truth()
    assert with_second(someone, second).runs().exit_code == 0
    assert second.objects() == directory.objects()


@pytest.fixture
def over(world: World, operator: NewOperator, directory: Directory) -> tuple[Operator, Directory]:
    """Everything is past its retention, and copied."""
    someone, second = operator(world, directory), Directory(directory.root.parent / "second")
    with_second(someone, second).settings["retention"] = {**OVER, "accept_unenforced": True}
    assert someone.runs().exit_code == 0
    assert len(sealed(second.objects(), "recordings")) == RECORDINGS
    return someone, second


def left(place: Destination) -> set[str]:
    return {key for key in place.objects() if key.startswith("recordings/")}


def copies_in(someone: Operator) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(someone.types("status", "--json").stdout)["copies"]
    return found


def test_a_disposal_reaches_the_copies(over: tuple[Operator, Directory]) -> None:
    someone, second = over
    path = plan(someone)
    result = approve(someone, path)
    assert result.exit_code == 0, result.stderr
    assert (left(someone.destination), left(second)) == (set(), set())
    said = certificate(path)["second_destination"]
    assert (set(said["deleted"]), said["stayed"]) == (set(someone.truth()), [])
    stones = {key: data for key, data in second.objects().items() if key.startswith("tombstones/")}
    assert len(stones) == RECORDINGS
    assert stones.items() <= someone.destination.objects().items()
    assert someone.types("audit", "--destination", "second", "--json").exit_code == 0
    assert copies_in(someone)["copied"] == len(second.objects())
    assert someone.runs().exit_code == 0
    assert left(second) == set(), "nothing returns"


def test_a_disposal_while_the_second_is_down_is_finished_by_the_next(over: tuple[Operator, Directory]) -> None:
    someone, second = over
    path, before = plan(someone), left(second)
    result = approve(someone, path, second_destination=down(second))
    assert result.exit_code == 3, result.stderr
    assert left(someone.destination) == set(), "the first is not held up"
    said = certificate(path)["second_destination"]
    assert {each["recording_id"] for each in said["stayed"] if each["pending"]} == set(someone.truth())
    assert left(second) == before
    with_second(someone, second).settings["retention"] = {**OVER, "accept_unenforced": True}
    assert copies_in(someone)["leaving"] == len(before)
    assert "copies are still to be deleted there" in someone.types("report").stdout
    assert someone.types("audit", "--destination", "second", "--json").exit_code == 0, "neither extra nor missing"
    assert someone.runs(second_destination=down(second)).exit_code == 3, "so that the next run compares everything"
    assert someone.runs().exit_code == 0
    assert copies_in(someone)["leaving"] == len(before), "a job deletes nothing, and forgets nothing"
    later = approve(someone, plan(someone, "later.json"))
    assert later.exit_code == 0, later.stderr
    assert left(second) == set()
    assert "leaving" not in copies_in(someone)


def test_copies_that_something_keeps_are_not_deleted(over: tuple[Operator, Directory]) -> None:
    """Other bytes, something beside it, a matter of later, a tombstone of another: each is said, and all else goes."""
    someone, second = over
    path = plan(someone)
    written, beside, held, mistaken, other, *_ = sorted(key for key in left(second) if key.endswith(".mp3"))
    (second.root / written).write_bytes(bytes(len(second.objects()[written])))
    (second.root / beside).with_suffix(".txt").write_bytes(b"a note")
    assert approve(someone, path, second_destination=down(second)).exit_code == 3
    with_second(someone, second).settings["retention"] = {**OVER, "accept_unenforced": True}
    matter = ("hold", "add", "--matter", "m", "--reason", "r", "--id", Path(held).stem)
    assert someone.types(*matter).exit_code == 0
    stone = tombstone_beside(mistaken)
    assert isinstance(someone.destination, Directory)
    first = someone.destination.root
    (first / stone).write_bytes((first / tombstone_beside(other)).read_bytes())
    stay = {Path(key).stem for key in (written, beside, held, mistaken)}

    assert approve(someone, path).exit_code == 4

    said = certificate(path)["second_destination"]
    reasons = {each["recording_id"]: each["reason"] for each in said["stayed"]}
    assert reasons == {
        Path(written).stem: f"other bytes lie under {written} there",
        Path(beside).stem: f"{beside.removesuffix('mp3')}txt is nothing that the tombstone names",
        Path(held).stem: "held for m",
        Path(mistaken).stem: f"{stone} speaks of another recording",
    }
    assert set(said["deleted"]) == set(someone.truth()) - stay
    assert {Path(key).name.partition(".")[0] for key in left(second)} == stay
    assert copies_in(someone)["leaving"] == 2 * len(stay)

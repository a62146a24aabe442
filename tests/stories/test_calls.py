"""Call logs are archived beside the recordings: everything the source named, once, and nothing twice."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from archiver.calls import lister as call_lister
from archiver.sandbox import Dialect, Drip, OnListing, RowsInserted, SandboxCall, Status, World, WrongTotal
from archiver.sandbox.dialects import call_row
from tests.stories.conftest import Directory, NewOperator
from tests.stories.operator import Destination, Operator

DIALECTS: tuple[Dialect, ...] = ("flat", "paged", "resource")


@pytest.fixture
def world() -> World:
    return World.generate(seed=81, recordings=30, days=3, unanswered=60)


def parts(destination: Destination) -> dict[str, list[dict[str, Any]]]:
    """Rows by part key; every line is a row, and there is nothing else."""
    found = {}
    for key, data in sorted(destination.objects().items()):
        if key.startswith("calls/") and key.endswith(".ndjson.gz"):
            text = gzip.decompress(data)
            assert text.endswith(b"\n")
            found[key] = [json.loads(line) for line in text.split(b"\n")[:-1]]
            assert found[key]
    return found


def union(destination: Destination) -> dict[str, dict[str, Any]]:
    """Last part wins per id; each row lies under its day."""
    found: dict[str, dict[str, Any]] = {}
    for key, rows in parts(destination).items():
        for row in rows:
            assert key.split("/")[1] == f"dt={row['end_at'][:10]}"
            found[row["id"]] = row
    return found


def truth(someone: Operator, dialect: Dialect) -> dict[str, dict[str, object]]:
    calls = someone.sandbox.world.calls()
    return {call.id: call_row(call, dialect, "link" if call.audio_key else None, UTC, 0) for call in calls}


def assert_all_there(someone: Operator, dialect: Dialect) -> None:
    told, held = truth(someone, dialect), union(someone.destination)
    assert held.keys() == told.keys()
    for call_id, row in held.items():
        assert list(row) == list(told[call_id])
        assert {**row, "audio": None, "serial": 0} == {**told[call_id], "audio": None, "serial": 0}
        assert (row["audio"] is None) is (told[call_id]["audio"] is None)
        assert "?" not in str(row["audio"])


def evolve(call: SandboxCall, **changes: Any) -> SandboxCall:
    from dataclasses import replace

    return replace(call, **changes)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_call_is_archived_once(
    dialect: Dialect, world: World, operator: NewOperator, destination: Destination
) -> None:
    someone = operator(world, destination, dialect=dialect)

    first = someone.runs()

    assert first.exit_code == 0, first.stderr
    assert_all_there(someone, dialect)
    days = {call.end_at.date() for call in world.calls()}
    assert list(parts(destination)) == [f"calls/dt={day}/part-0001.ndjson.gz" for day in sorted(days)]
    assert first.summary["calls_listed"] == first.summary["calls_archived"] == len(world.calls())
    assert first.summary["call_parts"] == len(first.of("calls")) == 3
    assert someone.scratch() == []

    puts = destination.puts()
    second = someone.runs()
    assert second.exit_code == 0
    assert destination.puts() == puts
    assert second.summary["calls_listed"] == len(world.calls())
    assert (second.summary["calls_archived"], second.summary["call_parts"]) == (0, 0)
    assert all(event["new"] == event["changed"] == 0 for event in second.of("calls"))

    shown = json.loads(someone.types("status", "--json").stdout)["calls"]
    assert shown["total"] == len(world.calls())
    assert shown["days"][str(min(days))] == {"calls": len(next(iter(parts(destination).values()))), "parts": 1}
    assert f"{len(world.calls())} calls in 3 days" in someone.types("status").stdout


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_changed_and_a_new_row_become_a_second_part(
    dialect: Dialect, world: World, operator: NewOperator, destination: Destination
) -> None:
    someone = operator(world, destination, dialect=dialect)
    assert someone.runs().exit_code == 0
    before = destination.objects()
    changed = world.calls()[4]
    world.insert_calls(evolve(changed, status="COMPLETED", extra={"agent": "Zoë"}))
    new = evolve(changed, id="a-late-one", start_at=changed.start_at + timedelta(seconds=1))
    world.insert_calls(new)

    result = someone.runs()

    assert result.exit_code == 0
    added = {key: rows for key, rows in parts(destination).items() if key not in before}
    ((key, rows),) = added.items()
    assert key == f"calls/dt={changed.end_at.date()}/part-0002.ndjson.gz"
    assert {row["id"] for row in rows} == {changed.id, "a-late-one"}
    assert before.items() <= destination.objects().items(), "nothing is rewritten"
    assert_all_there(someone, dialect)
    (told,) = [event for event in result.of("calls") if event["part"] is not None]
    assert (told["new"], told["changed"], told["part"]) == (1, 1, 2)
    assert result.summary["calls_archived"] == 2
    puts = destination.puts()
    assert someone.runs().exit_code == 0
    assert destination.puts() == puts


def test_a_call_that_the_source_forgets_stays(world: World, operator: NewOperator, destination: Destination) -> None:
    someone = operator(world, destination)
    assert someone.runs().exit_code == 0
    held, puts = union(destination), destination.puts()
    world.remove_calls(*[call.id for call in world.calls()[::2]])
    for _ in range(2):
        result = someone.runs()
        assert result.exit_code == 0
        assert result.summary["calls_archived"] == 0
    assert union(destination) == held
    assert destination.puts() == puts
    assert json.loads(someone.types("status", "--json").stdout)["calls"]["total"] == len(held)


def test_an_unchanged_day_costs_no_read_of_parts(world: World, operator: NewOperator, new_bucket: Any) -> None:
    bucket = new_bucket()
    someone = operator(world, bucket)
    assert someone.runs().exit_code == 0

    def reads() -> int:
        return len([path for method, path in bucket.server.requests if method == "GET" and "part-" in path])

    before = reads()
    assert someone.runs().exit_code == 0
    assert reads() == before
    for path in someone.home.glob("manifest.db*"):
        path.unlink()
    assert someone.runs().exit_code == 0
    assert reads() == before + 3, "once per part, to learn what a lost manifest knew"
    assert someone.runs().exit_code == 0
    assert reads() == before + 3


def test_a_lost_manifest_writes_nothing_new(world: World, operator: NewOperator, destination: Destination) -> None:
    someone = operator(world, destination)
    assert someone.runs().exit_code == 0
    world.insert_calls(evolve(world.calls()[0], billing=7))
    assert someone.runs().summary["call_parts"] == 1
    puts = destination.puts()
    for path in someone.home.glob("manifest.db*"):
        path.unlink()

    result = someone.runs()

    assert result.exit_code == 0
    assert result.summary["calls_archived"] == 0
    assert destination.puts() == puts
    assert json.loads(someone.types("status", "--json").stdout)["calls"]["total"] == len(world.calls())


def test_a_rebuilt_manifest_knows_the_calls(world: World, operator: NewOperator, directory: Destination) -> None:
    someone = operator(world, directory)
    assert someone.runs().exit_code == 0
    before = json.loads(someone.types("status", "--json").stdout)["calls"]
    for path in someone.home.glob("manifest.db*"):
        path.unlink()
    assert someone.types("manifest", "rebuild").exit_code == 0
    assert json.loads(someone.types("status", "--json").stdout)["calls"] == before


KILLED = """
import sys, signal, os
from archiver.calls import log as call_log, part as call_part
from archiver.store.directory import DirectoryStore
from archiver.store.s3 import S3Store

call_log.pack = lambda lines: call_part.pack(lines, limit=4_000)
moment = sys.argv.pop(1)
def dying(kind):
    put = kind.put_new
    async def put_new(self, key, *rest):
        outcome = await put(self, key, *rest)
        if key.endswith(moment):
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome
    kind.put_new = put_new
dying(DirectoryStore), dying(S3Store)
sys.argv[0] = "archiver"
from archiver.cli import main
main()
"""


@pytest.mark.parametrize("moment", ["part-0001.ndjson.gz", "part-0002.ndjson.gz", "part-0001.parquet"])
def test_killed_between_two_parts(moment: str, world: World, operator: NewOperator, destination: Destination) -> None:
    """After it a run brings what is missing, and only that."""
    someone = operator(world, destination)
    config = someone.configure(calls={"parquet": True})
    command = [sys.executable, "-c", KILLED, moment, "--config", str(config), "run", *someone.days()]
    died = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    before = parts(destination)
    assert before

    result = someone.runs(calls={"parquet": True})

    assert result.exit_code == 0, result.stderr
    assert_all_there(someone, "resource")
    assert before.items() <= parts(destination).items()
    assert sum(len(rows) for rows in parts(destination).values()) == len(world.calls()), "no row twice"
    keys = destination.objects().keys()
    assert {copy_of(key) for key in keys if key.startswith("calls/")} == {
        key for key in keys if key.startswith("calls-parquet/")
    }


def copy_of(key: str) -> str:
    """The key of the Parquet copy of a part."""
    return key.replace("calls/", "calls-parquet/").replace("ndjson.gz", "parquet")


def test_unknown_fields_and_odd_values_are_kept(operator: NewOperator, destination: Destination) -> None:
    world = World.generate(seed=82, recordings=3, days=1)
    extra = {
        "new": {"deep": [1, None, "é\u2028\n"]},
        "call_from": 32470000001,
        "sip": "https://h/p?X-Amz-Signature=abc",
    }
    odd = evolve(world.calls()[0], extra=extra)
    world.insert_calls(odd)
    someone = operator(world, destination)
    assert someone.runs().exit_code == 0
    row = union(destination)[odd.id]
    assert row["new"] == extra["new"]
    assert row["call_from"] == 32470000001
    assert row["sip"] == "https://h/p"


def test_rows_that_cannot_be_read_cost_no_other(operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=83, recordings=6, days=1)
    nameless, timeless, *_ = world.calls()
    world.insert_calls(evolve(nameless, extra={"id": None}), evolve(timeless, extra={"start_at": "?"}))
    someone = operator(world, directory)
    result = someone.runs()
    assert result.exit_code == 4
    assert (result.summary["rows_unreadable"], result.summary["rows_odd"]) == (1, 1)
    assert result.summary["calls_unsettled"] == 1
    assert len(union(directory)) == len(world.calls()) - 1
    assert {event["reason"] for event in result.of("bad_call")} == {"the row has no id", "start_at cannot be read"}


def test_no_phone_number_in_keys_events_or_talk(world: World, operator: NewOperator, destination: Destination) -> None:
    someone = operator(world, destination)
    result = someone.runs("-vv", calls={"parquet": True})
    said = result.stdout + result.stderr + "".join(destination.objects())
    assert result.of("calls")
    numbers = {number for call in world.calls() for number in (call.call_from, call.call_to)}
    assert not [number for number in numbers if number in said]


def test_the_parquet_copy_says_the_same(world: World, operator: NewOperator, directory: Directory) -> None:
    from pyarrow import parquet

    world.insert_calls(evolve(world.calls()[0], extra={"new": {"deep": 1}}))
    someone = operator(world, directory)
    assert someone.runs(calls={"parquet": True}).exit_code == 0
    for key, rows in parts(directory).items():
        content = directory.objects()[copy_of(key)]
        table = parquet.read_table(io.BytesIO(content))
        assert str(table.schema.field("start_at").type) == "timestamp[ms, tz=UTC]"
        assert str(table.schema.field("duration_seconds").type) == "int64"
        for row, copy in zip(rows, table.to_pylist(), strict=True):
            for name in ("id", "call_from", "call_to", "status", "duration", "billing", "audio", "name"):
                assert copy[name] == row[name]
            assert copy["end_at"] == datetime.fromisoformat(row["end_at"]).replace(tzinfo=UTC)
            hours, minutes, seconds = map(int, row["duration"].split(":"))
            assert copy["duration_seconds"] == hours * 3600 + minutes * 60 + seconds
            assert json.loads(copy["other"] or "{}") == ({"new": {"deep": 1}} if "new" in row else {})


def test_copies_that_are_asked_for_later_are_made_up(world: World, operator: NewOperator, directory: Directory) -> None:
    someone = operator(world, directory)
    assert someone.runs().exit_code == 0
    assert not [key for key in directory.objects() if key.endswith(".parquet")]
    result = someone.runs(calls={"parquet": True})
    assert result.exit_code == 0
    assert result.summary["calls_archived"] == 0
    assert len([key for key in directory.objects() if key.endswith(".parquet")]) == 3


def test_query_engines_read_the_bucket_as_it_stands(world: World, operator: NewOperator, directory: Directory) -> None:
    import duckdb

    someone = operator(world, directory)
    assert someone.runs(calls={"parquet": True}).exit_code == 0
    for function, place in (("read_parquet", "calls-parquet"), ("read_json", "calls")):
        asked = f"from {function}('{directory.root}/{place}/*/*', hive_partitioning=true)"
        counted = duckdb.sql(f"select count(*), count(distinct dt) {asked}")
        assert counted is not None
        assert counted.fetchall() == [(len(world.calls()), 3)]


def test_a_listing_that_does_not_agree_is_archived_and_told(
    world: World, operator: NewOperator, destination: Destination
) -> None:
    someone = operator(world, destination)
    someone.sandbox.inject(OnListing(WrongTotal(3), "calls"))
    result = someone.runs()
    assert result.exit_code == 3
    assert result.summary["complete"] is False
    assert result.summary["windows_disagreed"] == 0
    assert result.summary["calls_unsettled"] == len(result.of("calls_unsettled")) == 3
    assert "distinct ids" in result.of("calls_unsettled")[0]["reason"]
    assert_all_there(someone, "resource")
    assert len(json.loads(someone.types("status", "--json").stdout)["calls"]["unsettled"]) == 3
    someone.sandbox.clear_faults()
    parts = {key for key in destination.objects() if key.startswith("calls/")}
    assert someone.runs().summary["statements"] == 3
    assert {key for key in destination.objects() if key.startswith("calls/")} == parts
    assert json.loads(someone.types("status", "--json").stdout)["calls"]["unsettled"] == []


def test_calls_inserted_between_pages(world: World, operator: NewOperator, directory: Destination) -> None:
    someone = operator(world, directory)
    someone.sandbox.inject(OnListing(RowsInserted(3), "calls", 2))
    assert someone.runs().exit_code == 0
    assert_all_there(someone, "resource")


@pytest.mark.parametrize("page", [1, 5])
def test_a_failing_call_log_costs_recordings_nothing(page: int, operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=84, recordings=30, days=6, unanswered=200)
    someone = operator(world, directory)
    someone.sandbox.inject(OnListing(Status(404), "calls", page))
    result = someone.runs()
    assert result.exit_code == 3
    assert result.summary["archived"] == 30
    assert someone.archived() == someone.truth()
    assert result.summary["calls_unsettled"] == 6
    asked = {request.target.partition("&page=")[0] for request in someone.sandbox.listings("calls")}
    assert len(asked) == (1 if page == 1 else 3), "three days that fail in a row are enough"
    if page == 5:
        assert len(union(directory)) == result.summary["calls_archived"] > 0, "what was named is kept"
    someone.sandbox.clear_faults()
    assert someone.runs().exit_code == 0
    assert_all_there(someone, "resource")


def test_credentials_refused_for_calls(world: World, operator: NewOperator, directory: Destination) -> None:
    someone = operator(world, directory)
    someone.sandbox.inject(OnListing(Status(403), "calls"))
    assert someone.runs().exit_code == 12


def test_a_window_is_closed_only_with_its_calls(today: date, operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=85, recordings=8, days=8, start_day=today - timedelta(days=8))
    someone = operator(world, directory)
    someone.settings = {"windows": {"since": today - timedelta(days=8), "lookback_days": 3}}
    someone.sandbox.inject(OnListing(WrongTotal(1), "calls"))
    assert someone.runs(days=False).of("window_closed") == []
    someone.sandbox.clear_faults()
    result = someone.runs(days=False)
    assert result.exit_code == 0
    assert len(result.of("window_closed")) == 5


def test_a_dry_run_says_how_many(world: World, operator: NewOperator, directory: Destination) -> None:
    someone = operator(world, directory)
    result = someone.runs("--dry-run")
    assert result.exit_code == 0
    assert directory.objects() == {}
    assert result.summary["calls_listed"] == result.summary["calls_pending"] == len(world.calls())
    assert result.summary["calls_archived"] == 0
    assert someone.runs().exit_code == 0
    world.insert_calls(evolve(world.calls()[0], billing=9))
    assert someone.runs("--dry-run").summary["calls_pending"] == 1
    assert "1 would be archived" in someone.types("run", "--dry-run", *someone.days()).stdout


def test_budgets_count_recordings_only(world: World, operator: NewOperator, directory: Destination) -> None:
    someone = operator(world, directory)
    result = someone.runs("--limit", "30", "--max-bytes", "1G")
    assert result.exit_code == 0
    assert_all_there(someone, "resource")


def test_calls_are_left_alone_where_nobody_wants_them(
    world: World, operator: NewOperator, directory: Destination
) -> None:
    someone = operator(world, directory)
    result = someone.runs(calls={"archive": False})
    assert result.exit_code == 0
    assert parts(directory) == {}
    assert someone.sandbox.listings("calls") == ()
    assert result.summary["calls_listed"] == 0


def test_days_without_calls(operator: NewOperator, destination: Destination) -> None:
    world = World.generate(seed=86, recordings=4, days=2)
    world.remove_calls(*[call.id for call in world.calls()])
    someone = operator(world, destination)
    result = someone.runs()
    assert result.exit_code == 0
    assert parts(destination) == {}
    assert [event["listed"] for event in result.of("calls")] == [0, 0]


def test_a_part_that_cannot_be_put_is_told(world: World, operator: NewOperator, directory: Directory) -> None:
    someone = operator(world, directory)
    days = sorted({call.end_at.date() for call in world.calls()})
    directory.root.mkdir()
    (directory.root / "calls").mkdir()
    (directory.root / "calls" / f"dt={days[1]}").write_bytes(b"in the way")
    result = someone.runs()
    assert result.exit_code in (3, 10)
    assert result.of("calls_unsettled") or result.exit_code == 10


def test_parts_follow_each_other_without_a_gap(world: World, operator: NewOperator, directory: Directory) -> None:
    someone = operator(world, directory)
    for billing in range(4):
        world.insert_calls(evolve(world.calls()[0], billing=billing + 100))
        assert someone.runs().exit_code == 0
    last = [key for key in parts(directory) if f"dt={world.calls()[0].end_at.date()}" in key]
    numbers = [int(key[-14:-10]) for key in last]
    assert numbers[0] == 1
    assert all(after == before + 1 for before, after in pairwise(numbers))
    with sqlite3.connect(someone.manifest) as database:
        rows = database.execute("select sum(parts), sum(row_count) from call_days").fetchall()
    database.close()
    assert rows == [(6, len(world.calls()))]


def named_calls(destination: Destination) -> dict[str, Any]:
    """What sidecars say of the calls of their recordings, by recording id; None where they name none."""
    found = {}
    for key, data in destination.objects().items():
        if key.endswith(".vcon.json"):
            document = json.loads(data)
            said = [each["body"] for each in document["attachments"] if each["purpose"] == "call"]
            found[document["archive"]["recording_id"]] = said[0] if said else None
    return found


def test_a_sidecar_names_the_call_that_its_recording_names(
    world: World, operator: NewOperator, destination: Destination
) -> None:
    someone = operator(world, destination, dialect="flat")
    assert someone.runs().exit_code == 0
    calls = {call.id: call for call in world.calls()}
    said = named_calls(destination)
    assert len(said) == 30
    for recording in world.recordings():
        call, facts = calls[recording.call_id or ""], said[recording.id]
        assert facts["call_id"] == call.id
        assert facts["start_at"] == call.start_at.isoformat()
        assert facts["end_at"] == call.end_at.isoformat()
        assert (facts["status"], facts["hangup_by"]) == (call.status, call.hangup_by)
        assert not {call.call_from, call.call_to} & set(map(str, facts.values()))


def test_recordings_that_name_no_call_have_sidecars_without(
    world: World, operator: NewOperator, directory: Destination
) -> None:
    someone = operator(world, directory)
    assert someone.runs().exit_code == 0
    assert set(named_calls(directory).values()) == {None}


def test_a_call_log_that_hangs_is_not_waited_for(
    world: World, operator: NewOperator, directory: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_lister, "PATIENCE", 0.5)
    someone = operator(world, directory, dialect="flat")
    someone.sandbox.inject(OnListing(Drip(5.0), "calls"))
    result = someone.runs()
    assert result.exit_code == 3
    assert result.summary["archived"] == 30
    assert [event["reason"][:40] for event in result.of("calls_unsettled")] == [
        "the call log did not answer within 0 s: ",
        *["the calls of earlier windows could not b"] * 2,
    ]
    assert set(named_calls(directory).values()) == {None}

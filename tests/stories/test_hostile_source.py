"""A source that means harm, or knows no better: one row, header or page must never cost the run, nor lie to it."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from archiver.sandbox import (
    ABSENT,
    CutObject,
    DataIs,
    DuplicatedRow,
    Headers,
    HtmlPage,
    MoreFields,
    OnAudio,
    OnListing,
    Status,
    WithField,
    WithoutField,
    World,
    new_recording,
)
from tests.stories.conftest import NewOperator
from tests.stories.operator import Destination, Operator


@pytest.fixture
def world() -> World:
    return World.generate(seed=81, recordings=12, days=1)


def deep(levels: int) -> object:
    value: object = "bottom"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "fault",
    [
        WithField("audio", "https://[bad/x.mp3"),
        WithField("audio", "http://127.0.0.1:99999/x.mp3"),
        WithField("audio", "http://127.0.0.1/\ud800.mp3"),
        WithField("audio", 7),
        MoreFields({"nested": deep(600)}),
        MoreFields({"notes": "x-amz-" * 20_000}),
        MoreFields({"notes": "\x01" * 900_000}),
        MoreFields({"number": 10**400, "huge": float("1e300")}),
        WithField("call_from", "\ud800"),
    ],
    ids=lambda fault: f"{getattr(fault, 'name', '')}{list(getattr(fault, 'fields', ''))}{str(fault)[-30:-1]!a}",
)
def test_one_row_never_costs_the_others(
    fault: object, world: World, operator: NewOperator, directory: Destination
) -> None:
    victim = world.recordings()[5]
    world.replace(victim.evolve(faults=(fault,)))
    someone = operator(world, directory)
    started = time.process_time()

    result = someone.runs()

    assert time.process_time() - started < 30, "of processor time; two seconds are usual"
    assert result.exit_code in (0, 3, 4), result.stderr
    assert result.summary["bugs"] == 0
    others = {each: audio for each, audio in someone.truth().items() if each != victim.id}
    assert others.items() <= someone.archived().items()
    for key, content in directory.objects().items():
        if key.endswith(".json"):
            json.loads(content, parse_constant=pytest.fail)


@pytest.mark.parametrize(
    "headers",
    [
        (("Date", "Thu, 01 Jan 1970 00:00:00 +999999999999999"),),
        (("Date", "no date"),),
        (("Date", "Fri, 31 Dec 9999 23:59:59 GMT"),),
        (("Date", None),),
    ],
)
def test_headers_that_make_no_sense(
    headers: tuple[tuple[str, str | None], ...], world: World, operator: NewOperator, directory: Destination
) -> None:
    someone = operator(world, directory)
    someone.sandbox.inject(OnListing(Headers(headers)), OnAudio(Headers(headers)))
    assert someone.runs().exit_code == 0
    assert someone.archived() == someone.truth()


@pytest.mark.parametrize("wait", ["²", "-5", "nan", "1 Jan 2099", "Thu, 01 Jan 1970 00:00:00 +999999999999999"])
def test_a_retry_after_that_makes_no_sense(
    wait: str, world: World, operator: NewOperator, directory: Destination
) -> None:
    someone = operator(world, directory)
    someone.sandbox.inject(OnListing(Status(429, retry_after=wait, times=1), "recordings"))
    someone.sandbox.inject(OnAudio(Status(429, retry_after=wait, times=1), world.recordings()[0].id))
    assert someone.runs().exit_code == 0
    assert someone.archived() == someone.truth()


@pytest.mark.parametrize("total", [10**400, "9" * 5000, -1, "many", 1e300], ids=["400 digits", "5000", "-1", "a", "e"])
def test_totals_that_nobody_can_count(
    total: object, world: World, operator: NewOperator, directory: Destination
) -> None:
    someone = operator(world, directory, dialect="resource")
    meta = json.dumps({"current_page": 1, "total": total}).encode()
    body = b'{"status":"OK","data":[],"meta":' + meta + b"}"
    someone.sandbox.inject(OnListing(Status(200, body, "application/json", times=1), "recordings"))
    assert someone.runs().exit_code in (0, 3)
    assert someone.archived() == someone.truth()


def test_the_same_id_on_two_days_does_not_hang_the_run(operator: NewOperator, directory: Destination) -> None:
    """Its row moves to the next day while it is still queued from the first one."""
    world = World.generate(seed=82, recordings=6, days=2)
    first, second = world.recordings()[-1], world.recordings()[0]
    world.replace(second.evolve(faults=(WithField("id", first.id),)))
    someone = operator(world, directory, audio_latency=0.4)
    result = someone.runs(limits={"concurrency": 1})
    assert result.exit_code in (0, 3)
    assert first.id in someone.archived()
    assert len(someone.archived()) == 5


@pytest.mark.parametrize("missing", [{"total", "last_page"}, {"total", "last_page", "next_page_url"}])
def test_a_paginator_that_does_not_count_is_read_to_its_end(
    missing: set[str], operator: NewOperator, directory: Destination
) -> None:
    world = World.generate(seed=83, recordings=40, days=1)
    someone = operator(world, directory)
    real = someone.sandbox

    rows = [_row(real, recording.id) for recording in world.recordings()]
    for number in range(1, 5):
        page = rows[(number - 1) * 15 : number * 15]
        data: dict[str, object] = {"current_page": number, "data": page}
        if "next_page_url" not in missing:
            data["next_page_url"] = "http://elsewhere/?page=2" if number < 3 else None
        body = json.dumps({"status": "OK", "data": data}).encode()
        real.inject(OnListing(Status(200, body, "application/json"), "recordings", page=number))
    result = someone.runs()
    assert result.exit_code == 0, result.stderr
    assert len(someone.archived()) == 40


def _row(sandbox: object, recording_id: str) -> dict[str, object]:
    world = sandbox.world  # type: ignore[attr-defined]
    recording = world[recording_id]
    return {
        "id": recording.id,
        "created_at": f"{recording.created_at:%Y-%m-%d %H:%M:%S}",
        "duration": f"00:00:{recording.duration:02d}",
        "audio": sandbox.link(recording),  # type: ignore[attr-defined]
        "call_from": recording.call_from,
        "call_to": recording.call_to,
    }


def test_a_row_that_was_unreadable_is_archived_once_it_is_repaired(
    today: date, operator: NewOperator, directory: Destination
) -> None:
    """Each window is asked a day wider: the row must not be charged to another window than its own."""
    world = World.generate(seed=84, recordings=9, days=3, start_day=today - timedelta(days=10))
    victim = world.recordings()[4]
    world.replace(victim.evolve(faults=(WithoutField("id"),)))
    someone = operator(world, directory)
    someone.settings = {"windows": {"since": today - timedelta(days=12)}}
    assert someone.runs(days=False).exit_code == 4
    world.replace(victim)
    assert someone.runs(days=False).exit_code == 0
    assert someone.archived() == someone.truth()


def test_a_dry_run_tells_unreadable_rows(world: World, operator: NewOperator, directory: Destination) -> None:
    world.replace(world.recordings()[0].evolve(faults=(WithoutField("id"),)))
    someone = operator(world, directory)
    (day,) = {recording.created_at.date() for recording in world.recordings()}
    days = ("--from", str(day - timedelta(days=1)), "--to", str(day + timedelta(days=1)))
    result = someone.types("run", "--json", "--dry-run", *days)
    assert result.exit_code == 4
    assert result.summary["rows_unreadable"] == 1


def test_an_outage_of_the_audio_never_makes_a_recording_fail(
    world: World, operator: NewOperator, directory: Destination
) -> None:
    someone = operator(world, directory)
    someone.settings = {"limits": {"attempts_per_recording": 2, "concurrency": 12}}
    someone.sandbox.inject(OnAudio(Status(503)))
    for _ in range(2):
        assert someone.runs().summary["pending"] == 12
    someone.sandbox.clear_faults()
    assert someone.runs().exit_code == 0
    assert someone.archived() == someone.truth()


def test_young_audio_that_is_not_in_place_yet_is_waited_for(operator: NewOperator, directory: Destination) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    young = new_recording(now - timedelta(minutes=5), 4, seed=3, faults=(Status(404),))
    world = World([young])
    someone = operator(world, directory)
    result = someone.runs()
    assert result.exit_code == 3
    assert result.summary["pending"] == 1
    world.replace(young.evolve(faults=()))
    assert someone.runs().exit_code == 0


def test_a_differing_row_never_changes_the_audio(operator: NewOperator, directory: Destination) -> None:
    """The id stands in a second row, with another recording's audio: the first row counts, its link as well."""
    world = World.generate(seed=86, recordings=16, days=1)
    first, other = world.recordings()[0], world.recordings()[9]
    someone = operator(world, directory, audio_latency=0.3)
    stolen = someone.sandbox.link(other)
    someone.sandbox.inject(OnListing(DuplicatedRow(changes=(("audio", stolen),)), "recordings", page=1))
    result = someone.runs()
    assert result.exit_code == 3
    assert "rows that differ" in result.of("bad_row")[0]["reason"]
    assert someone.archived()[first.id] == world.audio_bytes(first.id)
    assert someone.archived() == someone.truth()


def test_one_expired_link_and_one_404_do_not_make_it_gone(
    world: World, operator: NewOperator, directory: Destination
) -> None:
    expired = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
    victim = world.recordings()[0]
    world.replace(
        victim.evolve(faults=(Status(403, expired, "application/xml", times=1), Status(404, after=1, times=1)))
    )
    someone = operator(world, directory)
    assert someone.runs().exit_code == 0
    assert someone.archived() == someone.truth()


def test_a_server_far_in_the_future_closes_and_forgets_nothing(
    today: date, operator: NewOperator, directory: Destination
) -> None:
    world = World.generate(seed=87, recordings=4, days=1, start_day=today)
    someone = operator(world, directory, clock_offset=timedelta(days=400))
    someone.settings = {"windows": {"since": today}}
    assert someone.runs(days=False).exit_code == 0
    facts = json.loads(someone.types("status", "--json").stdout)
    assert facts["watermark"] == f"{today}T00:00:00+00:00"


def test_a_ca_file_that_is_not_there(world: World, operator: NewOperator, directory: Destination) -> None:
    someone = operator(world, directory)
    result = someone.runs(source={"ca_file": str(someone.home / "missing.pem")})
    assert result.exit_code == 78
    assert "ca_file" in result.stderr


def test_a_recording_that_is_too_large_stays_open_and_is_never_given_up(
    operator: NewOperator, directory: Destination
) -> None:
    world = World.generate(seed=88, recordings=3, days=1)
    moment = world.recordings()[0].created_at
    large = new_recording(moment.replace(minute=7), 300, seed=4)
    world.insert(large)
    someone = operator(world, directory)
    someone.settings = {"limits": {"max_recording_mib": 1, "attempts_per_recording": 1}}
    for _ in range(2):
        result = someone.runs()
        assert result.exit_code == 3
        assert result.summary["pending"] == 1
        assert "more than the limit" in result.of("left_open")[0]["reason"]
    assert large.id not in someone.archived()
    someone.settings = {}
    assert someone.runs().exit_code == 0
    assert someone.archived() == someone.truth()


def test_a_shared_link_is_judged_when_the_day_is_known(operator: NewOperator, directory: Destination) -> None:
    """The recording of 5 s stands on page 1, the one of 25 s that owns the audio on a later page."""
    world = World.generate(seed=85, recordings=30, days=1)
    moment = world.recordings()[0].created_at.replace(hour=0, minute=0, second=0)
    owner = new_recording(moment + timedelta(minutes=1), 25, seed=1)
    other = new_recording(moment + timedelta(hours=23), 5, seed=2).evolve(audio_key=owner.audio_key, audio=owner.audio)
    world.insert(owner, other)
    someone = operator(world, directory)
    result = someone.runs()
    assert result.exit_code == 4
    assert owner.id in someone.archived()
    assert other.id in someone.quarantined()
    assert other.id not in someone.archived()


def test_rejected_in_another_form_leaves_no_orphan(world: World, operator: NewOperator, directory: Destination) -> None:
    victim = max(world.recordings(), key=lambda recording: recording.duration)
    world.replace(victim.evolve(faults=(HtmlPage(),)))
    someone = operator(world, directory)
    assert someone.runs().exit_code == 4
    world.replace(victim.evolve(faults=(CutObject(0.5),)))
    assert someone.types("requeue", "--state", "quarantined", "--reason", "again").exit_code == 0
    assert someone.runs().exit_code == 4
    kept = [key for key in directory.objects() if key.startswith("quarantine/")]
    assert len(kept) == 4, "two bodies, two documents"
    someone.quarantined()  # each audio has its document
    assert someone.types("manifest", "check").exit_code == 0


def test_stored_audio_that_vanished_is_fetched_again_not_sealed(
    world: World, operator: NewOperator, directory: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    from archiver.custody import Custody
    from archiver.errors import StoreFailed
    from archiver.manifest.interface import Entry

    async def fails(self: Custody, entry: Entry) -> None:
        raise StoreFailed("the story stops here")

    someone = operator(world, directory)
    with monkeypatch.context() as patched:
        patched.setattr(Custody, "seal", fails)
        assert someone.runs().exit_code == 3
    victim = world.recordings()[0].id
    (path,) = someone.home.joinpath("archive").rglob(f"{victim}.mp3")
    path.unlink()

    result = someone.runs()

    assert result.exit_code == 0, result.stderr
    assert someone.archived() == someone.truth()
    assert someone.types("manifest", "check").exit_code == 0


def test_an_unreachable_source_is_said_once_and_soon(
    world: World, operator: NewOperator, directory: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    from archiver.rules.retry import RetryPolicy

    monkeypatch.setattr("archiver.source.api_client.LISTING", RetryPolicy(attempts=2, base=0.1, ceiling=0.1))
    someone = operator(world, directory)
    result = someone.runs(days=False, source={"base_url": "http://127.0.0.1:9/api/v2/"})
    assert result.exit_code == 3
    assert result.summary["windows"] == result.summary["windows_disagreed"] == 61
    assert len(result.of("window_disagreed")) == 1
    assert "127.0.0.1:9" in result.stderr
    rehearsed = someone.runs("--dry-run", days=False, source={"base_url": "http://127.0.0.1:9/api/v2/"})
    assert rehearsed.exit_code == 3
    assert len(rehearsed.of("window_disagreed")) == 1


def test_absent_data_on_every_page_is_a_failure_not_an_empty_day(
    world: World, operator: NewOperator, directory: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    from archiver.rules.retry import RetryPolicy

    monkeypatch.setattr("archiver.source.api_client.LISTING", RetryPolicy(attempts=2, base=0.1, ceiling=0.1))
    someone = operator(world, directory, dialect="flat")
    someone.sandbox.inject(OnListing(DataIs(ABSENT)))
    result = someone.runs()
    assert result.exit_code == 3
    assert result.summary["complete"] is False


def test_output_that_nobody_takes_does_not_stop_the_work(
    world: World, operator: NewOperator, directory: Destination
) -> None:
    import subprocess

    from tests.stories.operator import PROGRAM

    someone: Operator = operator(world, directory)
    command = [*PROGRAM, "-c", str(someone.configure()), "run", "--json", *someone.days()]
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert process.returncode == 1
    assert "stdout cannot be written" in process.stderr
    assert someone.archived() == someone.truth()

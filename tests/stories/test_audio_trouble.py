"""What is served as audio is not: nothing bad is called archived, and the bytes are kept."""

from __future__ import annotations

import json

import pytest

from archiver.sandbox import (
    Chunked,
    CutObject,
    CutTransfer,
    Gzipped,
    HtmlPage,
    NoAudioYet,
    NoLength,
    OnAudio,
    Redirect,
    ResetTransfer,
    Status,
    UnaskedPart,
    World,
    XmlError,
    new_recording,
)
from tests.stories.conftest import NewOperator
from tests.stories.operator import Destination


@pytest.fixture
def world() -> World:
    return World.generate(seed=31, recordings=8, days=1)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(HtmlPage(), "not_audio_html"), (XmlError(), "not_audio_xml"), (CutObject(0.5), "too_short")],
    ids=["html", "s3-xml", "cut-short"],
)
def test_bytes_that_are_not_the_recording_are_quarantined(
    fault: object, reason: str, world: World, operator: NewOperator, destination: Destination
) -> None:
    victim = max(world.recordings(), key=lambda recording: recording.duration)
    world.replace(victim.evolve(faults=(fault,)))
    someone = operator(world, destination)

    result = someone.runs()

    assert result.exit_code == 4
    assert result.summary["quarantined"] == 1
    assert result.summary["archived"] == 7
    assert victim.id not in someone.archived()
    assert list(someone.quarantined()) == [victim.id]
    (told,) = result.of("quarantined")
    assert reason in told["reasons"]
    assert len(someone.sandbox.downloads(victim.id)) == 2, "rejected bytes are fetched once more"
    assert not [key for key in destination.objects() if key.startswith("recordings/") and victim.id in key]

    puts = destination.puts()
    assert someone.runs().summary["quarantined"] == 1
    for path in someone.home.glob("manifest.db*"):
        path.unlink()
    assert someone.runs().summary["quarantined"] == 1
    assert destination.puts() == puts


def test_an_error_page_that_goes_away_is_never_seen(
    world: World, operator: NewOperator, directory: Destination
) -> None:
    someone = operator(world, directory)
    someone.sandbox.inject(OnAudio(HtmlPage(times=1), world.recordings()[0].id))
    result = someone.runs()
    assert result.exit_code == 0
    assert len(result.of("fetch_again")) == 1
    assert someone.archived() == someone.truth()
    assert someone.quarantined() == {}


@pytest.mark.parametrize(
    "fault",
    [
        CutTransfer(0.5, times=2),
        CutTransfer(-1, times=1),
        CutTransfer(0, times=1),
        ResetTransfer(0.5, times=1),
        Chunked(0.5, times=1),
        Gzipped(times=1),
        UnaskedPart(times=1),
        Status(500, times=2),
        Status(429, retry_after="1", times=1),
    ],
    ids=lambda fault: f"{type(fault).__name__}-{getattr(fault, 'at', '')}{getattr(fault, 'code', '')}",
)
def test_passing_trouble_of_a_transfer_is_retried(
    fault: object, world: World, operator: NewOperator, directory: Destination
) -> None:
    someone = operator(world, directory)
    someone.sandbox.inject(OnAudio(fault, world.recordings()[0].id))  # type: ignore[arg-type]
    result = someone.runs()
    assert result.exit_code == 0, result.stderr
    assert someone.archived() == someone.truth()
    assert someone.scratch() == []


@pytest.mark.parametrize(
    "fault",
    [CutTransfer(0.9), Gzipped(zeros=50_000_000), Redirect("http://127.0.0.1:9/"), Status(500)],
    ids=lambda fault: type(fault).__name__,
)
def test_lasting_trouble_of_a_transfer_stays_open(
    fault: object, world: World, operator: NewOperator, directory: Destination
) -> None:
    someone = operator(world, directory)
    victim = world.recordings()[0]
    someone.sandbox.inject(OnAudio(fault, victim.id))  # type: ignore[arg-type]
    result = someone.runs()
    assert result.exit_code == 3
    assert result.summary["pending"] == 1
    assert victim.id not in someone.archived()
    assert someone.quarantined() == {}
    someone.sandbox.clear_faults()
    assert someone.runs().exit_code == 0
    assert someone.archived() == someone.truth()


def test_a_body_that_ends_with_the_connection_is_archived_and_says_so(
    world: World, operator: NewOperator, directory: Destination
) -> None:
    someone = operator(world, directory)
    victim = world.recordings()[0]
    someone.sandbox.inject(OnAudio(NoLength(), victim.id))
    assert someone.runs().exit_code == 0
    assert someone.archived() == someone.truth()
    (sidecar,) = [key for key in directory.objects() if victim.id in key and key.endswith(".json")]
    facts = json.loads(directory.objects()[sidecar])["analysis"][0]["body"]
    assert facts["transfer"]["completeness"] == "connection-close"


def test_attempts_are_spent_in_the_end(world: World, operator: NewOperator, directory: Destination) -> None:
    someone = operator(world, directory)
    victim = world.recordings()[0]
    someone.sandbox.inject(OnAudio(Status(500), victim.id))
    result = someone.runs(limits={"attempts_per_recording": 2})
    assert result.exit_code == 3
    assert result.summary["failed"] == 1
    assert someone.runs().summary["failed"] == 1
    someone.sandbox.clear_faults()
    assert someone.types("requeue", "--state", "failed", "--reason", "origin repaired").exit_code == 0
    assert someone.runs().exit_code == 0
    assert someone.archived() == someone.truth()


def test_audio_appears_a_run_later(world: World, operator: NewOperator, destination: Destination) -> None:
    late = world.recordings()[0]
    world.replace(late.evolve(faults=(NoAudioYet(),)))
    someone = operator(world, destination)
    first = someone.runs()
    assert first.exit_code == 3
    assert first.summary["pending"] == 1
    assert late.id not in someone.archived()
    world.replace(late)
    assert someone.runs().exit_code == 0
    assert someone.archived() == someone.truth()


def test_audio_gone_at_the_source(world: World, operator: NewOperator, directory: Destination) -> None:
    gone = world.recordings()[0]
    world.replace(gone.evolve(faults=(Status(404),)))
    someone = operator(world, directory)
    result = someone.runs()
    assert result.exit_code == 4
    assert result.summary["unavailable"] == 1
    assert gone.id not in someone.archived()


def test_shared_link_with_two_durations(operator: NewOperator, destination: Destination) -> None:
    """Two rows of 93 s and 47 s name one object, which is the first one's: the other's audio is not known."""
    world = World.generate(seed=32, recordings=3, days=1)
    moment = world.recordings()[0].created_at
    long = new_recording(moment.replace(minute=10), 93, seed=1)
    short = new_recording(moment.replace(minute=5), 47, seed=2).evolve(audio_key=long.audio_key)
    world.insert(long, short)
    someone = operator(world, destination)

    result = someone.runs()

    assert result.exit_code == 4
    assert long.id in someone.archived()
    assert short.id not in someone.archived()
    assert short.id in someone.quarantined()


def test_requeued_after_quarantine_a_better_copy_is_archived(
    world: World, operator: NewOperator, destination: Destination
) -> None:
    victim = max(world.recordings(), key=lambda recording: recording.duration)
    world.replace(victim.evolve(faults=(CutObject(0.5),)))
    someone = operator(world, destination)
    assert someone.runs().exit_code == 4
    cut = someone.quarantined()
    world.replace(victim)
    assert someone.runs().summary["quarantined"] == 1, "nobody has decided anything yet"

    assert someone.types("requeue", "--id", victim.id, "--reason", "repaired at the source").exit_code == 0
    result = someone.runs()

    assert result.exit_code == 0, result.stderr
    assert someone.archived() == someone.truth()
    assert someone.quarantined() == cut


def test_rejected_twice_with_other_bytes_keeps_both(
    world: World, operator: NewOperator, directory: Destination
) -> None:
    victim = max(world.recordings(), key=lambda recording: recording.duration)
    world.replace(victim.evolve(faults=(CutObject(0.5),)))
    someone = operator(world, directory)
    assert someone.runs().exit_code == 4
    world.replace(victim.evolve(faults=(CutObject(0.3),)))
    assert someone.types("requeue", "--state", "quarantined", "--reason", "again").exit_code == 0
    assert someone.runs().exit_code == 4
    kept = [key for key in directory.objects() if key.startswith("quarantine/") and not key.endswith(".json")]
    assert len(kept) == 2


def test_the_same_audio_under_two_ids_is_flagged_across_runs(operator: NewOperator, destination: Destination) -> None:
    """One object named by two recordings of the same length: both are archived, the second one as suspect."""
    world = World.generate(seed=33, recordings=3, days=1)
    first = world.recordings()[0]
    someone = operator(world, destination)
    assert someone.runs().summary["suspect"] == 0
    twin = new_recording(first.created_at.replace(minute=(first.created_at.minute + 1) % 60), first.duration, seed=5)
    world.insert(twin.evolve(audio=first.audio))

    result = someone.runs()

    assert result.exit_code == 0
    assert result.summary["suspect"] == 1
    (event,) = result.of("archived")
    assert event["recording_id"] == twin.id
    assert event["grade"] == "suspect"
    assert "same_audio" in event["reasons"]
    (key,) = [key for key in destination.objects() if twin.id in key and key.endswith(".json")]
    assert first.id in destination.objects()[key].decode()

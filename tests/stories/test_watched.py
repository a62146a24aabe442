"""A run is watched from outside: metrics, pings and logs say what happened, and none of them can fail it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from archiver.sandbox import CutObject, NoAudioYet, OnAudio, OnListing, Status, World
from archiver.telemetry import observation
from tests.stories.conftest import NewOperator
from tests.stories.operator import Destination, Operator, Result
from tests.stories.receiver import Receiver

ROOT = Path(__file__).parents[2]
PING = "/ping/canary-5f1c0a7e9d"
Samples = dict[tuple[str, str], float]


@pytest.fixture
def receive() -> Iterator[Any]:
    """``receive(status=…)``: a receiver that runs until the story ends."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Receiver(**settings).running())


def samples(text: str) -> Samples:
    """Values by name and the one label that tells them apart, as a real parser reads them; all name the archive."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.labels["archive"] == "story"
            key = sample.labels.get("state") or sample.labels.get("outcome") or sample.labels.get("le", "")
            found[sample.name, key] = sample.value
    return found


def trouble(*, seed: int) -> World:
    """Ten recordings of a day, one of them cut at the source."""
    world = World.generate(seed=seed, recordings=10, days=1)
    victim = max(world.recordings(), key=lambda recording: recording.duration)
    world.replace(victim.evolve(faults=(CutObject(0.5),)))
    return world


def waiting(*, seed: int) -> World:
    """Four recordings of a day, whose audio is still to come."""
    world = World.generate(seed=seed, recordings=4, days=1)
    for each in world.recordings():
        world.replace(each.evolve(faults=(NoAudioYet(),)))
    return world


def watched(someone: Operator, receiver: Receiver, *words: str, **ping: Any) -> Result:
    textfile = someone.home / "archiver.prom"
    metrics = {"textfile": str(textfile), "pushgateway": receiver.url, "archive": "story"}
    return someone.runs(*words, metrics=metrics, ping={"url": f"{receiver.url}{PING}", **ping})


def test_metrics_say_what_the_summary_says(operator: NewOperator, directory: Destination, receive: Any) -> None:
    someone, receiver = operator(trouble(seed=81), directory), receive()
    someone.sandbox.inject(OnAudio(Status(500, times=2)))

    result = watched(someone, receiver)

    assert result.exit_code == 4, result.stderr
    text = (someone.home / "archiver.prom").read_text()
    found = samples(text)
    summary = result.summary
    for outcome in ("archived", "already_archived", "quarantined", "skipped", "pending", "failed", "unavailable"):
        assert found["archiver_run_recordings", outcome] == summary[outcome]
    assert found["archiver_recordings_total", "archived"] == summary["archived"] == 9
    assert found["archiver_recordings_total", "quarantined"] == 1
    assert found["archiver_run_bytes", ""] == summary["bytes"]
    assert found["archiver_run_retries", ""] == len(result.of("attempt_failed")) == 2
    assert found["archiver_transfer_seconds_count", ""] == 10
    assert found["archiver_run_seconds_count", ""] == 1
    assert found["archiver_run_seconds_sum", ""] == pytest.approx(summary["seconds"], abs=0.001)
    assert found["archiver_run_exit_code", ""] == 4
    assert found["archiver_oldest_open_seconds", ""] == 0
    assert found["archiver_seconds_to_first_loss", ""] == float("inf")
    assert ("archiver_first_loss_timestamp_seconds", "") not in found
    assert abs(found["archiver_last_success_timestamp_seconds", ""] - time.time()) < 120
    (push,) = [request for request in receiver.requests if request.method == "PUT"]
    assert push.path == "/metrics/job/archiver/archive/story"
    assert samples(push.body.decode()) == found
    assert [path.name for path in someone.home.glob("archiver.prom*")] == ["archiver.prom"], "written atomically"


def test_an_open_recording_is_told_with_the_time_that_is_left(
    operator: NewOperator, directory: Destination, receive: Any
) -> None:
    someone, receiver = operator(waiting(seed=82), directory), receive()
    assert watched(someone, receiver).exit_code == 3
    found = samples((someone.home / "archiver.prom").read_text())
    assert found["archiver_recordings_total", "discovered"] == 4
    assert found["archiver_oldest_open_seconds", ""] > 0
    both = found["archiver_oldest_open_seconds", ""] + found["archiver_seconds_to_first_loss", ""]
    assert both == pytest.approx(60 * 86400, abs=1), "the source keeps recordings for 60 days"
    left = found["archiver_first_loss_timestamp_seconds", ""] - found["archiver_run_timestamp_seconds", ""]
    assert left == pytest.approx(found["archiver_seconds_to_first_loss", ""], abs=60)


def test_pings_tell_start_and_success(operator: NewOperator, directory: Destination, receive: Any) -> None:
    someone, receiver = operator(World.generate(seed=83, recordings=3, days=1), directory), receive()
    result = watched(someone, receiver)
    assert result.exit_code == 0
    pings = [request for request in receiver.requests if request.method == "POST"]
    assert [ping.path for ping in pings] == [f"{PING}/start", PING]
    told = json.loads(pings[1].body)
    assert (told["archived"], told["run_id"]) == (3, result.summary["run_id"])


@pytest.mark.parametrize(("codes", "path"), [([0], f"{PING}/4"), ([0, 4], PING)])
def test_a_ping_tells_the_exit_code(
    codes: list[int], path: str, operator: NewOperator, directory: Destination, receive: Any
) -> None:
    someone, receiver = operator(trouble(seed=84), directory), receive()
    assert watched(someone, receiver, success_codes=codes).exit_code == 4
    assert [each.path for each in receiver.requests if each.method == "POST"] == [f"{PING}/start", path]


def test_a_run_that_is_refused_says_so(operator: NewOperator, directory: Destination, receive: Any) -> None:
    someone, receiver = operator(World.generate(seed=85, recordings=3, days=1), directory), receive()
    someone.sandbox.inject(OnListing(Status(401)))
    assert watched(someone, receiver).exit_code == 12
    assert [each.path for each in receiver.requests if each.method == "POST"][-1] == f"{PING}/12"
    found = samples((someone.home / "archiver.prom").read_text())
    assert found["archiver_run_exit_code", ""] == 12
    assert ("archiver_last_success_timestamp_seconds", "") not in found


def test_a_run_without_a_manifest_tells_its_exit_code(
    operator: NewOperator, directory: Destination, receive: Any
) -> None:
    someone, receiver = operator(World.generate(seed=86, recordings=3, days=1), directory), receive()
    someone.manifest.write_text("this is no database, and long enough to be read as one" * 100)
    assert someone.types("run", ping={"url": f"{receiver.url}{PING}"}).exit_code == 10
    assert [each.path for each in receiver.requests] == [f"{PING}/start", f"{PING}/10"]


def test_receivers_that_refuse_cost_a_warning_and_nothing_else(
    operator: NewOperator, directory: Destination, receive: Any
) -> None:
    someone, receiver = operator(World.generate(seed=87, recordings=5, days=1), directory), receive(status=503)
    result = someone.runs(
        metrics={"textfile": "/proc/archiver.prom", "pushgateway": "http://127.0.0.1:9", "archive": "story"},
        ping={"url": f"{receiver.url}{PING}"},
    )
    assert result.exit_code == 0
    assert someone.archived() == someone.truth()
    told = [(event["receiver"], event["reason"]) for event in result.of("not_told")]
    assert [receiver for receiver, _ in told] == ["ping", "/proc/archiver.prom", "the Pushgateway", "ping"]
    assert told[0][1] == told[3][1] == "the answer was 503"
    assert "refused" in told[2][1]
    assert "warning: the Pushgateway was not told" in result.stderr
    assert result.events[-1]["type"] == "summary", "the summary stays the last word"


def test_a_receiver_that_hangs_holds_nobody_up(
    operator: NewOperator, directory: Destination, receive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observation, "PATIENCE", 0.5)
    someone = operator(World.generate(seed=88, recordings=5, days=1), directory)
    receiver = receive(hangs=threading.Event())
    begun = time.monotonic()
    result = watched(someone, receiver)
    assert result.exit_code == 0
    assert time.monotonic() - begun < 30, "the receiver would have hung for 60"
    assert someone.archived() == someone.truth()
    (told,) = result.of("not_told")
    assert told["reason"] == "no answer within 0.5 s"


def test_a_dry_run_tells_nobody(operator: NewOperator, directory: Destination, receive: Any) -> None:
    someone, receiver = operator(World.generate(seed=89, recordings=3, days=1), directory), receive()
    assert watched(someone, receiver, "--dry-run").exit_code == 0
    assert receiver.requests == []
    assert not (someone.home / "archiver.prom").exists()


@pytest.mark.parametrize("verbosity", ["-v", "-q"])
def test_a_json_log_names_run_window_and_recording_and_no_secret(
    verbosity: str, operator: NewOperator, directory: Destination, receive: Any
) -> None:
    world = trouble(seed=90)
    someone, receiver = operator(world, directory), receive(status=500)
    someone.sandbox.inject(OnAudio(Status(500, times=1)))

    result = watched(someone, receiver, verbosity, "--log-format", "json", "--debug")

    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert {line["run_id"] for line in lines} == {result.summary["run_id"]}
    assert all({"ts", "level", "event"} <= line.keys() for line in lines)
    assert "warning" in {line["level"] for line in lines}
    if verbosity == "-v":
        told = {line["recording_id"]: line for line in lines if line.get("type") in {"archived", "quarantined"}}
        assert told.keys() == {each.id for each in world.recordings()}
        days = {each.id: each.created_at.date().isoformat() for each in world.recordings()}
        assert {name: line["window"] for name, line in told.items()} == days
    everything = result.stderr + result.stdout + (someone.home / "archiver.prom").read_text()
    numbers = {number for each in world.recordings() for number in (each.call_from, each.call_to)}
    assert not [secret for secret in (*numbers, someone.sandbox.token, PING) if secret in everything]
    assert "X-Amz" not in everything


def test_the_configuration_chooses_the_form_of_the_log(operator: NewOperator, directory: Destination) -> None:
    someone = operator(World.generate(seed=91, recordings=1, days=1), directory)
    assert json.loads(someone.runs("-v", log={"format": "json"}).stderr.splitlines()[0])["type"] == "begun"
    assert someone.runs("-v", "--log-format", "text", log={"format": "json"}).stderr.startswith("run ")


def test_the_ping_url_is_a_secret_in_the_configuration(operator: NewOperator, directory: Destination) -> None:
    someone = operator(World.generate(seed=92, recordings=1, days=1), directory)
    shown = someone.types("config", "show", ping={"url": f"http://127.0.0.1:9{PING}"})
    assert "url: '********'" in shown.stdout
    assert PING not in shown.stdout + shown.stderr
    for url in (f"http://example.net{PING}", f"https://u:p@example.net{PING}", f"https://example.net{PING}?a=b"):
        refused = someone.types("config", "validate", ping={"url": url})
        assert refused.exit_code == 78
        assert "ping.url" in refused.stderr
        assert PING not in refused.stderr


def test_prometheus_takes_the_alert_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool: apt-get install prometheus")
    checked = subprocess.run(
        [promtool, "check", "rules", str(ROOT / "deploy/prometheus-rules.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_the_age_probe_says_how_long_it_has_been(operator: NewOperator, directory: Destination) -> None:
    someone = operator(World.generate(seed=96, recordings=1, days=1), directory)
    assert someone.runs().exit_code == 0
    assert someone.types("status", "--max-age", "26h").exit_code == 0
    time.sleep(0.2)
    late = someone.types("status", "--max-age", "0.1s")
    assert late.exit_code == 3
    assert "warning: no run has done its work within 0.1 s: the last one that did ended" in late.stderr


def spans_of(receiver: Receiver) -> list[Any]:
    """Every span that came, as a collector would read it."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    found = []
    for request in receiver.requests:
        assert (request.method, request.path) == ("POST", "/v1/traces")
        for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans:
            told = {each.key: each.value.string_value for each in resource.resource.attributes}
            assert told["service.name"] == "recording-archiver"
            found += [span for scope in resource.scope_spans for span in scope.spans]
    return found


def test_spans_tell_run_windows_and_recordings_with_their_stages(
    operator: NewOperator, directory: Destination, receive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, receiver = trouble(seed=94), receive()
    someone = operator(world, directory)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)

    result = someone.runs()

    assert result.exit_code == 4
    assert result.of("not_told") == []
    spans = spans_of(receiver)
    (run,) = [span for span in spans if span.name == "run"]
    (window,) = [span for span in spans if span.name == "window"]
    recordings = {span.span_id: span for span in spans if span.name == "recording"}
    assert {span.trace_id for span in spans} == {run.trace_id}
    assert window.parent_span_id == run.span_id
    assert {span.parent_span_id for span in recordings.values()} == {run.span_id}
    told = [{each.key: each.value.string_value for each in span.attributes} for span in recordings.values()]
    assert {each["archiver.recording_id"] for each in told} == {each.id for each in world.recordings()}
    assert {each["archiver.window"] for each in told} == {str(next(iter(world.recordings())).created_at.date())}
    stages = [span.name for span in spans if span.parent_span_id in recordings]
    assert stages.count("manifest") >= 20
    steps = {name: stages.count(name) for name in set(stages) - {"manifest"}}
    assert steps == {"fetch": 11, "put": 10, "seal": 10}
    fetches = {span.span_id for span in spans if span.name == "fetch"}
    verified = [span for span in spans if span.name == "verify"]
    assert len(verified) == 11
    assert {span.parent_span_id for span in verified} <= fetches
    everything = b"".join(request.body for request in receiver.requests)
    numbers = {number for each in world.recordings() for number in (each.call_from, each.call_to)}
    assert not [secret for secret in (*numbers, someone.sandbox.token, "X-Amz") if secret.encode() in everything]
    assert b"http" not in everything


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({}, ["spans were not taken"]),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ["only the protocol http/protobuf is spoken"]),
        ({"OTEL_SDK_DISABLED": "true"}, []),
        ({"OTEL_TRACES_EXPORTER": "none"}, []),
    ],
)
def test_spans_that_nobody_takes_cost_a_warning(
    environ: dict[str, str],
    reason: list[str],
    operator: NewOperator,
    directory: Destination,
    receive: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    someone, receiver = operator(World.generate(seed=95, recordings=2, days=1), directory), receive(status=400)
    for name, value in {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, **environ}.items():
        monkeypatch.setenv(name, value)
    result = someone.runs()
    assert result.exit_code == 0
    told = [event["reason"] for event in result.of("not_told")]
    assert len(told) == bool(reason)
    assert not reason or told[0].endswith(reason[-1])
    assert bool(receiver.requests) == (not environ)
    assert "127.0.0.1" not in result.stderr


def test_every_metric_is_documented_with_its_type(operator: NewOperator, directory: Destination, receive: Any) -> None:
    someone = operator(waiting(seed=93), directory)
    someone.settings = {"second_destination": {"url": (someone.home / "second").as_uri()}}
    assert watched(someone, receive()).exit_code == 3
    told = {
        family.name: family.type
        for family in text_string_to_metric_families((someone.home / "archiver.prom").read_text())
    }
    page = (ROOT / "docs/observability.md").read_text()
    assert told == dict(re.findall(r"^\| `(archiver_\w+)` \| (\w+) \|", page, re.MULTILINE))


def test_the_alert_rules_ask_for_metrics_that_there_are() -> None:
    page = (ROOT / "docs/observability.md").read_text()
    documented = set(re.findall(r"^\| `(archiver_\w+)`", page, re.MULTILINE))
    (group,) = yaml.safe_load((ROOT / "deploy/prometheus-rules.yaml").read_text())["groups"]
    asked = set()
    for rule in group["rules"]:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["annotations"].keys() == {"summary", "what_to_do"}
        asked |= set(re.findall(r"archiver_\w+", rule["expr"]))
    assert len(group["rules"]) > 5
    assert asked <= documented

"""Killed, stopped, started twice: a later run goes on, and nothing is lost, doubled or left behind."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from archiver.cli.watching import DRAIN_SECONDS
from archiver.sandbox import Latency, OnAudio, World
from tests.stories.conftest import Directory, NewOperator
from tests.stories.operator import Destination, Operator, kill

MOMENTS = 20


def leftovers(someone: Operator) -> list[Path]:
    return [path for path in someone.scratch() if path.is_file()]


def test_kill_9_at_random_moments(operator: NewOperator, destination: Destination) -> None:
    """Twenty kills, each a little into the work; then one run to the end, and one that has nothing to do.

    One recording comes only after the kills, so that no run is over before its own, however slow the killer.
    """
    world = World.generate(seed=41, recordings=300, days=2)
    someone = operator(world, destination, audio_latency=0.02)
    someone.sandbox.inject(OnAudio(Latency(3600), world.recordings()[0].id))
    rng = random.Random(41)
    fired = 0
    for _ in range(MOMENTS):
        before = len(someone.sandbox.downloads())
        process = someone.starts(limits={"concurrency": 3})
        process.until(lambda before=before: len(someone.sandbox.downloads()) > before)  # type: ignore[misc]
        time.sleep(rng.random() * 0.12)
        fired += kill(process)[0] == -signal.SIGKILL
        assert_nothing_lies(someone)

    assert fired == MOMENTS, "the kills did not fire: the story proves nothing"
    someone.sandbox.clear_faults()
    result = someone.runs()
    assert result.exit_code == 0, result.stderr
    assert someone.archived() == someone.truth()
    assert result.summary["archived"] + result.summary["already_archived"] == 300
    assert leftovers(someone) == []
    puts = destination.puts()
    again = someone.runs()
    assert again.exit_code == 0
    assert again.summary["already_archived"] == 300
    assert destination.puts() == puts


def assert_nothing_lies(someone: Operator) -> None:
    """Every sidecar in the bucket speaks of audio that is there; audio alone is merely not sealed yet."""
    objects = someone.destination.objects()
    for key, data in objects.items():
        if key.endswith(".vcon.json"):
            said = json.loads(data)["archive"]
            assert len(objects[said["key"]]) == said["size"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(number: signal.Signals, operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=42, recordings=60, days=1)
    someone = operator(world, directory, audio_latency=0.2)
    process = someone.starts(limits={"concurrency": 4})
    process.until(lambda: len(someone.sandbox.downloads()) > 7)
    someone.sandbox.audio_held = True
    process.until(lambda: someone.sandbox.live_transfers == 4)
    process.send_signal(number)
    process.says("finishing what is in flight")
    someone.sandbox.audio_held = False

    stdout, stderr = process.communicate(timeout=20)

    assert process.returncode == 128 + number
    summary = json.loads(stdout.splitlines()[-1])
    assert summary["stopped"] == number.name
    assert 0 < summary["archived"] < 60
    assert someone.archived().keys() <= someone.truth().keys()
    assert len(someone.archived()) == summary["archived"]
    assert len(someone.archived()) == len(someone.sandbox.downloads()), "what was in flight was finished"
    assert leftovers(someone) == []
    assert "Traceback" not in stderr
    assert someone.runs().exit_code == 0
    assert someone.archived() == someone.truth()


def test_a_second_signal_drops_what_is_in_flight(operator: NewOperator, directory: Destination) -> None:
    someone = operator(World.generate(seed=43, recordings=4, days=1), directory, audio_held=True)
    process = someone.starts()
    process.until(lambda: someone.sandbox.live_transfers)
    process.send_signal(signal.SIGTERM)
    process.says("finishing what is in flight")
    started = time.monotonic()
    assert kill(process, signal.SIGTERM)[0] == 143
    assert time.monotonic() - started < DRAIN_SECONDS, "the first signal alone would have waited that long"
    assert someone.archived() == {}, "no audio; call logs may have been archived meanwhile"


def test_two_runs_at_once_on_one_manifest(operator: NewOperator, directory: Destination) -> None:
    someone = operator(World.generate(seed=44, recordings=20, days=1), directory, audio_held=True)
    first = someone.starts(limits={"concurrency": 2})
    first.until(someone.sandbox.downloads)
    second = someone.runs()
    assert second.exit_code == 11
    assert f"process {first.pid}" in second.stderr
    someone.sandbox.audio_held = False
    assert first.communicate(timeout=120)[0]
    assert first.returncode == 0
    assert someone.archived() == someone.truth()


def test_two_runs_at_once_on_two_manifests_do_no_harm(
    operator: NewOperator, directory: Directory, tmp_path: Path
) -> None:
    """As two containers without a volume would: every key is written once, and both say that all is archived."""
    world = World.generate(seed=45, recordings=60, days=1)
    one = operator(world, directory, audio_latency=0.01)
    home = tmp_path / "other"
    home.mkdir()
    other = Operator(home, one.sandbox, directory, started=one.started)

    processes = [one.starts(), other.starts()]
    summaries = []
    for process in processes:
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
        summaries.append(json.loads(stdout.splitlines()[-1]))

    assert [summary["listed"] for summary in summaries] == [60, 60]
    assert one.archived() == one.truth()
    for someone in (one, other):
        assert someone.types("manifest", "check").exit_code == 0


def test_nothing_readable_by_others(operator: NewOperator, directory: Directory, tmp_path: Path) -> None:
    someone = operator(World.generate(seed=46, recordings=3, days=1), directory)
    mask = os.umask(0)
    try:
        assert someone.runs().exit_code == 0
    finally:
        os.umask(mask)
    private = [*directory.root.rglob("*"), *someone.home.glob("manifest.db*")]
    assert len(private) > 6
    for path in private:
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_token_is_in_no_process_list(operator: NewOperator, directory: Destination) -> None:
    someone = operator(World.generate(seed=47, recordings=5, days=1), directory, audio_held=True)
    process = someone.starts()
    process.until(someone.sandbox.downloads)
    command_line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    assert b"archiver" in command_line
    assert someone.sandbox.token.encode() not in command_line
    someone.sandbox.audio_held = False
    process.communicate(timeout=120)
    assert process.returncode == 0

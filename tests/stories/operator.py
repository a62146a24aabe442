"""The operator of the stories: writes a configuration, types commands, looks into the bucket."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml
from click.testing import CliRunner

from archiver.cli import main
from archiver.sandbox import Sandbox

PROGRAM = (sys.executable, "-c", "from archiver.cli import main; main()")


class Destination(Protocol):
    """Where a story archives to."""

    @property
    def section(self) -> dict[str, Any]: ...

    def objects(self) -> dict[str, bytes]: ...

    def puts(self) -> int:
        """How many puts it has seen so far."""


@dataclass(frozen=True)
class Result:
    """What a command came to."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The NDJSON objects, in order."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        """The last object, whose sum has been checked."""
        last = self.events[-1]
        assert last["type"] == "summary", self.stderr
        parts = ("archived", "already_archived", "quarantined", "skipped", "pending", "failed", "unavailable")
        assert last["listed"] == sum(last[part] for part in parts)
        return last

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of one type."""
        return [event for event in self.events if event["type"] == kind]


class Started(subprocess.Popen[str]):
    """A command in a process of its own; what it says goes into files, so that it never waits for a reader."""

    def __init__(self, command: list[str], folder: Path, name: str) -> None:
        self.out, self.err = folder / f"{name}.out", folder / f"{name}.err"
        with self.out.open("w") as out, self.err.open("w") as err:
            super().__init__(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, text=True, env=os.environ)

    def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        """Wait for the condition; fails with what the process said if that ends or takes too long."""
        end = time.monotonic() + seconds
        while not condition():
            if self.poll() is not None or time.monotonic() > end:
                pytest.fail(f"waited in vain; exit code {self.returncode}; stderr:\n{self.err.read_text()}")
            time.sleep(0.01)

    def says(self, words: str) -> None:
        """Wait until stderr has them."""
        self.until(lambda: words in self.err.read_text())

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:  # noqa: A002
        """Wait for the end; everything it said."""
        assert input is None
        self.wait(timeout)
        return self.out.read_text(), self.err.read_text()


@dataclass
class Operator:
    """Commands against one sandbox and one destination, with a home for configuration and manifest."""

    home: Path
    sandbox: Sandbox
    destination: Destination
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    program: tuple[str, ...] = PROGRAM
    started: list[Started] = field(default_factory=list)
    """Processes of this story, for its end to see to."""

    @property
    def manifest(self) -> Path:
        return self.home / "manifest.db"

    def configure(self, **sections: Mapping[str, Any]) -> Path:
        """Write the configuration; ``sections`` are laid over the usual one."""
        usual: dict[str, dict[str, Any]] = {
            "source": {
                "base_url": self.sandbox.base_url,
                "token": self.sandbox.token,
                "allow_insecure_loopback": True,
                "audio_hosts": ["127.0.0.1"],
            },
            "destination": self.destination.section,
            "manifest": {"url": f"sqlite://{self.manifest}"},
            "limits": {"spool_dir": str(self.spool), "concurrency": 8},
        }
        for name, section in {**self.settings, **sections}.items():
            usual.setdefault(name, {}).update(section)
        path = self.home / "archiver.yaml"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(usual))
        return path

    @property
    def spool(self) -> Path:
        path = self.home / "spool"
        path.mkdir(exist_ok=True)
        return path

    def types(self, *words: str, **sections: Mapping[str, Any]) -> Result:
        """A command, in this process."""
        config = self.configure(**sections)
        result = CliRunner().invoke(main, ["--config", str(config), *words])
        gc.unfreeze()  # a run keeps what it finds alive from being looked at, once and for all: here others follow
        return Result(result.exit_code, result.stdout, result.stderr)

    def runs(self, *words: str, days: bool = True, **sections: Mapping[str, Any]) -> Result:
        """``archiver run --json`` over the world's days, or (``days=False``) as a scheduler would start it."""
        return self.types("run", "--json", *(self.days() if days else ()), *words, **sections)

    def starts(self, *words: str, **sections: Mapping[str, Any]) -> Started:
        """``archiver run --json`` over the world's days, as a process of its own."""
        return self.begins("run", "--json", *self.days(), *words, **sections)

    def begins(self, *words: str, **sections: Mapping[str, Any]) -> Started:
        """A command as a process of its own."""
        command = [*self.program, "--config", str(self.configure(**sections)), *words]
        process = Started(command, self.home, f"process-{len(self.started)}")
        self.started.append(process)
        return process

    def ends(self) -> None:
        """Nothing that was started outlives its story."""
        for process in self.started:
            process.kill()
            process.wait()

    def days(self) -> tuple[str, ...]:
        days = sorted(recording.created_at.date() for recording in self.sandbox.world.recordings())
        return ("--from", days[0].isoformat(), "--to", days[-1].isoformat())

    def archived(self) -> dict[str, bytes]:
        """Audio under recordings/ by recording id; each has its sidecar beside it, which tells its digest."""
        return sealed(self.destination.objects(), "recordings")

    def quarantined(self) -> dict[str, bytes]:
        """Audio under quarantine/ by recording id, likewise."""
        return sealed(self.destination.objects(), "quarantine")

    def truth(self) -> dict[str, bytes]:
        """What the sandbox serves, by recording id."""
        return {each.id: self.sandbox.world.audio_bytes(each.id) for each in self.sandbox.world.recordings()}

    def scratch(self) -> list[Path]:
        """Everything left in scratch places."""
        places = [self.spool, self.home / "archive" / ".scratch"]
        return [path for place in places if place.exists() for path in place.rglob("*")]


def sealed(objects: Mapping[str, bytes], area: str) -> dict[str, bytes]:
    """Audio by recording id. Every audio has a sidecar that tells its size and SHA-256, and every sidecar audio."""
    import hashlib

    audio = {key: data for key, data in objects.items() if key.startswith(f"{area}/") and not key.endswith(".json")}
    found = {}
    for key, data in objects.items():
        if not (key.startswith(f"{area}/") and key.endswith(".vcon.json")):
            continue
        said = json.loads(data)["archive"]
        content = audio.pop(said["key"])
        assert said["size"] == len(content)
        assert said["sha256"] == hashlib.sha256(content).hexdigest()
        found[said["recording_id"]] = content
    assert not audio, f"audio without a sidecar: {sorted(audio)}"
    return found


def kill(process: subprocess.Popen[str], number: signal.Signals = signal.SIGKILL) -> tuple[int, str, str]:
    """Send the signal; exit code and output."""
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=120)
    return process.returncode, stdout, stderr

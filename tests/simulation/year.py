"""A year of daily runs: a provider that drifts, clocks that jump, days without a run, a store that is away, kills.

What happens is drawn from a seed, day by day. The ledger notes what the source ever named, independently of the
archiver; ``checker`` holds the bucket against it.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import yaml

from archiver.errors import ArchiverError, ExitCode
from archiver.sandbox import (
    NoAudioYet,
    OnAudio,
    OnListing,
    RowsInserted,
    Sandbox,
    SandboxCall,
    SandboxRecording,
    Status,
    World,
    new_recording,
)
from archiver.sandbox.records import uuid1_at
from tests.simulation.clock import SetClock, offset_to
from tests.simulation.one_run import run

START = date(2027, 1, 1)
LOOKBACK = 3
RETENTION = timedelta(days=60)
RUN_AT = time(2, 0)
JUMPS = (timedelta(hours=-50), timedelta(hours=-5), timedelta(minutes=90), timedelta(hours=30), timedelta(days=3))


@dataclass
class Ledger:
    """What the source ever named, and what it will never give."""

    recordings: dict[str, SandboxRecording] = field(default_factory=dict)
    without_audio: set[str] = field(default_factory=set)
    """Named, and gone before there was audio."""
    late: set[str] = field(default_factory=set)
    """First named after their day must have been listed whole."""
    vanished: set[str] = field(default_factory=set)
    """Archived, and not named any more while their day was still listed."""
    calls: dict[str, SandboxCall] = field(default_factory=dict)
    happened: dict[str, int] = field(default_factory=dict)

    def note(self, what: str) -> None:
        self.happened[what] = self.happened.get(what, 0) + 1


@dataclass
class Year:
    """``days`` runs; ``busy``: recordings on a busy day."""

    home: Path
    seed: int = 1
    days: int = 365
    busy: int = 2
    kills: int = 4
    ledger: Ledger = field(default_factory=Ledger)
    world: World = field(default_factory=World)
    clock: SetClock = field(default_factory=SetClock)
    exit_codes: list[int | str] = field(default_factory=list)
    _later: list[tuple[date, SandboxRecording]] = field(default_factory=list)
    _to_remove: list[tuple[date, str]] = field(default_factory=list)

    @property
    def archive(self) -> Path:
        return self.home / "archive"

    @property
    def last(self) -> date:
        return START + timedelta(days=self.days - 1)

    def live(self) -> None:
        """Live through it, to a last run in which nothing goes wrong."""
        rng = random.Random(self.seed)
        killed = set(rng.sample(range(20, self.days - 10), self.kills))
        with Sandbox(self.world, per_page=10).running() as sandbox:
            config = self._configure(sandbox)
            for number in range(self.days):
                today = START + timedelta(days=number)
                self._set(sandbox, today)
                self._happen(rng, today)
                if number < self.days - 1:
                    self._day(rng, sandbox, config, today, killed=number in killed)
                else:
                    self._run(config)
            self.sandbox_requests = len(sandbox.requests)

    def _day(self, rng: random.Random, sandbox: Sandbox, config: Path, today: date, *, killed: bool) -> None:
        """What may go wrong with the run of a day."""
        chance = rng.random()
        if killed:
            self.ledger.note("killed")
            self._killed(config, rng.randrange(1, 4))
        elif chance < 0.04:
            self.ledger.note("no run")
        elif chance < 0.06:
            self.ledger.note("store away")
            self._without_store(config)
        elif chance < 0.09:
            self.ledger.note("source down")
            sandbox.inject(OnListing(Status(503)))
            self._run(config)
            sandbox.clear_faults()
        elif chance < 0.13:
            self.ledger.note("transfers fail")
            sandbox.inject(OnAudio(Status(503, times=5)))
            self._run(config)
            sandbox.clear_faults()
        elif chance < 0.17:
            self.ledger.note("a request fails")
            sandbox.inject(OnListing(Status(502, times=2)))
            self._run(config)
            sandbox.clear_faults()
        elif chance < 0.22:
            self.ledger.note("clock jumps")
            self.clock.offset += rng.choice(JUMPS)
            self._run(config)
        elif chance < 0.27:
            self.ledger.note("pages drift")
            drifting = self._new(rng, today - timedelta(days=1), rng.randrange(86_400))
            self._note([drifting])
            sandbox.per_page = 2
            sandbox.inject(OnListing(RowsInserted(recordings=(drifting,)), "recordings"))
            self._run(config)
            sandbox.clear_faults()
            sandbox.per_page = 10
            self.world.insert(drifting)
        else:
            self._run(config)
        if rng.random() < 0.03 and (today - START).days > 12:
            self._straggler(rng, config, today)

    def _happen(self, rng: random.Random, today: date) -> None:
        """The source's own life until the run of today."""
        yesterday = today - timedelta(days=1)
        count = rng.choice((0, 1, self.busy)) if today > START else 0
        made = [self._new(rng, yesterday, rng.randrange(86_400)) for _ in range(count)]
        made += [self._new(rng, today, rng.randrange(6_000)) for _ in range(rng.random() < 0.3)]
        for recording in [each for each in made if rng.random() < 0.08]:
            made.remove(recording)
            self._later.append((today + timedelta(days=rng.randint(1, LOOKBACK - 1)), recording))
            self.ledger.note("late")
        due = [recording for day, recording in self._later if day <= today]
        self._later = [(day, recording) for day, recording in self._later if day > today]
        if made and rng.random() < 0.003:
            hopeless = made[0].evolve(faults=(NoAudioYet(),))
            made[0] = hopeless
            self.ledger.without_audio.add(hopeless.id)
            self._to_remove.append((today + timedelta(days=2), hopeless.id))
            self.ledger.note("never had audio")
        self._note([*made, *due])
        self.world.insert(*made, *due)
        if made and rng.random() < 0.04 and made[-1].id not in self.ledger.without_audio:
            self._to_remove.append((today + timedelta(days=1), made[-1].id))
        self._forget(today)
        if rng.random() < 0.7 and today > START:
            self._call(rng, yesterday)

    def _forget(self, today: date) -> None:
        """Rows that vanish, and those past the source's retention."""
        for day, recording_id in self._to_remove:
            named = recording_id in self.ledger.without_audio or any(self.archive.rglob(f"{recording_id}.mp3"))
            if day == today and named:
                self.world.remove(recording_id)
                self.ledger.note("vanished")
        end = datetime.combine(today, RUN_AT, UTC) - RETENTION
        self.world.remove(*(each.id for each in self.world.recordings(None, end)))
        self.world.remove_calls(*(each.id for each in self.world.calls(None, end)))

    def _straggler(self, rng: random.Random, config: Path, today: date) -> None:
        """It appears long after its day was closed; somebody tells the operator, who runs over that day."""
        day = today - timedelta(days=rng.randint(LOOKBACK + 4, 11))
        straggler = self._new(rng, day, rng.randrange(86_400))
        self._note([straggler])
        self.ledger.late.add(straggler.id)
        self.ledger.note("straggler")
        self.world.insert(straggler)
        self._run(config, (day,))

    def _new(self, rng: random.Random, day: date, second: int) -> SandboxRecording:
        moment = datetime.combine(day, time(), UTC) + timedelta(seconds=second)
        return new_recording(moment, 1, seed=rng.randrange(10**9))

    def _call(self, rng: random.Random, day: date) -> None:
        start = datetime.combine(day, time(), UTC) + timedelta(seconds=rng.randrange(80_000))
        made = SandboxCall(
            uuid1_at(start, rng), start, start + timedelta(seconds=9), "919811111111", "918022222222", 9, 9
        )
        self.ledger.calls[made.id] = made
        self.world.insert_calls(made)

    def _note(self, recordings: list[SandboxRecording]) -> None:
        self.ledger.recordings |= {each.id: each for each in recordings}

    def _set(self, sandbox: Sandbox, today: date) -> None:
        self.clock.offset = sandbox.clock_offset = offset_to(datetime.combine(today, RUN_AT, UTC))

    def _run(self, config: Path, days: tuple[date, ...] = ()) -> None:
        try:
            ended, _ = run(config, self.clock, days)
            self.exit_codes.append(int(ended.exit_code))
        except ArchiverError as error:
            self.exit_codes.append(int(error.exit_code))
        assert self.exit_codes[-1] not in (ExitCode.BUG, ExitCode.INTEGRITY)

    def _without_store(self, config: Path) -> None:
        """The destination is a file for a day: nothing can be put."""
        away = self.home / "away"
        if self.archive.exists():
            self.archive.rename(away)
        self.archive.touch()
        try:
            self._run(config)
        finally:
            self.archive.unlink()
            if away.exists():
                away.rename(self.archive)

    def _killed(self, config: Path, puts: int) -> None:
        """kill -9 once so many puts are durable, whatever they are."""
        words = [sys.executable, "-m", "tests.simulation.one_run", str(config), str(self.clock.offset.total_seconds())]
        ended = subprocess.run([*words, str(puts)], check=False, capture_output=True, timeout=120)
        self.exit_codes.append("killed" if ended.returncode == -9 else f"lived: {ended.returncode}")

    def _configure(self, sandbox: Sandbox) -> Path:
        shutil.rmtree(self.archive, ignore_errors=True)
        spool = self.home / "spool"
        spool.mkdir(exist_ok=True)
        path = self.home / "archiver.yaml"
        path.touch(mode=0o600)
        settings = {
            "source": {
                "base_url": sandbox.base_url,
                "token": sandbox.token,
                "allow_insecure_loopback": True,
                "audio_hosts": ["127.0.0.1"],
                "requests_per_minute": 1000,
            },
            "destination": {"url": self.archive.as_uri()},
            "manifest": {"url": f"sqlite://{self.home / 'manifest.db'}"},
            "windows": {"since": START, "lookback_days": LOOKBACK},
            "limits": {"spool_dir": str(spool), "concurrency": 4},
        }
        path.write_text(yaml.safe_dump(settings))
        return path

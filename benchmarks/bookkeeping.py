"""What a run costs a recording besides its duties: ``python -m benchmarks.bookkeeping`` (``make bench-bookkeeping``).

A real run over ports that cost next to nothing: a source that hands over audio which is hashed and probed already, a
store in memory that believes every digest, a manifest in a file, whose SQL is done in a thread of its own. What is left
to the thread of the event loop are tasks, slots, the queue, the order of writes, the sidecar, and what is told: CPU
milliseconds of that thread (user and system) per recording, the least of some rounds. How they fall to the parts comes
from one more round, which looks at the clock at every step from part to part; the looks are taken off, and the parts
scaled to the sum. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
import types
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence
from contextlib import AsyncExitStack, ExitStack, redirect_stdout
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial, wraps
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, cast

import anyio

from archiver import pipeline as pipeline_module
from archiver.budget import Budget
from archiver.cli.console import Console, Flags
from archiver.cli.run import settle_memory
from archiver.cli.watching import Watcher
from archiver.clock import SystemClock
from archiver.custody import Custody
from archiver.deadline_queue import DeadlineQueue
from archiver.keeping import Keeper, KeepingStore
from archiver.lister import Lister
from archiver.manifest.sql import SqlManifest
from archiver.model import (
    AudioFacts,
    Completeness,
    Digest,
    Finding,
    Link,
    Protection,
    Recording,
    StoredObject,
    TransferFacts,
    Window,
)
from archiver.periods.scratch_file import ScratchFile
from archiver.pipeline import Pipeline
from archiver.rules import sidecar
from archiver.rules.concurrency import Concurrency
from archiver.rules.summary import Summary
from archiver.rules.verdict import Level
from archiver.runner import Plan, Run
from archiver.slots import Slots
from archiver.source.interface import (
    Answer,
    AudioSink,
    Fetched,
    FetchOutcome,
    ListingOutcome,
    Page,
    Query,
    Source,
)
from archiver.spool import FetchedAudio, Spool
from archiver.store.interface import Body, Created, PutOutcome
from archiver.store.memory import MemoryStore
from benchmarks import manifest_steps

PAGE = 100
"""Rows of a page of the report."""
DAY = Window.of_day(manifest_steps.NOW.date())
IN_FLIGHT = 32
BODY = bytearray(4_000)
"""Of every recording: nobody reads it."""
WHOLE = Fetched(TransferFacts(len(BODY), len(BODY), Completeness.LENGTH, "audio/mpeg"))
LOOP = "event loop, tasks"
"""Whatever is no other part."""
PORTS = "what stands for the ports"


def audio_of(recording: Recording) -> tuple[FetchedAudio, AudioFacts]:
    """Audio of a length as reported, unlike any other's, and what a probe would say of it."""
    sha256 = Digest.sha256_of(recording.id.encode())
    facts = AudioFacts(
        container="mp3",
        extension="mp3",
        mediatype="audio/mpeg",
        size=len(BODY),
        length=30.02,
        frames=1150,
        sample_rate=44_100,
        channels=1,
        bitrate=32_000,
        proofs=(Finding("music_crc", "the CRC of the audio is right"),),
        audio_digest=sha256,
        details={"encoder": "LAME3.100", "mode": "cbr"},
    )
    return FetchedAudio(len(BODY), sha256, Digest("sha512", sha256.hex * 2), BODY), facts


@dataclass(frozen=True)
class Listed:
    """A report of one window, which agrees at once."""

    pages: Sequence[Page[Recording]]
    outcome: ListingOutcome

    async def __aiter__(self) -> AsyncGenerator[Page[Recording], None]:
        """Every page."""
        for page in self.pages:
            await asyncio.sleep(0)
            yield page


@dataclass(frozen=True)
class ReadySource:
    """A source whose audio is there already."""

    listed: Listed
    ready: dict[str, tuple[FetchedAudio, AudioFacts]]
    """By URL of the link."""
    clock: SystemClock = field(default_factory=SystemClock)

    @classmethod
    def of(cls, count: int) -> ReadySource:
        """With so many recordings on one day."""
        deadline = SystemClock().now() + timedelta(hours=1)
        rows, ready = [], {}
        for number in range(count):
            row = manifest_steps.recording(number)
            link = Link(f"https://storage.example/recordings/{row.id}.mp3?X-Amz-Signature=0", deadline)
            created_at = manifest_steps.NOW - timedelta(milliseconds=number)
            rows.append(Recording(row.id, created_at, row.duration, link, row.row, "32470000000", "32480000000"))
            ready[link.url] = audio_of(rows[-1])
        query, answer = Query("recordings", {}), Answer(Digest.sha256_of(b""), 0, (), {})
        pages = [
            Page(number, tuple(rows[start : start + PAGE]), (), "flat", None, 1, False, query, answer)
            for number, start in enumerate(range(0, count, PAGE), 1)
        ]
        return cls(Listed(pages, ListingOutcome(True, "", 1, len(pages), count, count)), ready)

    def recordings(self, window: Window) -> Listed:
        """The same, whatever the window."""
        return self.listed

    async def fetch(self, link: Link, sink: AudioSink) -> FetchOutcome:
        """Hand it over, a moment later."""
        await asyncio.sleep(0)
        receiver = cast("Ready", sink)
        receiver.brought, receiver.facts = self.ready[link.url]
        return WHOLE

    def server_time(self) -> Any:
        """Ours."""
        return self.clock.now()


class Ready:
    """Stands for a receiver, and is brought a whole body."""

    brought: FetchedAudio
    facts: AudioFacts

    async def __aenter__(self) -> Ready:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing was taken."""

    def audio(self) -> FetchedAudio:
        """As it was brought."""
        return self.brought


class ReadySpool:
    """Stands for a spool, and takes bodies as they are."""

    def receive(self, *_: object) -> Ready:
        """For one recording."""
        return Ready()


class BelievingStore(MemoryStore):
    """Takes every body for what its digest says, a moment later."""

    async def put_new(
        self, key: str, body: Body, digest: Digest, mediatype: str, protection: Protection | None = None
    ) -> PutOutcome:
        """Count it."""
        await asyncio.sleep(0)
        self.puts += 1
        return Created(StoredObject(key, body.size, digest))


class Meter:
    """CPU time of this thread by part; what is within a part and has a part of its own is taken off."""

    def __init__(self) -> None:
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._looks: Counter[str] = Counter()
        self._within = [LOOP]
        self._since = time.thread_time()

    def enter(self, part: str) -> None:
        """From here on the time is this part's."""
        self._book()
        self._looks[part] += 1
        self._within.append(part)

    def leave(self) -> None:
        """It is that of the part around it again."""
        self._book()
        self._within.pop()

    def _book(self) -> None:
        now = time.thread_time()
        part = self._within[-1]
        self._spent[part] += now - self._since
        self._looks[part] += 1
        self._since = now

    def spent(self) -> dict[str, float]:
        """Seconds by part, without what it took to look at the clock and to note it."""
        of_a_look = Meter._cost_of_a_look()
        return {part: seconds - self._looks[part] * of_a_look for part, seconds in self._spent.items()}

    @staticmethod
    def _cost_of_a_look(times: int = 50_000) -> float:
        """Noting is half before the clock is read, for the part that ends, and half after it, for the next one."""
        empty = Meter()
        nothing = empty.meters(lambda: None, "nothing")
        for _ in range(times):
            nothing()
        return sum(empty._spent.values()) / empty._looks.total()

    def meters(self, work: Callable[..., Any], part: str) -> Callable[..., Any]:
        """The same, with its time booked on ``part``."""
        if iscoroutinefunction(work):

            @wraps(work)
            async def metered(*args: Any, **options: Any) -> Any:
                return await self._stepped(work(*args, **options), part)
        else:

            @wraps(work)
            def metered(*args: Any, **options: Any) -> Any:
                self.enter(part)
                try:
                    return work(*args, **options)
                finally:
                    self.leave()

        return metered

    @types.coroutine
    def _stepped(self, work: Coroutine[Any, Any, Any], part: str) -> Generator[Any, Any, Any]:
        step: Callable[[], Any] = partial(work.send, None)
        while True:
            self.enter(part)
            try:
                waits_for = step()
            except StopIteration as over:
                return over.value
            finally:
                self.leave()
            try:
                step = partial(work.send, (yield waits_for))
            except BaseException as error:
                step = partial(work.throw, error)


PARTS: Sequence[tuple[Any, str, str]] = (
    (Run, "_work _turns", "runner"),
    (Lister, "list", "lister"),
    (DeadlineQueue, "put put_back done take take_at_once room", "queue"),
    (Slots, "free take", "slots"),
    (Concurrency, "ended", "slots"),
    (Pipeline, "archive", "pipeline"),
    (pipeline_module, "judge", "verdict"),
    (Custody, "adopt archive seal advance", "custody"),
    (Keeper, "of_recording protection", "keeping"),
    (KeepingStore, "put_new", "keeping"),
    (sidecar, "build", "sidecar"),
    (Watcher, "event progress", "what is told"),
    (SqlManifest, "note_listed advance same_content", "manifest, on this side"),
    (ReadySource, "fetch server_time", PORTS),
    (BelievingStore, "put_new", PORTS),
)


@dataclass
class Parts:
    """Meters the parts meanwhile."""

    meter: Meter = field(default_factory=Meter)
    _before: list[tuple[Any, str, Any]] = field(default_factory=list)

    def __enter__(self) -> Meter:
        for owner, names, part in PARTS:
            for name in names.split():
                work = getattr(owner, name)
                self._before.append((owner, name, work))
                setattr(owner, name, self.meter.meters(work, part))
        return self.meter

    def __exit__(self, *_: object) -> None:
        for owner, name, work in self._before:
            setattr(owner, name, work)


async def unattended(run: Run) -> None:
    """Nobody watches."""
    await anyio.sleep_forever()


async def archived(source: ReadySource, home: Path, flags: Flags) -> tuple[Summary, float]:
    """What a run came to, and CPU seconds of this thread from its first listing to its summary."""
    clock, store, port = SystemClock(), BelievingStore(), cast("Source", source)
    async with AsyncExitStack() as stack:
        manifest = await stack.enter_async_context(await SqlManifest.open(f"sqlite:///{home / 'manifest.db'}"))
        await manifest.begin_run("run-1", clock.now())
        scratch = stack.enter_context(ScratchFile(home))
        keeper = Keeper(clock)
        kept = KeepingStore(store, keeper, manifest)
        custody = Custody(kept, manifest, clock, "run-1", "https://voice.example", "archiver", keeper)
        pipeline = Pipeline(
            source=port, spool=cast("Spool", ReadySpool()), custody=custody, tolerance=(-1.1, 1.5), level=Level.FULL
        )
        plan = Plan("run-1", [DAY], IN_FLIGHT, IN_FLIGHT, False, 5, 10_000, "UTC")
        summary, watcher = Summary("run-1"), Watcher(Console(flags, {}))
        run = Run(plan, summary, port, kept, manifest, pipeline, clock, watcher, Budget(), scratch)
        begun = time.thread_time()
        await run.execute(unattended)
        spent = time.thread_time() - begun
    if store.puts != 2 * summary.archived:
        raise AssertionError(summary)
    return summary, spent


def round_of(source: ReadySource, flags: Flags) -> float:
    """CPU ms a recording in a run of its own, of which nobody hears."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(redirect_stdout(stack.enter_context(Path(os.devnull).open("w"))))
        summary, spent = asyncio.run(archived(source, home, flags))
    if summary.archived != len(source.ready):
        raise AssertionError(summary)
    return 1000 * spent / summary.archived


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    source = ReadySource.of(asked.recordings)
    settle_memory()
    quiet, told = Flags(verbosity=-1), Flags(json=True)
    rounds = [(round_of(source, quiet), round_of(source, told)) for _ in range(asked.rounds)]
    with Parts() as meter:
        round_of(source, told)
    untold, together = (min(each) for each in zip(*rounds, strict=True))
    parts = dict(sorted(meter.spent().items(), key=lambda each: -each[1]))
    figures = {part: together * seconds / sum(parts.values()) for part, seconds in parts.items()}
    figures |= {"together": together, "without events": untold}
    print("| CPU ms a recording | |\n|---|---|")
    for part, cost in figures.items():
        print(f"| {part} | {cost:.3f} |")
    rounded = {part: round(cost, 4) for part, cost in figures.items()}
    print(json.dumps({"bench": "bookkeeping", "recordings": asked.recordings, "cpu_ms": rounded}))


if __name__ == "__main__":
    main()

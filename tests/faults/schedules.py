"""Schedules of a bad network before the API, the audio and the bucket; the runs under them, and what must hold after.

A schedule ends: connections beyond it pass untouched. So a run under it may leave recordings open, with a reason, but
must not lie; and the undisturbed run that follows has to bring everything to its end.
"""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import botocore.endpoint
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from archiver.sandbox import Sandbox, World
from tests.faults import checker
from tests.faults.checker import Books, Violation
from tests.faults.lab import Lab, new_bucket
from tests.faults.proxy import (
    Bandwidth,
    Latency,
    LimitData,
    Proxy,
    Reset,
    Schedule,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
)
from tests.stories.bucket_server import BucketServer
from tests.stories.conftest import Directory
from tests.stories.operator import Operator, Result

FASTER = 0.02
"""Back-offs of the archiver take this much of their time: their length is the business of rules/retry.py's tests."""
LONGEST = 60.0
"""Seconds that a run under a schedule may take (I6)."""
ALLOWED = {0, 3, 10}
"""Exit codes under a bad network: complete, worth running again, destination not to be reached at all."""


@dataclass(frozen=True)
class Weather:
    """What the three connections of an archive meet."""

    api: Schedule = ()
    audio: Schedule = ()
    store: Schedule = ()


def toxics() -> st.SearchStrategy[Toxic]:
    """Any one toxic; byte counts reach into heads, bodies and beyond them."""
    direction = st.sampled_from(["up", "down"])
    amount = st.one_of(st.integers(0, 400), st.integers(0, 30_000))
    return st.one_of(
        st.builds(Latency, direction, st.floats(0, 0.03)),
        st.builds(Bandwidth, direction, st.floats(50_000, 1_000_000)),
        st.builds(Slicer, direction, st.integers(1, 2_000)),
        st.builds(LimitData, direction, amount),
        st.builds(Reset, direction, amount),
        st.builds(Timeout, direction, amount, st.floats(0, 0.15)),
        st.builds(SlowClose, direction, st.floats(0, 0.1)),
    )


def schedules() -> st.SearchStrategy[Schedule]:
    """A few connections, each with up to two toxics; or one toxic over so many that some retries are spent."""
    few = st.lists(st.lists(toxics(), max_size=2).map(tuple), max_size=5).map(tuple)
    storm = st.tuples(toxics(), st.integers(8, 40)).map(lambda each: ((each[0],),) * each[1])
    return st.one_of(few, few, storm)


def weathers(*, store: bool) -> st.SearchStrategy[Weather]:
    """Schedules for API and audio, and for the bucket where there is a server."""
    return st.builds(Weather, schedules(), schedules(), schedules() if store else st.just(()))


@dataclass
class Station:
    """One provider (and bucket server) behind proxies; a new archive for every schedule."""

    home: Path
    sandbox: Sandbox
    api: Proxy
    audio: Proxy
    store: Proxy | None = None
    server: BucketServer | None = None
    schedules: int = 0
    connections_met: int = 0
    """Connections that met a toxic."""
    codes: dict[int, int] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def weather(self, weather: Weather) -> list[Violation]:
        """One run under it and one in fair weather; what is violated after each."""
        lab = self._new_lab()
        self._begin(weather)
        began = time.monotonic()
        result = self._run(lab)
        seconds = time.monotonic() - began
        self.schedules += 1
        self.connections_met += sum(proxy.fired for proxy in self._proxies())
        self.codes[result.exit_code] = self.codes.get(result.exit_code, 0) + 1
        if result.exit_code not in ALLOWED:
            lab.violations.append(Violation("I4", f"exit code {result.exit_code}: {result.stderr[-500:]}"))
        if seconds > LONGEST:
            lab.violations.append(Violation("I6", f"a run took {seconds:.0f} s"))
        lab.look()
        self._begin(Weather())
        result = self._run(lab)
        lab.look()
        bucket, books, truth = lab.bucket(), Books.read(lab.operator.manifest), lab.truth()
        lab.violations += checker.in_the_end(bucket, books, truth, lab.operator.scratch())
        lab.violations += checker.converged(bucket, books, truth)
        shutil.rmtree(lab.operator.home)
        return lab.violations

    def _new_lab(self) -> Lab:
        home = self.home / str(next(self._numbers))
        home.mkdir()
        if self.server is None or self.store is None:
            return Lab(Operator(home, self.sandbox, Directory(home / "archive")))
        bucket = new_bucket(self.server)
        operator = Operator(home, self.sandbox, bucket)
        operator.settings = {"destination": {"endpoint_url": self.store.url}}
        return Lab(operator)

    def _run(self, lab: Lab) -> Result:
        return lab.operator.runs(source={"base_url": f"{self.api.url}/api/v2/"}, calls={"archive": False})

    def _begin(self, weather: Weather) -> None:
        self.api.begin(weather.api)
        self.audio.begin(weather.audio)
        if self.store is not None:
            self.store.begin(weather.store)

    def _proxies(self) -> list[Proxy]:
        return [each for each in (self.api, self.audio, self.store) if each is not None]


def endure(place: Station, number: int, first: int = 1) -> None:
    """So many schedules; the smallest one that violates anything is told."""

    @seed(first)
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(weathers(store=place.store is not None))
    def holds(weather: Weather) -> None:
        if found := place.weather(weather):
            raise AssertionError(f"{'; '.join(map(str, found))} under {weather}")

    holds()


@contextmanager
def station(home: Path, world: World, server: BucketServer | None = None) -> Iterator[Station]:
    """Everything but the schedule; back-offs are short meanwhile."""
    with ExitStack() as stack:
        stack.enter_context(hurried())
        sandbox = stack.enter_context(Sandbox(world).running())
        api = stack.enter_context(Proxy(sandbox.api_port).running())
        audio = stack.enter_context(Proxy(sandbox.audio_port).running())
        sandbox.audio_public_url = audio.url
        store = None
        if server is not None:
            store = stack.enter_context(Proxy(int(server.url.rpartition(":")[2])).running())
        yield Station(home, sandbox, api, audio, store, server)


@contextmanager
def hurried() -> Iterator[None]:
    """The archiver's own waits, and the SDK's, are short in this process."""
    patient: Callable[..., Any] = anyio.sleep
    clock = botocore.endpoint.time  # type: ignore[attr-defined]
    anyio.sleep = lambda delay: patient(delay * FASTER)
    hasty = SimpleNamespace(sleep=lambda seconds: time.sleep(seconds * FASTER), time=time.time)
    botocore.endpoint.time = hasty  # type: ignore[attr-defined]
    try:
        yield
    finally:
        anyio.sleep = patient
        botocore.endpoint.time = clock  # type: ignore[attr-defined]

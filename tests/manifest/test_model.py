"""The manifest against a dict: whatever order things happen in, both know the same."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from archiver.manifest.interface import Change, Entry
from archiver.manifest.sql import SqlManifest
from archiver.model import Digest, Window
from archiver.rules.lifecycle import TRANSITIONS, Event, State
from archiver.rules.windows import days

from .build import CONTENT, DAY, NOW, SHA256, listed, names, recording

T = TypeVar("T")
WINDOWS = days(DAY.day, DAY.day + timedelta(days=2))
IDS = st.sampled_from([f"{window.day}-{n}" for window in WINDOWS for n in range(3)])
RUNS = st.sampled_from(["run-1", "run-2"])
DIGESTS = (CONTENT, SHA256)
CONTENTS = st.sampled_from([None, *DIGESTS])


@dataclass
class Known:
    state: State
    window: Window
    attempts: int = 0
    duration: float | None = None
    listed_by: str | None = None
    archived_by: str | None = None
    draft: bytes | None = None
    content: Digest | None = None


@dataclass
class Seen:
    sound: bool
    closed: bool = False


class Model(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.manifest = self.do(SqlManifest.open(self.url))
        self.known: dict[str, Known] = {}
        self.windows: dict[Window, Seen] = {}
        self.rows = 0

    @property
    def url(self) -> str:
        return f"sqlite:///{self.directory}/manifest.db"

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        assert self.do(self.manifest.integrity()) == []
        self.do(self.manifest.aclose())
        self.runner.close()
        shutil.rmtree(self.directory)

    def opened(self, name: str) -> None:
        seen = self.windows.get(window_of(name))
        if seen is not None:
            seen.closed = False

    @rule(wanted=st.lists(IDS, max_size=4), run=RUNS, seconds=st.sampled_from([None, 1, 2]))
    def note_listed(self, wanted: list[str], run: str, seconds: int | None) -> None:
        page = [recording(name, window=window_of(name), seconds=seconds) for name in wanted]
        found = self.do(self.manifest.note_listed(run, NOW, page))
        for name in wanted:
            if name not in self.known:
                self.known[name] = Known(State.DISCOVERED, window_of(name))
                self.opened(name)
            known = self.known[name]
            known.listed_by = run
            known.duration = known.duration if seconds is None else seconds
        assert {name: entry.state for name, entry in found.items()} == {n: self.known[n].state for n in wanted}

    @rule(
        name=IDS,
        step=st.sampled_from(list(TRANSITIONS)),
        run=RUNS,
        adopted=st.booleans(),
        right=st.none() | st.integers(0, 4),
        content=CONTENTS,
    )
    def advance(
        self,
        name: str,
        step: tuple[State | None, Event],
        run: str,
        adopted: bool,
        right: int | None,
        content: Digest | None,
    ) -> None:
        known = self.known.get(name)
        legal = [each for each in TRANSITIONS if known is not None and each[0] is known.state]
        expected, event = legal[right % len(legal)] if right is not None and legal else step
        if expected is None:
            return
        change = Change(draft=b"{}", content=content, detail={"adopted": True} if adopted else {})
        entry = self.do(self.manifest.advance(name, expected, event, NOW, run, change))
        if known is None or known.state is not expected:
            assert entry is None
            return
        assert entry is not None
        known.state = TRANSITIONS[expected, event]
        known.draft = b"{}" if known.state is State.STORED else None
        known.content = content or known.content
        if event is Event.SEALED:
            known.archived_by = None if adopted else run
        if event is Event.REQUEUED:
            known.attempts = 0
        if known.state.is_open:
            self.opened(name)

    @rule(name=IDS, run=RUNS, counts=st.booleans())
    def note_attempt(self, name: str, run: str, counts: bool) -> None:
        if name not in self.known:
            return
        self.known[name].attempts += counts
        self.rows += 1
        noted = self.do(self.manifest.note_attempt(name, NOW, run, "fetch", "x", counts=counts))
        assert noted == self.known[name].attempts

    @rule(name=IDS, state=st.sampled_from([State.ARCHIVED, State.QUARANTINED]), content=CONTENTS)
    def restore(self, name: str, state: State, content: Digest | None) -> None:
        entry = Entry(name, window_of(name).start, 3.0, state, 0, "", content=content)
        assert self.do(self.manifest.restore(entry, {}, NOW, None)) is (name not in self.known)
        self.known.setdefault(name, Known(state, window_of(name), duration=3.0, content=content))

    @rule(window=st.sampled_from(WINDOWS), agreed=st.booleans(), rows_unreadable=st.sampled_from([0, 0, 1]), run=RUNS)
    def note_window(self, window: Window, agreed: bool, rows_unreadable: int, run: str) -> None:
        self.do(self.manifest.note_window(run, NOW, listed(window, agreed=agreed, rows_unreadable=rows_unreadable)))
        seen = self.windows.setdefault(window, Seen(sound=False))
        seen.sound = agreed and not rows_unreadable
        seen.closed = seen.closed and seen.sound

    @rule(given=st.lists(st.sampled_from(WINDOWS), unique=True))
    def close_windows(self, given: list[Window]) -> None:
        closed = self.do(self.manifest.close_windows(given, NOW))
        expected = [
            window
            for window in given
            if window in self.windows
            and self.windows[window].sound
            and not self.windows[window].closed
            and not self.unfinished_in(window)
        ]
        assert closed == expected
        for window in closed:
            self.windows[window].closed = True

    @rule()
    def reopen(self) -> None:
        self.do(self.manifest.aclose())
        self.manifest = self.do(SqlManifest.open(self.url))

    def open_in(self, window: Window) -> list[str]:
        return sorted(name for name, each in self.known.items() if each.window == window and each.state.is_open)

    def unfinished_in(self, window: Window) -> bool:
        failed = [each for each in self.known.values() if each.window == window and each.state is State.FAILED]
        return bool(failed or self.open_in(window))

    @invariant()
    def same_entries(self) -> None:
        entries = self.do(self.manifest.entries(sorted(self.known)))
        assert {
            name: replace(
                self.known[name],
                state=e.state,
                attempts=e.attempts,
                duration=e.duration,
                draft=e.draft,
                content=e.content,
            )
            for name, e in entries.items()
        } == self.known

    @invariant()
    def same_reports(self) -> None:
        expected: dict[Any, Counter[State]] = {}
        for each in self.known.values():
            expected.setdefault(each.window.day, Counter())[each.state] += 1
        assert self.do(self.manifest.days()) == expected
        for window in WINDOWS:
            opened = self.do(self.manifest.open_entries(window))
            assert [entry.recording_id for entry in opened] == self.open_in(window)
        for run in ("run-1", "run-2"):
            mine = [each for each in self.known.values() if each.listed_by == run]
            counts = self.do(self.manifest.counts(run))
            assert counts.states == Counter(each.state for each in mine)
            archived = [each.archived_by for each in mine if each.state is State.ARCHIVED]
            assert counts.mine == archived.count(run)
        failed = sorted(name for name, each in self.known.items() if each.state is State.FAILED)
        assert self.do(names(self.manifest, [State.FAILED])) == failed

    @invariant()
    def same_windows(self) -> None:
        shut = {window for window, seen in self.windows.items() if seen.closed}
        for first in WINDOWS:
            found = self.do(self.manifest.closed(first.start))
            assert found == {window for window in shut if window >= first}
        still_open = {each.window.day for each in self.known.values() if each.state.is_open}
        unclosed = {window.day for window in self.windows if window not in shut}
        assert self.do(self.manifest.unsettled()) == unclosed | still_open

    @invariant()
    def same_contents(self) -> None:
        for digest in DIGESTS:
            accepted = sorted(
                (each.window, name)
                for name, each in self.known.items()
                if each.content == digest and each.state in (State.STORED, State.ARCHIVED)
            )
            for but in (f"{WINDOWS[0].day}-0", f"{WINDOWS[1].day}-1"):
                expected = [name for _, name in accepted if name != but]
                assert self.do(self.manifest.same_content(digest, but)) == expected

    @invariant()
    def same_attempts(self) -> None:
        connection = sqlite3.connect(self.directory / "manifest.db")
        try:
            assert connection.execute("SELECT count(*) FROM attempts").fetchall() == [(self.rows,)]
        finally:
            connection.close()


def window_of(name: str) -> Window:
    return next(window for window in WINDOWS if name.startswith(str(window)))


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

"""A list that moves, as a model: a dict of what the source names, beside an archive that lists it again and again."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from archiver.sandbox import (
    EmptyPage,
    OnListing,
    RepeatedPage,
    RowsInserted,
    RowsRemoved,
    Sandbox,
    World,
    WrongTotal,
    new_recording,
)
from tests.faults.checker import Books
from tests.faults.lab import Lab
from tests.faults.schedules import hurried
from tests.stories.conftest import Directory
from tests.stories.operator import Operator

DAY = datetime(2026, 9, 22, tzinfo=UTC)
MOVES = (RowsInserted(), RowsInserted(number=3), RowsRemoved(), RowsRemoved(number=2))
LIES = (EmptyPage(times=1), RepeatedPage(times=2), WrongTotal(1, times=1), WrongTotal(-1, times=2))


class MovingList(RuleBasedStateMachine):
    """``named`` is the source's list; ``archived`` what an archive must hold from now on, whatever moves."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.named: dict[str, str] = {}
        self.archived: dict[str, str] = {}
        self.number = 0

    @initialize(dialect=st.sampled_from(["flat", "paged", "resource"]))
    def begin(self, dialect: str) -> None:
        self.stack.enter_context(hurried())
        home = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        # One recording at each end, which never move: the days that are asked for stay the same.
        first, last = (new_recording(DAY + timedelta(days=days), 3) for days in (0, 1))
        self.world = World([first, last])
        sandbox = Sandbox(self.world, dialect=dialect, per_page=3)  # type: ignore[arg-type]
        self.stack.enter_context(sandbox.running())
        self.lab = Lab(Operator(home, sandbox, Directory(home / "archive")))
        self.ends = {first.id, last.id}
        self._read_world()

    def _read_world(self) -> None:
        self.named = dict(self.lab.truth().created)

    @rule(minutes=st.integers(1, 1439), duration=st.integers(2, 4))
    def insert(self, minutes: int, duration: int) -> None:
        self.number += 1
        self.world.insert(new_recording(DAY + timedelta(minutes=minutes), duration, seed=self.number))
        self._read_world()

    @precondition(lambda self: len(self.named) > 2)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        self.world.remove(data.draw(st.sampled_from(sorted(self.named.keys() - self.ends))), keep_audio=True)
        self._read_world()

    @rule()
    def run_while_it_stands(self) -> None:
        assert self._run() == 0
        self._holds_all()

    @rule(move=st.sampled_from(MOVES), page=st.integers(1, 3))
    def run_while_it_moves(self, move: RowsInserted | RowsRemoved, page: int) -> None:
        self.lab.operator.sandbox.inject(OnListing(move, "recordings", page))
        code = self._run()
        self._read_world()
        assert code in (0, 3)
        if code == 0:  # it says that nothing is missing
            self._holds_all()

    @rule(lie=st.sampled_from(LIES), page=st.integers(1, 2))
    def run_while_it_lies(self, lie: EmptyPage | RepeatedPage | WrongTotal, page: int) -> None:
        self.lab.operator.sandbox.inject(OnListing(lie, "recordings", page))
        code = self._run()
        assert code in (0, 3)
        if code == 0:
            self._holds_all()

    def _run(self) -> int:
        result = self.lab.operator.types(
            "run", "--json", "--from", "2026-09-22", "--to", "2026-09-23", calls={"archive": False}
        )
        self.lab.operator.sandbox.clear_faults()
        assert result.summary["bugs"] == 0
        return result.exit_code

    def _holds_all(self) -> None:
        known = Books.read(self.lab.operator.manifest).recordings
        assert {each for each in self.named if known.get(each, {}).get("state") != "archived"} == set()

    @invariant()
    def nothing_archived_is_ever_lost(self) -> None:
        if not self.named:
            return
        known = Books.read(self.lab.operator.manifest).recordings
        now = {each: row["audio_digest"] for each, row in known.items() if row["state"] == "archived"}
        assert now.items() >= self.archived.items()
        self.archived = now

    def teardown(self) -> None:
        self.stack.close()


def test_a_list_that_moves_against_a_dict() -> None:
    run_state_machine_as_test(
        seed(1)(MovingList),
        settings=settings(
            max_examples=12,
            stateful_step_count=12,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

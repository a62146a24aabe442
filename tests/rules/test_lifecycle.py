"""The one table, held against the guarantees that it is there for."""

from __future__ import annotations

import itertools

import pytest

from archiver.rules.lifecycle import REQUEUEABLE, TRANSITIONS, Event, State, next_state


def test_every_step_outside_the_table_is_refused() -> None:
    for state, event in itertools.product([None, *State], Event):
        if (state, event) in TRANSITIONS:
            assert next_state(state, event) is TRANSITIONS[state, event]
        else:
            with pytest.raises(ValueError, match=f"^no {event} from {state or 'nothing'}$"):
                next_state(state, event)


def test_archived_is_reached_only_through_stored() -> None:
    assert {state for (state, _), target in TRANSITIONS.items() if target is State.ARCHIVED} == {State.STORED}


def test_every_state_can_be_reached_and_none_is_a_trap_but_expired() -> None:
    reached = {State.DISCOVERED}
    while more := {to for (state, _), to in TRANSITIONS.items() if state in reached} - reached:
        reached |= more
    assert reached == set(State)
    assert {state for state in State if not any(known is state for known, _ in TRANSITIONS)} == {State.EXPIRED}


def test_what_an_operator_may_requeue() -> None:
    assert set(REQUEUEABLE) == {State.SKIPPED, State.QUARANTINED, State.UNAVAILABLE, State.FAILED}


def test_open_means_that_a_run_has_something_to_do() -> None:
    assert {state for state in State if state.is_open} == {State.DISCOVERED, State.STORED}

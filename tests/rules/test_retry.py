"""Back-off as a value."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from archiver.rules.retry import GiveUp, RetryPolicy, TryAgain

POLICY = RetryPolicy(attempts=4, base=1.0, ceiling=3.0, patience=60.0)


def test_delays_double_up_to_the_ceiling() -> None:
    delays = [POLICY.decide(failures, 0.999999) for failures in (1, 2, 3)]
    assert [round(each.delay) for each in delays if isinstance(each, TryAgain)] == [1, 2, 3]


def test_attempts_are_spent() -> None:
    assert POLICY.decide(4, 0.5) == GiveUp()


@given(st.integers(1, 3), st.floats(0, 1, exclude_max=True), st.floats(0, 60))
def test_never_below_what_the_server_asked_for(failures: int, jitter: float, asked: float) -> None:
    decision = POLICY.decide(failures, jitter, asked)
    assert isinstance(decision, TryAgain)
    assert asked <= decision.delay <= max(asked, POLICY.ceiling)


def test_a_server_that_asks_for_too_much_is_not_waited_for() -> None:
    assert POLICY.decide(1, 0.5, 61.0) == GiveUp()

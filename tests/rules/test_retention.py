"""Which class a row falls to, and on which day that is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model import Protection, Retention, RetentionMode
from archiver.rules.retention import Condition, Policy, RetentionClass, Rule, protection_of

GOVERNANCE, COMPLIANCE = RetentionMode.GOVERNANCE, RetentionMode.COMPLIANCE
MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLASSES = {
    "short": RetentionClass("short", GOVERNANCE, days=30),
    "usual": RetentionClass("usual", GOVERNANCE, years=5),
    "mifid": RetentionClass("mifid", COMPLIANCE, years=7),
}
POLICY = Policy(
    CLASSES,
    (
        Rule("mifid", when=(Condition("service", ("Trading", "Desk*")), Condition("agent_id", ("17",)))),
        Rule("short", numbers=("3212*",)),
        Rule("short", duration_seconds=(None, 10.0)),
    ),
    default="usual",
)
ROW = {"service": "Sales", "agent_id": 17, "call_from": "32470", "call_to": 32471}


def chosen(duration: float | None = 60.0, **fields: Any) -> tuple[str, tuple[str, ...]]:
    assignment = POLICY.assign({**ROW, **fields}, MOMENT, duration)
    return assignment.retention_class, assignment.missing_facts


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, "usual"),
        ({"service": "Trading"}, "mifid"),
        ({"service": "Desk 4"}, "mifid"),
        ({"service": "Trading", "agent_id": "18"}, "usual"),
        ({"call_to": "32123"}, "short"),
        ({"call_from": 32123456}, "short"),
        ({"bridge": "32129"}, "short"),
        ({"duration": 9.9}, "short"),
        ({"duration": 10.0}, "usual"),
        ({"service": "trading"}, "usual"),
    ],
)
def test_the_first_rule_that_a_row_fulfils_decides(fields: dict[str, Any], wanted: str) -> None:
    assert chosen(**fields) == (wanted, ())


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"service": "Trading", "agent_id": None}, ("agent_id",)),
        ({"service": ""}, ("service",)),
        ({"call_to": None}, ("call_to",)),
        ({"duration": None}, ("duration",)),
        ({"service": {"name": "Trading"}}, ("service",)),
    ],
)
def test_a_row_that_lacks_a_fact_falls_to_the_longest_and_says_so(
    fields: dict[str, Any], missing: tuple[str, ...]
) -> None:
    assert chosen(**fields) == ("mifid", missing)


def test_a_missing_fact_does_not_matter_where_another_decides() -> None:
    assert chosen(service="Other", agent_id=None) == ("usual", ())
    assert chosen(call_from="32121", call_to=None) == ("short", ())


def test_fields_inside_objects() -> None:
    policy = Policy(CLASSES, (Rule("short", when=(Condition("options.desk", ("true",)),)),), "usual")
    assert policy.assign({"options": {"desk": True}}, MOMENT, 1).retention_class == "short"
    assert policy.assign({"options.desk": True}, MOMENT, 1).retention_class == "short"
    assert policy.assign({"options": {"desk": False}}, MOMENT, 1).retention_class == "usual"
    assert policy.assign({"options": "desk"}, MOMENT, 1).missing_facts == ("options.desk",)


def test_without_a_default_it_is_the_longest() -> None:
    assert Policy(CLASSES).assign({}, MOMENT, None).retention_class == "mifid"
    assert Policy(CLASSES).assign({}, MOMENT, None).missing_facts == ()


@pytest.mark.parametrize(
    ("begun", "years", "until"),
    [
        (datetime(2024, 2, 29, 8, 30, tzinfo=UTC), 1, datetime(2025, 3, 1, 8, 30, tzinfo=UTC)),
        (datetime(2024, 2, 29, 8, 30, tzinfo=UTC), 4, datetime(2028, 2, 29, 8, 30, tzinfo=UTC)),
        (datetime(2025, 3, 1, tzinfo=UTC), 3, datetime(2028, 3, 1, tzinfo=UTC)),
        (datetime(2026, 12, 31, 23, 59, 59, 1, tzinfo=UTC), 7, datetime(2034, 1, 1, tzinfo=UTC)),
    ],
)
def test_years_are_calendar_years(begun: datetime, years: int, until: datetime) -> None:
    assert RetentionClass("x", GOVERNANCE, years=years).retention(begun) == Retention(GOVERNANCE, until)


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)), st.integers(1, 100))  # noqa: DTZ001
def test_a_year_is_never_shorter_than_a_year(begun: datetime, years: int) -> None:
    moment = begun.replace(tzinfo=UTC)
    until = RetentionClass("x", GOVERNANCE, years=years).retention(moment).until
    assert until.year in (moment.year + years, moment.year + years + 1)
    assert until.microsecond == 0
    assert until - moment >= timedelta(days=365 * years)


def test_a_day_is_kept_as_long_as_its_longest_recording() -> None:
    known = [POLICY.assign({**ROW, "call_to": "32123"}, MOMENT, 60), POLICY.assign(ROW, MOMENT, 60)]
    assert POLICY.of_day(MOMENT, known) == CLASSES["usual"].retention(MOMENT)
    assert POLICY.of_day(MOMENT, []) == CLASSES["usual"].retention(MOMENT)
    with_compliance = [*known, POLICY.assign({**ROW, "service": "Trading"}, MOMENT, 60)]
    assert POLICY.of_day(MOMENT, with_compliance).mode is COMPLIANCE


def test_a_time_that_is_over_asks_for_no_lock() -> None:
    held = CLASSES["short"].retention(MOMENT)
    assert protection_of(held, held.until - timedelta(hours=1)) == Protection(held)
    assert protection_of(held, held.until) is None
    assert protection_of(None, MOMENT) is None


def test_retention_is_only_ever_joined() -> None:
    early, late = CLASSES["mifid"].retention(MOMENT), Retention(GOVERNANCE, datetime(2050, 1, 1, tzinfo=UTC))
    for one, other in ((early, late), (late, early)):
        assert one.joined(other) == Retention(COMPLIANCE, late.until)
    assert Protection(late).covers(Protection(early)) is False
    assert Protection(early.joined(late)).covers(Protection(early))
    assert not Protection(early).covers(Protection(early, legal_hold=True))

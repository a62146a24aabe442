"""Which recordings a matter covers, and how its orders are written."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from archiver.model import Digest
from archiver.rules import hold, keys
from archiver.rules.hold import Action, Order, Selector, Subject
from archiver.rules.retention import Condition

AT = datetime(2026, 11, 1, tzinfo=UTC)


def subject(recording_id: str = "a", **row: Any) -> Subject:
    usual = {"call_from": "3212", "call_to": "3247", "agent": "Ann", "agent_id": "7"}
    return Subject(recording_id, datetime(2026, 9, 22, 10, tzinfo=UTC), 60.0, {**usual, **row})


def order(matter: str, action: Action = Action.ADD, **chosen: Any) -> Order:
    return Order(matter, 1, action, "because", Selector(**chosen), AT, "test 1", None)


@pytest.mark.parametrize(
    ("chosen", "covered"),
    [
        ({}, True),
        ({"ids": ("a", "b")}, True),
        ({"ids": ("b",)}, False),
        ({"numbers": ("3212",)}, True),
        ({"numbers": ("99", "324*")}, True),
        ({"numbers": ("99*",)}, False),
        ({"agents": ("7",)}, True),
        ({"agents": ("Ann",)}, False),
        ({"first": date(2026, 9, 22), "last": date(2026, 9, 22)}, True),
        ({"first": date(2026, 9, 23)}, False),
        ({"last": date(2026, 9, 21)}, False),
        ({"query": (Condition("agent", ("Bob", "An?")),)}, True),
        ({"query": (Condition("service", ("*",)),)}, False),
        ({"ids": ("a",), "numbers": ("99",)}, False),
    ],
)
def test_a_selector_wants_every_kind_and_any_of_a_kind(chosen: dict[str, Any], covered: bool) -> None:
    assert Selector(**chosen).matches(subject()) is covered


def test_an_agent_is_named_by_either_field() -> None:
    assert Selector(agents=("Ann",)).matches(subject(agent_id=None))
    assert not Selector(agents=("7",)).matches(subject(agent_id=None, agent=None))


def test_the_last_order_of_a_matter_decides() -> None:
    release = order("one", Action.RELEASE)
    assert hold.covered([order("one"), order("two", ids=("a",))], subject()) == ("one", "two")
    assert hold.covered([order("one"), release, order("two")], subject()) == ("two",)
    assert hold.covered([order("one"), release, order("one")], subject()) == ("one",)
    some = order("one", Action.RELEASE, ids=("b",))
    assert hold.covered([order("one"), some], subject("a")) == ("one",)
    assert hold.covered([order("one"), some], subject("b")) == ()
    assert hold.covered([release], subject()) == ()


def test_an_order_is_read_as_it_was_written() -> None:
    written = Order(
        "Case_2026-7", 3, Action.RELEASE, "settled; “closed”",
        Selector(("a",), ("32*",), ("7",), date(2026, 1, 1), date(2026, 2, 1), (Condition("service", ("A", "B")),)),
        AT, "test 1", Digest("sha256", "ab" * 32),
    )  # fmt: skip
    assert hold.read(hold.build(written)) == written


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"schema_version": 2}'])
def test_what_is_no_order_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # JSON's, UTF-8's and ours
        hold.read(content)


def test_keys_of_orders() -> None:
    assert keys.order_key("Case.7", 2) == "holds/Case.7/order-0002.json"
    assert keys.order_of("holds/Case.7/order-0002.json") == ("Case.7", 2)
    assert keys.order_of("holds/../order-0002.json") is None
    for matter in ("", "..", ".x", "a/b", "a b", "x" * 65):
        with pytest.raises(ValueError, match="named by"):
            keys.order_key(matter, 1)

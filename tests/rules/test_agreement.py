"""A pass over a list that moves: quiet, or not and why. The model is a list that a hostile hand edits between pages."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.rules.agreement import STALL_LIMIT, ListingPass

PER_PAGE = 3


def read(world: list[str], edits: dict[int, list[tuple[str, int]]]) -> tuple[ListingPass, list[str] | None]:
    """One pass over ``world``; ``edits`` are made after the page of that number was served, if another one follows."""
    books, number, last_page = ListingPass(), 1, None
    while books.wants_page(number, last_page):
        page = world[(number - 1) * PER_PAGE : number * PER_PAGE]
        last_page = max(1, -(-len(world) // PER_PAGE))
        books.add(page, len(world))
        for kind, place in edits.get(number, ()) if books.wants_page(number + 1, last_page) else ():
            if kind == "insert":
                world.insert(min(place, len(world)), f"new-{number}-{place}-{len(world)}")
            elif world:
                del world[place % len(world)]
        number += 1
    head = world[:PER_PAGE] if books.pages > 1 else None
    return books, head


def test_a_list_that_stands_still_is_quiet() -> None:
    world = [f"r{n}" for n in range(10)]
    books, head = read(world, {})
    assert books.trouble(head) == ""
    assert books.seen == set(world)
    assert books.pages == 4


def test_an_empty_list_is_quiet() -> None:
    books, head = read([], {})
    assert books.trouble(head) == ""


def test_a_row_inserted_at_the_top() -> None:
    books, head = read([f"r{n}" for n in range(10)], {1: [("insert", 0)]})
    assert books.trouble(head)


def test_a_row_removed_behind_us_is_noticed_although_ids_and_total_agree() -> None:
    world = [f"r{n}" for n in range(10)]
    books, head = read(world, {1: [("remove", 0)]})
    assert len(books.seen) == len(world), "the trap: as many ids as the total of the later pages says"
    assert books.seen != set(world)
    assert books.trouble(head)


@settings(max_examples=300)
@given(
    st.integers(0, 14),
    st.dictionaries(
        st.integers(1, 5), st.lists(st.tuples(st.sampled_from(["insert", "remove"]), st.integers(0, 2)), max_size=2)
    ),
)
def test_a_quiet_pass_has_seen_every_row(size: int, edits: dict[int, list[tuple[str, int]]]) -> None:
    """Whatever moves near the top, where new rows appear: what is called quiet has missed nothing that is there."""
    world = [f"r{n}" for n in range(size)]
    books, head = read(world, edits)
    if not books.trouble(head):
        assert set(world) <= books.seen


def test_a_page_repeated_for_ever_ends_the_pass() -> None:
    books, number = ListingPass(), 1
    while books.wants_page(number, 10**9):
        books.add(["a", "b", "c"], 10**9)
        number += 1
    assert books.pages == 1 + STALL_LIMIT
    assert books.trouble()


def test_a_flat_list_without_a_total() -> None:
    books = ListingPass()
    books.add(["a", "b"], None)
    assert books.trouble() == ""
    doubled = ListingPass()
    doubled.add(["a", "a"], None)
    assert doubled.trouble()

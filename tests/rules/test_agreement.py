"""A pass over a list that moves: quiet, or not and why. The model is a list that a hostile hand edits between pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.rules.agreement import MAX_PAGES, STALL_LIMIT, ListingPass

PER_PAGE = 3
Paginator = Callable[[list[str], int], tuple[int | None, int | None, bool | None]]


Edits = dict[int, list[tuple[str, int]]]


def counted(world: list[str], number: int) -> tuple[int | None, int | None, bool | None]:
    """Total, last page and whether there is a next one, as a paginator that counts and links states them."""
    last_page = max(1, -(-len(world) // PER_PAGE))
    return len(world), last_page, number < last_page


def linked(world: list[str], number: int) -> tuple[int | None, int | None, bool | None]:
    """As one that does not count states them: it names a next page, or that there is none."""
    return None, None, len(world) > number * PER_PAGE


def silent(world: list[str], number: int) -> tuple[int | None, int | None, bool | None]:
    """As one states them that says nothing."""
    return None, None, None


PAGINATORS = pytest.mark.parametrize("states", [counted, linked, silent])


def read(world: list[str], edits: Edits, states: Paginator = counted) -> tuple[ListingPass, list[str] | None]:
    """One pass over ``world``; ``edits`` are made after the page of that number was served, if another one follows."""
    books, number = ListingPass(), 1
    while books.wants_page(number):
        page = world[(number - 1) * PER_PAGE : number * PER_PAGE]
        books.add(page, *states(world, number))
        for kind, place in edits.get(number, ()) if books.wants_page(number + 1) else ():
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


@PAGINATORS
def test_an_empty_list_is_quiet(states: Paginator) -> None:
    books, head = read([], {}, states)
    assert books.trouble(head) == ""
    assert books.pages == 1


@PAGINATORS
def test_a_row_inserted_at_the_top(states: Paginator) -> None:
    books, head = read([f"r{n}" for n in range(10)], {1: [("insert", 0)]}, states)
    assert books.trouble(head)


@PAGINATORS
def test_a_row_removed_from_a_page_that_was_read(states: Paginator) -> None:
    books, head = read([f"r{n}" for n in range(10)], {2: [("remove", 0)]}, states)
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


@pytest.mark.parametrize("stated", [(10**9, 10**9, True), (None, 10**9, None), (None, None, True)])
def test_a_page_repeated_for_ever_ends_the_pass(stated: tuple[int | None, int | None, bool | None]) -> None:
    books, number = ListingPass(), 1
    while books.wants_page(number):
        books.add(["a", "b", "c"], *stated)
        number += 1
    assert books.pages == 1 + STALL_LIMIT
    assert books.trouble()


def test_a_flat_list_without_a_total() -> None:
    books = ListingPass()
    books.add(["a", "b"], None)
    assert not books.wants_page(2)
    assert books.trouble() == ""
    doubled = ListingPass()
    doubled.add(["a", "a"], None)
    assert doubled.trouble()


@pytest.mark.parametrize(
    ("size", "states", "pages"),
    [
        (2, linked, 1),
        (3, linked, 1),
        (4, linked, 2),
        (10, linked, 4),
        (12, linked, 4),
        # one that names none is asked until a page brings nothing new
        (2, silent, 2),
        (3, silent, 2),
        (10, silent, 5),
        (12, silent, 5),
        (10, counted, 4),
        (12, counted, 4),
    ],
)
def test_a_list_is_read_to_its_end(size: int, states: Paginator, pages: int) -> None:
    world = [f"r{n}" for n in range(size)]
    books, head = read(world, {}, states)
    assert books.seen == set(world)
    assert books.pages == pages
    assert books.trouble(head) == ""


def test_a_page_without_new_ids_does_not_end_a_list_that_names_a_next_one() -> None:
    books = ListingPass()
    books.add(["a"], None, None, True)
    for number in range(2, 1 + STALL_LIMIT):
        books.add([], None, None, True)
        assert books.wants_page(number + 1)
    books.add(["b"], None, None, True)
    books.add(["c"], None, None, False)
    assert not books.wants_page(books.pages + 1)
    assert books.trouble(["a"]) == ""


def test_a_page_that_is_served_again_where_none_is_named_is_not_quiet() -> None:
    """Nobody can tell the source that repeats its last page from one whose rows moved."""
    books = ListingPass()
    books.add(["a", "b"], None, None, None)
    books.add(["a", "b"], None, None, None)
    assert not books.wants_page(3)
    assert "several rows" in books.trouble(["a", "b"])


@pytest.mark.parametrize(
    ("last_page", "more", "number", "wanted"),
    [
        (3, None, 3, True),
        (3, None, 4, False),
        (3, False, 3, True),  # a stated last page is believed before the link
        (3, True, 4, False),
        (None, True, 2, True),
        (None, False, 2, False),
        (None, None, 2, True),
        (None, True, MAX_PAGES, True),
        (None, True, MAX_PAGES + 1, False),
        (10**9, True, MAX_PAGES, True),
        (10**9, True, MAX_PAGES + 1, False),
    ],
)
def test_which_page_is_worth_asking_for(last_page: int | None, more: bool | None, number: int, wanted: bool) -> None:
    books = ListingPass()
    assert books.wants_page(1), "the first always is"
    books.add(["a"], None, last_page, more)
    assert books.wants_page(number) is wanted


def test_the_newest_page_says_how_many_there_are() -> None:
    books = ListingPass()
    books.add(["a"], None, 2, None)
    books.add(["b"], None, 3, None)
    assert books.wants_page(3)
    books.add(["c"], None, 2, None)
    assert not books.wants_page(4)


@pytest.mark.parametrize("total", [2, None])
def test_a_list_whose_last_page_names_a_next_one_is_not_quiet(total: int | None) -> None:
    books = ListingPass()
    books.add(["a"], total, 2, True)
    books.add(["b"], total, 2, True)
    assert not books.wants_page(3)
    assert "names a next one" in books.trouble(["a"])
    books = ListingPass()
    books.add(["a"], total, 2, True)
    books.add(["b"], total, 2, False)
    assert books.trouble(["a"]) == ""


def test_a_total_that_is_stated_now_and_then_is_not_quiet() -> None:
    books = ListingPass()
    books.add(["a"], 2, 2, None)
    books.add(["b"], None, 2, None)
    assert "total changed" in books.trouble(["a"])

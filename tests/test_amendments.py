"""Amendments in a bucket: numbered, chained, written once, and never over one another."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from archiver.amendments import Amender, Amendments, read_amendments
from archiver.clock import SystemClock
from archiver.errors import StoreFailed
from archiver.manifest.interface import Entry
from archiver.model import Digest, StoredObject
from archiver.rules import amendment, keys
from archiver.rules.amendment import Kind
from archiver.rules.lifecycle import State
from archiver.store.interface import Body, PutOutcome
from archiver.store.memory import MemoryStore

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 9, 22, 12, tzinfo=UTC)
DAY = NOON.date()
SIDECAR = StoredObject(keys.sidecar_key("a", DAY), 3, Digest.sha256_of(b"{}\n"))
ENTRY = Entry("a", NOON, 5.0, State.ARCHIVED, 0, "", sidecar=SIDECAR)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def amender(store: MemoryStore) -> Amender:
    return Amender(store, SystemClock(), "run-1", "test 1")


def never(_: Amendments) -> bool:
    return False


def said(facts: dict[str, Any]) -> Any:
    def is_said(known: Amendments) -> bool:
        latest = known.latest(Kind.CALL)
        return latest is not None and latest.facts == facts

    return is_said


async def test_each_names_the_one_before_it(store: MemoryStore) -> None:
    for number in (1, 2):
        await amender(store).amend(ENTRY, Kind.CALL, {"n": number}, never)
    key = keys.amendment_key("a", DAY, 1)
    first, second = (await read_amendments(store, "a", DAY)).documents
    assert list(store.objects) == [key, keys.amendment_key("a", DAY, 2)]
    assert (first.previous, second.previous) == (None, Digest.sha256_of(store.objects[key]))
    assert first.sidecar == second.sidecar == SIDECAR.digest
    assert (await read_amendments(store, "a", DAY)).latest(Kind.CALL) == second


async def test_what_is_said_is_not_said_again(store: MemoryStore) -> None:
    facts = {"call_id": "c"}
    assert await amender(store).amend(ENTRY, Kind.CALL, facts, said(facts)) is not None
    assert await amender(store).amend(ENTRY, Kind.CALL, facts, said(facts)) is None
    assert store.puts == 1


async def test_a_racing_writer_takes_the_next_number(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    put = store.put_new

    async def late(key: str, body: Body, digest: Digest, mediatype: str) -> PutOutcome:
        monkeypatch.setattr(store, "put_new", put)
        await amender(store).amend(ENTRY, Kind.CALL, {"by": "the other"}, never)
        return await put(key, body, digest, mediatype)

    monkeypatch.setattr(store, "put_new", late)
    written = await amender(store).amend(ENTRY, Kind.CALL, {"by": "us"}, never)
    assert written is not None
    assert written.number == 2
    found = (await read_amendments(store, "a", DAY)).documents
    assert [each.facts["by"] for each in found] == ["the other", "us"]
    assert found[1].previous == Digest.sha256_of(store.objects[keys.amendment_key("a", DAY, 1)])


async def test_beyond_four_digits_the_order_is_that_of_the_numbers(store: MemoryStore) -> None:
    for number in (9_999, 10_000):
        document = amendment.Amendment("a", number, "call", NOON, "r", "t", Digest("sha256", "ab" * 32), None, {})
        store.objects[keys.amendment_key("a", DAY, number)] = amendment.build(document)
    assert (await read_amendments(store, "a", DAY)).next == 10_001


@pytest.mark.parametrize("content", [b"", b"{}", "of another"])
async def test_one_that_cannot_be_read_is_neither_passed_over_nor_amended(store: MemoryStore, content: Any) -> None:
    if content == "of another":
        await amender(store).amend(ENTRY, Kind.CALL, {}, never)
        content = store.objects[keys.amendment_key("a", DAY, 1)].replace(b'"a"', b'"b"')
    store.objects[keys.amendment_key("a", DAY, 1)] = content
    with pytest.raises(StoreFailed, match=r"amendment-0001\.json"):
        await amender(store).amend(ENTRY, Kind.CALL, {}, never)
    assert list(store.objects.values()) == [content]


async def test_what_has_no_sidecar_cannot_be_amended(store: MemoryStore) -> None:
    with pytest.raises(ValueError, match="no sidecar"):
        await amender(store).amend(Entry("a", NOON, 5.0, State.STORED, 0, ""), Kind.CALL, {}, never)
    assert not store.objects

"""The union of a day's parts: what is written, what is read back, and what happens in between."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from archiver.calls import listing
from archiver.calls import log as call_log
from archiver.calls.listing import ListedCalls
from archiver.calls.log import Brought, CallLog, find_parts, read_calls, survey
from archiver.calls.parquet import columns_of
from archiver.calls.part import pack, unpack
from archiver.errors import SpoolFull, StoreFailed
from archiver.model import Call, Digest, Protection
from archiver.periods.scratch_file import ScratchFile
from archiver.rules import keys
from archiver.store.body import Document
from archiver.store.interface import Body, PutOutcome
from archiver.store.memory import MemoryStore

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 9, 22, 12, tzinfo=UTC)
DAY = NOON.date()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def call(name: str, minute: int = 0, **fields: Any) -> Call:
    start = NOON + timedelta(minutes=minute)
    return Call(name, start, None, None, None, {"id": name, "start_at": f"{start:%Y-%m-%d %H:%M:%S}", **fields})


async def bring(store: MemoryStore, *calls: Call) -> Brought:
    with ListedCalls(None) as listed:
        listed.add(calls)
        brought = Brought()
        await CallLog(store).bring(listed, await find_parts(store, DAY, with_copies=True), brought)
        return brought


async def union(store: MemoryStore) -> dict[str, Any]:
    rows = [row async for row in read_calls(store, DAY)]
    found = {row["id"]: dict(row) for row in rows}
    assert len(found) == len(rows)
    return found


def lines(store: MemoryStore, number: int) -> list[dict[str, Any]]:
    content = gzip.decompress(store.objects[keys.call_part_key(DAY, number)])
    return [json.loads(line) for line in content.splitlines()]


async def test_only_what_is_new_or_changed_is_written() -> None:
    store = MemoryStore()
    assert (await bring(store, call("b", 1), call("a", 2), call("c", 0))).new == 3
    assert [row["id"] for row in lines(store, 1)] == ["c", "b", "a"], "by time"

    again = await bring(store, call("a", 2), call("b", 1))
    assert (again.new, again.changed, again.rows, again.last) == (0, 0, 0, None)

    more = await bring(store, call("a", 2), call("b", 1, status="BUSY"), call("d", 3))
    assert (more.new, more.changed, more.rows, more.parts, more.last) == (1, 1, 2, 1, 2)
    assert {row["id"] for row in lines(store, 2)} == {"b", "d"}
    found = await union(store)
    assert found.keys() == set("abcd")
    assert found["b"]["status"] == "BUSY"


async def test_a_row_that_is_changed_back_is_a_change() -> None:
    store = MemoryStore()
    for status in ("ANSWER", "BUSY", "ANSWER"):
        assert (await bring(store, call("a", status=status))).parts == 1
    assert (await union(store))["a"]["status"] == "ANSWER"
    assert store.puts == 3


async def test_the_same_rows_give_the_same_bytes_whatever_their_order() -> None:
    one, other = MemoryStore(), MemoryStore()
    await bring(one, call("a"), call("b"), call("c", 1))
    await bring(other, call("c", 1), call("b"), call("a"))
    assert one.objects == other.objects


def test_the_newest_sighting_of_an_id_counts() -> None:
    with ListedCalls(None) as listed:
        listed.add([call("a", status="RINGING"), call("b")])
        listed.add([call("a", status="ANSWER"), call("b")])
        listed.forget_union()
        assert len(listed) == 2
        rows = [json.loads(line) for line in listed.lines()]
    assert [row.get("status") for row in rows] == ["ANSWER", None]


def test_the_digest_of_a_listing_knows_no_order() -> None:
    with ListedCalls(None) as one, ListedCalls(None) as other:
        one.add([call("a"), call("b")])
        other.add([call("b"), call("a", status="x"), call("a")])
        assert one.digest() == other.digest()
        other.add([call("c")])
        assert one.digest() != other.digest()


def test_scratch_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with ListedCalls(tmp_path / "missing") as listed, pytest.raises(SpoolFull, match="missing"):
        listed.add([call(str(number), notes="x" * 50_000) for number in range(100)])


async def test_a_long_listing_goes_through_a_file_and_several_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_log, "pack", lambda rows: pack(rows, limit=2 * 2**20))
    store = MemoryStore()
    calls = [call(f"{number:04d}", number, notes="x" * 5_000) for number in range(1_000)]
    brought = await bring(store, *calls)
    assert (brought.parts, brought.rows, brought.last) == (3, 1_000, 3)
    assert len(await union(store)) == 1_000
    assert (await bring(store, *calls)).parts == 0


class Rival(MemoryStore):
    """Another run puts ``calls`` under the next key just before we do, once."""

    def __init__(self, *calls: Call) -> None:
        super().__init__()
        self.calls: Sequence[Call] = calls

    async def put_new(
        self, key: str, body: Body, digest: Digest, mediatype: str, protection: Protection | None = None
    ) -> PutOutcome:
        calls, self.calls = self.calls, ()
        if calls:
            await bring(self, *calls)
        return await super().put_new(key, body, digest, mediatype, protection)


async def test_another_run_that_is_faster_costs_no_row() -> None:
    store = Rival(call("a"), call("b", status="BUSY"), call("z"))
    brought = await bring(store, call("a"), call("b"), call("c"))
    assert brought.rows == 2
    assert [row["id"] for row in lines(store, 2)] == ["b", "c"]
    assert (await union(store)).keys() == set("abcz")


async def test_another_run_with_the_same_rows_is_adopted() -> None:
    store = Rival(call("a"))
    assert (await bring(store, call("a"))).rows == 0
    assert len(store.objects) == 1


async def test_a_store_where_the_number_is_always_taken() -> None:
    class Busy(MemoryStore):
        async def put_new(
            self, key: str, body: Body, digest: Digest, mediatype: str, protection: Protection | None = None
        ) -> PutOutcome:
            found = keys.call_part_of(key)
            assert found is not None
            self.objects[key] = gzip.compress(json.dumps({"id": f"other-{found[1]}"}).encode() + b"\n")
            return await super().put_new(key, body, digest, mediatype, protection)

    with pytest.raises(StoreFailed, match="busy"):
        await bring(Busy(), call("a"))


@pytest.mark.parametrize(
    "damage",
    [b"", b"\x1f\x8b\x08", b"no gzip", gzip.compress(b"no row\n"), gzip.compress(b'{"id":"a"}')],
    ids=["empty", "cut", "other", "no row", "no end"],
)
async def test_a_part_that_cannot_be_read_is_written_again_and_told(damage: bytes) -> None:
    store = MemoryStore()
    await bring(store, call("a"), call("b"))
    store.objects[keys.call_part_key(DAY, 1)] = damage
    with pytest.raises(StoreFailed, match=r"part-0001") if damage else _nothing():
        await union(store)
    brought = await bring(store, call("a"), call("b"))
    if damage:
        assert set(brought.unreadable) == {keys.call_part_key(DAY, 1)}
    assert (brought.rows, brought.last) == (2, 2)


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


async def test_the_number_after_a_lone_copy_is_not_used_again() -> None:
    store = MemoryStore()
    document = Document(b"PAR1")
    await store.put_new(keys.call_copy_key(DAY, 3), document, document.digest, "x")
    assert (await bring(store, call("a"))).last == 4


async def test_what_is_not_ours_in_the_days_prefix_is_left_alone() -> None:
    store = MemoryStore()
    store.objects[f"calls/dt={DAY}/notes.txt"] = b"mine"
    assert (await bring(store, call("a"))).last == 1
    assert len(await union(store)) == 1


async def test_an_empty_day_has_no_part() -> None:
    store = MemoryStore()
    assert (await bring(store)).parts == 0
    assert store.objects == {}
    assert await union(store) == {}


async def test_a_survey_tells_what_a_listing_of_the_union_would() -> None:
    store = MemoryStore()
    await bring(store, call("a"), call("b"))
    await bring(store, call("a", status="BUSY"))
    (found,) = [each async for each in survey(store)]
    with ListedCalls(None) as listed:
        listed.add([call("a", status="BUSY"), call("b")])
        assert found.listing == listed.digest()
    assert (found.day, found.parts, found.rows) == (DAY, 2, 2)


def test_columns_of_a_copy_lose_nothing() -> None:
    row = {
        "id": 7, "call_from": "32470000001", "start_at": "2026-09-22 12:00:00", "end_at": "soon",
        "duration": "100:00:01", "notes": {"a": [1]}, "serial": 3, "new": None, "name": None,
    }  # fmt: skip
    columns = columns_of(row, UTC)
    assert columns["id"] == "7"
    assert columns["start_at"] == NOON
    assert columns["end_at"] is None
    assert columns["duration"] == "100:00:01"
    assert columns["duration_seconds"] == 360_001
    assert json.loads(columns["notes"]) == {"a": [1]}
    assert json.loads(columns["other"]) == {"end_at": "soon", "serial": 3, "new": None}
    assert columns["name"] is None
    assert columns_of({"id": "a"}, UTC)["other"] is None


def test_parts_are_packed_by_size_and_read_back() -> None:
    rows = [f'{{"id":"{number}"}}\n'.encode() for number in range(10)]
    packed = list(pack(rows, limit=30))
    assert [part.rows for part in packed] == [3, 3, 3, 1]
    assert [row["id"] for part in packed for row in unpack(part.content)] == [str(number) for number in range(10)]
    assert list(pack([])) == []
    assert packed[0].content[4:8] == bytes(4), "no time in it"


def overflowing() -> None:
    """More rows than stay in memory."""
    with ListedCalls(None) as listed:
        listed.add([call("c1")])


def a_scratch_file() -> None:
    with ScratchFile(None):
        pass


@pytest.mark.parametrize("use", [overflowing, a_scratch_file])
def test_no_temporary_directory_can_be_written(use: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", list)
    monkeypatch.setattr(listing, "IN_MEMORY", 1)
    with pytest.raises(SpoolFull, match="the system's temporary directory cannot be used"):
        use()

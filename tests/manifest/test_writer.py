"""The thread: shared commits, single failures."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from functools import partial
from pathlib import Path

import pytest

from archiver.errors import ManifestUnusable
from archiver.manifest import writer as room
from archiver.manifest.interface import Change
from archiver.manifest.sql import SqlManifest
from archiver.manifest.writer import COMPANY, MOST_PER_TRANSACTION, Kind, Writer
from archiver.rules.lifecycle import Event, State

from .build import NOW, RUN, bring, recording

pytestmark = pytest.mark.anyio


@pytest.fixture
def writer(manifest: SqlManifest) -> Writer:
    return manifest._writer


def add_run(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("INSERT INTO runs (run_id, started_at, host, pid) VALUES (?, '', 'here', 1)", (name,))


def runs_known(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT run_id FROM runs ORDER BY run_id")]


async def held(writer: Writer) -> tuple[asyncio.Task[None], threading.Event]:
    """Keep the thread busy until the event is set, so that what follows queues up."""
    begun, go = threading.Event(), threading.Event()

    def wait(connection: sqlite3.Connection) -> None:
        begun.set()
        go.wait(10)

    task = asyncio.create_task(writer.do(wait, Kind.ALONE))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    return task, go


async def test_what_queues_up_shares_a_commit(writer: Writer) -> None:
    commits: list[int] = []

    def note(statement: str) -> None:
        if statement == "COMMIT":
            commits.append(1)

    def count_commits(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(note)

    await writer.do(count_commits, Kind.ALONE)
    _, go = await held(writer)

    def add(connection: sqlite3.Connection, n: int) -> int:
        add_run(connection, f"r{n}")
        return n

    tasks = [asyncio.create_task(writer.do(partial(add, n=n), Kind.WRITE)) for n in range(100)]
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*tasks) == list(range(100))
    assert len(commits) == 1
    assert MOST_PER_TRANSACTION >= 100


async def test_a_transaction_waits_for_company_only_where_there_was_some(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(room, "sleep", waits.append)

    async def add(name: str) -> None:
        await writer.do(lambda connection: add_run(connection, name), Kind.WRITE)

    for n in range(3):
        await add(f"alone-{n}")
    assert waits == []
    _, go = await held(writer)
    tasks = [asyncio.create_task(add(f"together-{n}")) for n in range(5)]
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(*tasks)
    assert waits == []
    await add("next")
    assert waits == [COMPANY]
    await add("last")
    assert waits == [COMPANY]
    assert len(await writer.do(runs_known, Kind.READ)) == 10


async def test_a_failing_piece_fails_alone(writer: Writer) -> None:
    def add(name: str, error: Exception | None = None) -> asyncio.Task[None]:
        def work(connection: sqlite3.Connection) -> None:
            add_run(connection, name)
            if error is not None:
                raise error

        return asyncio.create_task(writer.do(work, Kind.WRITE))

    _, go = await held(writer)
    tasks = [add("a"), add("b", KeyError("bug")), add("c"), add("a"), add("d")]
    await asyncio.sleep(0)
    go.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), KeyError, type(None), ManifestUnusable, type(None)]
    assert "UNIQUE constraint failed: runs.run_id" in str(outcomes[3])
    assert await writer.do(runs_known, Kind.READ) == ["a", "c", "d"]


async def test_work_cancelled_before_it_began_is_not_done(writer: Writer) -> None:
    _, go = await held(writer)
    task = asyncio.create_task(writer.do(lambda connection: add_run(connection, "x"), Kind.WRITE))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    go.set()
    assert await writer.do(runs_known, Kind.READ) == []


async def test_what_is_queued_at_the_close_is_still_written(url: str) -> None:
    manifest = await SqlManifest.open(url)
    await manifest.note_listed(RUN, NOW, [recording(f"r{n}") for n in range(50)])
    tasks = [
        asyncio.create_task(manifest.advance(f"r{n}", State.DISCOVERED, Event.EXCLUDED, NOW, RUN, Change()))
        for n in range(50)
    ]
    await asyncio.sleep(0)
    await manifest.aclose()
    assert None not in await asyncio.gather(*tasks)
    async with await SqlManifest.open(url) as again:
        assert await again.days() == {recording("r0").day: {State.SKIPPED: 50}}


async def test_a_full_disk_is_said_and_what_was_there_stays(manifest: SqlManifest, writer: Writer) -> None:
    before = await bring(manifest, "a", State.DISCOVERED)

    def no_more(connection: sqlite3.Connection) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}").close()

    def more(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA max_page_count = 1000000").close()

    await writer.do(no_more, Kind.READ)
    with pytest.raises(ManifestUnusable, match="the disk is full") as caught:
        await manifest.advance("a", before.state, Event.UPLOADED, NOW, RUN, Change(draft=b"x" * 1_000_000))
    assert caught.value.hint
    assert await manifest.entries(["a"]) == {"a": before}
    await writer.do(more, Kind.READ)
    assert await manifest.advance("a", before.state, Event.UPLOADED, NOW, RUN, Change(draft=b"x" * 1_000_000))
    assert await manifest.integrity() == []


async def test_a_lock_held_by_another_program_is_said_and_passes(url: str, path: Path) -> None:
    async with await SqlManifest.open(url) as other, await SqlManifest.open(url, busy_seconds=0.05) as manifest:
        await bring(manifest, "a", State.DISCOVERED)

        def begin(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")

        def end(connection: sqlite3.Connection) -> None:
            connection.execute("ROLLBACK")

        await other._writer.do(begin, Kind.ALONE)
        with pytest.raises(ManifestUnusable, match="locked by another process"):
            await manifest.advance("a", State.DISCOVERED, Event.EXCLUDED, NOW, RUN, Change())
        assert (await manifest.entries(["a"]))["a"].state is State.DISCOVERED  # readers do not wait
        await other._writer.do(end, Kind.ALONE)
        assert await manifest.advance("a", State.DISCOVERED, Event.EXCLUDED, NOW, RUN, Change())


async def test_an_error_carries_no_value(manifest: SqlManifest, writer: Writer) -> None:
    def twice(connection: sqlite3.Connection) -> None:
        add_run(connection, "secret-canary")
        add_run(connection, "secret-canary")

    with pytest.raises(ManifestUnusable) as caught:
        await writer.do(twice, Kind.WRITE)
    told = caught.value
    assert "canary" not in f"{told.fact} {told.hint} {told.__cause__} "
    assert told.__suppress_context__ or told.__context__ is None


async def test_a_connection_that_is_lost_is_replaced(manifest: SqlManifest, writer: Writer) -> None:
    entry = await bring(manifest, "a", State.DISCOVERED)
    await writer.do(lambda connection: connection.close(), Kind.ALONE)
    with pytest.raises(ManifestUnusable, match="closed database"):
        await manifest.advance("a", State.DISCOVERED, Event.EXCLUDED, NOW, RUN, Change())
    assert await manifest.entries(["a"]) == {"a": entry}
    assert await manifest.advance("a", State.DISCOVERED, Event.EXCLUDED, NOW, RUN, Change())


def test_a_manifest_outlives_the_loop_that_opened_it(url: str) -> None:
    with asyncio.Runner() as first:
        manifest = first.run(SqlManifest.open(url))
        first.run(bring(manifest, "a", State.DISCOVERED))
    with asyncio.Runner() as second:
        assert list(second.run(manifest.entries(["a"]))) == ["a"]
        second.run(manifest.aclose())

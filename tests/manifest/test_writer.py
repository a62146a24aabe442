"""The thread: shared commits, single failures."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, insert, select

from archiver.errors import ManifestUnusable
from archiver.manifest import schema
from archiver.manifest.interface import Change
from archiver.manifest.sql import SqlManifest
from archiver.manifest.writer import MOST_PER_TRANSACTION, Kind, Writer
from archiver.rules.lifecycle import Event, State

from .build import NOW, RUN, bring, recording

pytestmark = pytest.mark.anyio


@pytest.fixture
def writer(manifest: SqlManifest) -> Writer:
    return manifest._writer


def add_run(name: str) -> dict[str, object]:
    return {"run_id": name, "started_at": NOW, "host": "here", "pid": 1}


def runs_known(connection: Connection) -> list[str]:
    return list(connection.execute(select(schema.runs.c.run_id).order_by(schema.runs.c.run_id)).scalars())


async def held(writer: Writer) -> tuple[asyncio.Task[None], threading.Event]:
    """Keep the thread busy until the event is set, so that what follows queues up."""
    begun, go = threading.Event(), threading.Event()

    def wait(connection: Connection) -> None:
        begun.set()
        go.wait(10)

    task = asyncio.create_task(writer.do(wait, Kind.ALONE))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    return task, go


async def test_what_queues_up_shares_a_commit(writer: Writer) -> None:
    commits: list[int] = []

    def count_commits(connection: Connection) -> None:
        event.listen(connection.engine, "commit", lambda _: commits.append(1))

    await writer.do(count_commits, Kind.ALONE)
    _, go = await held(writer)

    def add(connection: Connection, n: int) -> int:
        connection.execute(insert(schema.runs), add_run(f"r{n}"))
        return n

    tasks = [asyncio.create_task(writer.do(partial(add, n=n), Kind.WRITE)) for n in range(100)]
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*tasks) == list(range(100))
    assert len(commits) == 1
    assert MOST_PER_TRANSACTION >= 100


async def test_a_failing_piece_fails_alone(writer: Writer) -> None:
    def add(name: str, error: Exception | None = None) -> asyncio.Task[None]:
        def work(connection: Connection) -> None:
            connection.execute(insert(schema.runs), add_run(name))
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
    task = asyncio.create_task(
        writer.do(lambda connection: connection.execute(insert(schema.runs), add_run("x")), Kind.WRITE)
    )
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

    def no_more(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}").close()

    def more(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000").close()

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

        def begin(connection: Connection) -> None:
            connection.connection.driver_connection.execute("BEGIN IMMEDIATE")  # type: ignore[union-attr]

        def end(connection: Connection) -> None:
            connection.connection.driver_connection.execute("ROLLBACK")  # type: ignore[union-attr]

        await other._writer.do(begin, Kind.ALONE)
        with pytest.raises(ManifestUnusable, match="locked by another process"):
            await manifest.advance("a", State.DISCOVERED, Event.EXCLUDED, NOW, RUN, Change())
        assert (await manifest.entries(["a"]))["a"].state is State.DISCOVERED  # readers do not wait
        await other._writer.do(end, Kind.ALONE)
        assert await manifest.advance("a", State.DISCOVERED, Event.EXCLUDED, NOW, RUN, Change())


async def test_an_error_carries_no_value(manifest: SqlManifest, writer: Writer) -> None:
    def twice(connection: Connection) -> None:
        row = add_run("secret-canary")
        connection.execute(insert(schema.runs), row)
        connection.execute(insert(schema.runs), row)

    with pytest.raises(ManifestUnusable) as caught:
        await writer.do(twice, Kind.WRITE)
    told = caught.value
    assert "canary" not in f"{told.fact} {told.hint} {told.__cause__} "
    assert told.__suppress_context__ or told.__context__ is None


def test_a_manifest_outlives_the_loop_that_opened_it(url: str) -> None:
    with asyncio.Runner() as first:
        manifest = first.run(SqlManifest.open(url))
        first.run(bring(manifest, "a", State.DISCOVERED))
    with asyncio.Runner() as second:
        assert list(second.run(manifest.entries(["a"]))) == ["a"]
        second.run(manifest.aclose())

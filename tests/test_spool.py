"""The spool: memory within its budget, nobody waits for ever, nothing is left."""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.errors import ExitCode, SpoolFull
from archiver.source.interface import AudioSink
from archiver.spool import FIRST_STEP, FetchedAudio, Receiver, Spool, TooLarge
from archiver.spool_room import MemoryBudget
from archiver.store.interface import Body

pytestmark = pytest.mark.anyio

KIB = 1024
SMALL, SPILL, LARGE = 100 * KIB, 512 * KIB, 700 * KIB
MEMORY = 1024 * KIB


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def bytes_of(size: int) -> bytes:
    return (hashlib.sha512(b"audio").digest() * (size // 64 + 1))[:size]


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    made = Spool(MEMORY, tmp_path, max_bytes=1 << 20, spill_bytes=SPILL, reserve_bytes=0)
    async with made:
        yield made
        assert made.memory.free == MEMORY, "every byte of the budget was given back"
        assert made.disk.promised == 0
        assert files(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and path.name != "lock"]


async def write(sink: AudioSink, chunk: bytes) -> None:
    if further := sink.write(chunk):
        await further


async def ended(receiver: Receiver) -> FetchedAudio:
    await receiver.end()
    return receiver.audio()


async def feed(sink: AudioSink, data: bytes, *, declared: bool, step: int = 16 * KIB) -> None:
    await sink.begin(len(data) if declared else None)
    for start in range(0, len(data), step):
        await write(sink, data[start : start + step])


async def write_for_ever(sink: AudioSink, step: int) -> None:
    while True:
        await write(sink, bytes(step))


def assert_is(audio: FetchedAudio, data: bytes) -> None:
    assert audio.size == len(data)
    assert str(audio.sha256) == "sha256:" + hashlib.sha256(data).hexdigest()
    assert str(audio.sha512) == "sha512:" + hashlib.sha512(data).hexdigest()
    body: Body = audio
    for _ in range(2):  # it can be opened again
        with body.open() as stream:
            assert stream.read(10) == data[:10]
            assert stream.read() == data[10:]
            assert stream.read() == b""
            assert stream.seek(0, os.SEEK_END) == len(data)
            assert stream.seek(5) == 5
            assert stream.tell() == 5
            assert stream.read(3) == data[5:8]
    with audio.view() as view:
        assert view[:] == data


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("size", [0, 1, SMALL, FIRST_STEP, FIRST_STEP + 1, SPILL, SPILL + 1, LARGE])
async def test_what_comes_in_comes_out(spool: Spool, tmp_path: Path, size: int, declared: bool) -> None:
    data = bytes_of(size)
    async with spool.receive() as receiver:
        await feed(receiver, data, declared=declared)
        assert_is(await ended(receiver), data)
        in_memory = size <= SPILL
        assert spool.memory.free == (MEMORY - size if in_memory else MEMORY)
        assert len(files(tmp_path)) == (0 if in_memory else 1)


async def test_one_chunk_may_be_larger_than_everything(spool: Spool) -> None:
    for declared in (True, False):
        async with spool.receive() as receiver:
            await feed(receiver, bytes_of(LARGE), declared=declared, step=LARGE)
            assert_is(await ended(receiver), bytes_of(LARGE))


async def test_what_is_put_and_what_is_probed_is_one_buffer(spool: Spool) -> None:
    async with spool.receive() as receiver:
        await feed(receiver, bytes_of(SMALL), declared=True)
        with (await ended(receiver)).view() as one, (await ended(receiver)).view() as other:
            assert one is other
            assert isinstance(one, bytearray)
    async with spool.receive() as receiver:
        await feed(receiver, bytes_of(LARGE), declared=True)
        with (await ended(receiver)).view() as view:
            assert isinstance(view, mmap.mmap)
            kept = memoryview(view)[:10]
        assert kept == bytes_of(10)  # a slice may outlive the view


async def test_a_file_is_private(spool: Spool, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with spool.receive() as receiver:
            await feed(receiver, bytes_of(LARGE), declared=True)
            [path] = files(tmp_path)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        os.umask(before)


@pytest.mark.parametrize("sizes", [(LARGE, SMALL), (SMALL, LARGE), (SMALL, SMALL), (LARGE, LARGE), (LARGE, 0)])
@pytest.mark.parametrize("declared", [True, False])
async def test_beginning_again_discards(spool: Spool, tmp_path: Path, sizes: tuple[int, int], declared: bool) -> None:
    async with spool.receive() as receiver:
        await receiver.begin(sizes[0] if declared else None)
        await write(receiver, bytes_of(sizes[0])[: sizes[0] // 2])
        await feed(receiver, bytes_of(sizes[1]), declared=declared)
        assert_is(await ended(receiver), bytes_of(sizes[1]))
        assert len(files(tmp_path)) == (sizes[1] > SPILL)


async def test_a_body_that_is_not_whole_is_no_audio(spool: Spool) -> None:
    async with spool.receive() as receiver:
        with pytest.raises(ValueError, match="not whole"):
            await ended(receiver)
        await receiver.begin(10)
        await write(receiver, b"123456789")
        with pytest.raises(ValueError, match="not whole"):
            await ended(receiver)
        await write(receiver, b"01")
        with pytest.raises(ValueError, match="not whole"):
            await ended(receiver)


async def test_a_body_that_declares_too_much_is_refused_before_a_byte(spool: Spool) -> None:
    async with spool.receive() as receiver:
        with pytest.raises(TooLarge) as caught:
            await receiver.begin((1 << 20) + 1)
        assert (caught.value.size, caught.value.limit, caught.value.declared) == ((1 << 20) + 1, 1 << 20, True)
        assert spool.memory.free == MEMORY
        assert spool.disk.promised == 0


@pytest.mark.parametrize("declared", [None, 10, LARGE])
async def test_an_endless_body_is_stopped_at_the_limit(spool: Spool, tmp_path: Path, declared: int | None) -> None:
    async with spool.receive() as receiver:
        await receiver.begin(declared)
        with pytest.raises(TooLarge) as caught:
            await write_for_ever(receiver, 64 * KIB)
        assert not caught.value.declared
        assert sum(path.stat().st_size for path in files(tmp_path)) <= 1 << 20


async def test_a_waiting_body_is_let_in_when_there_is_room(spool: Spool) -> None:
    order: list[str] = []

    async def take(name: str, size: int, done: anyio.Event) -> None:
        async with spool.receive() as receiver:
            await receiver.begin(size)
            order.append(name)
            await done.wait()

    first, rest = anyio.Event(), anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take, "a", SPILL, first)
        tasks.start_soon(take, "b", SPILL - 10, rest)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(take, "large", SPILL, rest)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(take, "small", 10, rest)  # would fit where "large" does not: it has to wait its turn
        await anyio.wait_all_tasks_blocked()
        assert order == ["a", "b"]
        first.set()
        await anyio.wait_all_tasks_blocked()
        assert order == ["a", "b", "large", "small"]
        rest.set()


async def test_a_body_that_outgrows_the_budget_goes_to_disk_instead_of_waiting(spool: Spool, tmp_path: Path) -> None:
    async with spool.receive() as other, spool.receive() as receiver:
        await receiver.begin(None)
        await other.begin(SPILL)
        async with spool.receive() as third:
            await third.begin(MEMORY - SPILL - FIRST_STEP)
            assert spool.memory.free == 0
            with anyio.fail_after(60):
                await write(receiver, bytes_of(FIRST_STEP + 1))
            assert len(files(tmp_path)) == 1
            assert_is(await ended(receiver), bytes_of(FIRST_STEP + 1))
        await write(other, bytes_of(SPILL))
        assert_is(await ended(other), bytes_of(SPILL))


async def test_those_who_grow_and_those_who_wait_all_finish(spool: Spool) -> None:
    finished = 0

    async def transfer(number: int) -> None:
        nonlocal finished
        data = bytes_of(number * 9973 % LARGE)
        async with spool.receive() as receiver:
            await feed(receiver, data, declared=bool(number % 2), step=50_000)
            await anyio.lowlevel.checkpoint()
            assert spool.memory.free >= 0
            assert_is(await ended(receiver), data)
        finished += 1

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(transfer, number)
    assert finished == 100


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_cancellation_gives_everything_back(spool: Spool, size: int) -> None:
    async def drip() -> None:
        async with spool.receive() as receiver:
            await receiver.begin(size)
            while True:
                await write(receiver, b"x")
                await anyio.lowlevel.checkpoint()

    for _ in range(10):
        with anyio.move_on_after(0.01):
            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(drip)
    # what the fixture asserts at the end is the point of this test


async def test_a_cancelled_waiter_lets_those_behind_it_in(spool: Spool) -> None:
    async with spool.receive() as one, spool.receive() as two, spool.receive() as three:
        await one.begin(SPILL)
        async with anyio.create_task_group() as tasks:
            waiting = anyio.CancelScope()

            async def wait() -> None:
                with waiting:
                    await two.begin(SPILL - 1)
                    await three.begin(SPILL)

            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            async with spool.receive() as last:
                tasks.start_soon(last.begin, 1)
                await anyio.wait_all_tasks_blocked()
                waiting.cancel()
                await anyio.wait_all_tasks_blocked()
                await write(last, b"x")
                assert (await ended(last)).size == 1


def pretend_free(monkeypatch: pytest.MonkeyPatch, free: int, directory: Path | None = None) -> None:
    """A disk with so many free bytes, less the files in ``directory``."""

    def statvfs(_: object) -> SimpleNamespace:
        used = sum(path.stat().st_size for path in files(directory)) if directory else 0
        return SimpleNamespace(f_bavail=free - used, f_frsize=1)

    monkeypatch.setattr(os, "statvfs", statvfs)


async def test_the_reserve_of_the_disk_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Spool(MEMORY, tmp_path, max_bytes=1 << 30, spill_bytes=SPILL, reserve_bytes=1000) as spool:
        pretend_free(monkeypatch, LARGE + 999)
        async with spool.receive() as receiver:
            with pytest.raises(SpoolFull, match="no room") as caught:
                await receiver.begin(LARGE)
            assert "spool_dir" in caught.value.hint
            assert caught.value.exit_code is ExitCode.INCOMPLETE
        assert files(tmp_path) == []
        pretend_free(monkeypatch, LARGE + 1000)
        async with spool.receive() as receiver:
            await receiver.begin(LARGE)
            async with spool.receive() as other:
                with pytest.raises(SpoolFull):  # what is promised to the first counts, though nothing is written
                    await other.begin(LARGE)
            async with spool.receive() as small:
                await small.begin(SMALL)  # memory is not affected
        assert spool.disk.promised == 0


async def test_a_body_without_a_length_asks_for_disk_as_it_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Spool(MEMORY, tmp_path, max_bytes=1 << 30, spill_bytes=SPILL, reserve_bytes=0) as spool:
        pretend_free(monkeypatch, 40 << 20, tmp_path)
        async with spool.receive() as receiver:
            await receiver.begin(None)
            with pytest.raises(SpoolFull):
                await write_for_ever(receiver, 1 << 20)
            assert 30 << 20 < sum(path.stat().st_size for path in files(tmp_path)) <= 32 << 20
        assert spool.disk.promised == 0
        assert files(tmp_path) == []


async def test_a_disk_that_fills_up_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Spool(MEMORY, tmp_path, max_bytes=1 << 30, spill_bytes=SPILL, reserve_bytes=0) as spool:
        async with spool.receive() as receiver:
            await receiver.begin(LARGE)

            def full(_: object) -> int:
                raise OSError(28, "No space left on device")

            assert receiver._file is not None
            monkeypatch.setattr(receiver._file, "write", full, raising=False)
            with pytest.raises(SpoolFull, match="no space left") as caught:
                await write_for_ever(receiver, 64 * KIB)
            assert caught.value.__suppress_context__
        assert files(tmp_path) == []


async def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpoolFull, match="cannot be used"):
        async with Spool(MEMORY, tmp_path / "file", max_bytes=1):
            pass
    with pytest.raises(SpoolFull, match="no such file"):
        async with Spool(MEMORY, tmp_path / "no" / "parent", max_bytes=1):
            pass


async def test_the_default_directory_is_the_systems(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with Spool(MEMORY, None, max_bytes=1) as spool:
        assert spool.directory == tmp_path
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


async def test_short_writes_are_completed(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with spool.receive() as receiver:
        await receiver.begin(LARGE)
        file = receiver._file
        assert file is not None
        written = file.write

        def short(data: memoryview) -> int:
            return written(data[:1000])

        monkeypatch.setattr(file, "write", short, raising=False)
        for start in range(0, LARGE, 65536):
            await write(receiver, bytes_of(LARGE)[start : start + 65536])
        assert_is(await ended(receiver), bytes_of(LARGE))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10), st.booleans()), max_size=30), st.randoms())
def test_the_budget_is_never_exceeded_and_always_comes_back(steps: list[tuple[int, bool]], random: object) -> None:
    async def play() -> None:
        budget, most = MemoryBudget(10), 0

        async def one(size: int, cancelled: bool) -> None:
            nonlocal most
            with anyio.move_on_after(0 if cancelled else 10):
                await budget.take(size)
                try:
                    most = max(most, budget.total - budget.free)
                    assert budget.free >= 0
                    await anyio.lowlevel.checkpoint()
                finally:
                    budget.give(size)

        async with anyio.create_task_group() as tasks:
            for size, cancelled in steps:
                tasks.start_soon(one, size, cancelled)
        assert budget.free == budget.total
        assert most <= budget.total

    anyio.run(play)


def is_a_sink(receiver: Receiver) -> AudioSink:
    """Checked by mypy: a receiver is what the source writes into."""
    return receiver

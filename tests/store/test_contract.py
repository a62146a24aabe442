"""What every store keeps of its promises (``archiver.store.interface``): one suite, three adapters."""

from __future__ import annotations

import hashlib
from pathlib import Path

import anyio
import pytest

from archiver.errors import StoreFailed
from archiver.model import StoredObject
from archiver.store.body import Document, FileBody
from archiver.store.interface import AlreadyThere, Conflict, Created, PutOutcome, Store
from archiver.store.s3 import S3Store
from tests.s3 import servers

from .bodies import LyingBody, digest_of
from .conftest import REAL_SERVER, NewStore, keeps_files, needs_create_only

pytestmark = pytest.mark.anyio

KEY = "recordings/dt=2026-09-22/abc.mp3"
AUDIO = b"\xff\xfb\x90\x00" * 300


async def put(store: Store, key: str, data: bytes) -> PutOutcome:
    return await store.put_new(key, Document(data), digest_of(data), "audio/mpeg")


async def keys(store: Store, prefix: str = "") -> list[str]:
    return [stored.key async for stored in store.list(prefix)]


async def test_a_new_object_is_created_and_can_be_read(store: Store) -> None:
    outcome = await put(store, KEY, AUDIO)
    assert isinstance(outcome, Created)
    assert (outcome.stored.key, outcome.stored.size, outcome.stored.digest) == (KEY, len(AUDIO), digest_of(AUDIO))
    assert await store.read(KEY, len(AUDIO)) == AUDIO
    assert await store.head(KEY) == outcome.stored


async def test_the_same_bytes_again_are_already_there(store: Store) -> None:
    needs_create_only(store)
    await put(store, KEY, AUDIO)
    outcome = await put(store, KEY, AUDIO)
    assert isinstance(outcome, AlreadyThere)
    assert (outcome.stored.size, outcome.stored.digest) == (len(AUDIO), digest_of(AUDIO))
    assert await keys(store) == [KEY]


@pytest.mark.parametrize("other", [b"other", AUDIO[:-1] + b"x", b""], ids=["shorter", "same size", "empty"])
async def test_other_bytes_are_a_conflict_and_the_old_ones_stay(store: Store, other: bytes) -> None:
    needs_create_only(store)
    await put(store, KEY, AUDIO)
    outcome = await put(store, KEY, other)
    assert isinstance(outcome, Conflict)
    assert (outcome.stored.size, outcome.stored.digest) == (len(AUDIO), digest_of(AUDIO))
    assert await store.read(KEY, len(AUDIO)) == AUDIO


@pytest.mark.parametrize(
    "body",
    [Document(AUDIO[:-1] + b"x"), Document(AUDIO[:-1]), Document(AUDIO + b"x"), Document(b"")]
    + [LyingBody(AUDIO, said=len(AUDIO) + delta) for delta in (-1, 1)],
    ids=["one byte differs", "cut", "longer", "empty", "says less", "says more"],
)
async def test_a_body_that_is_not_what_its_digest_names_is_refused(store: Store, body: Document) -> None:
    with pytest.raises(StoreFailed, match="not the one its digest names"):
        await store.put_new(KEY, body, digest_of(AUDIO), "audio/mpeg")
    assert await store.head(KEY) is None
    assert await keys(store) == []


async def test_a_refused_body_does_not_spoil_the_key(store: Store) -> None:
    with pytest.raises(StoreFailed):
        await store.put_new(KEY, Document(b"damaged"), digest_of(AUDIO), "audio/mpeg")
    assert isinstance(await put(store, KEY, AUDIO), Created)


@pytest.mark.parametrize("same", [True, False])
async def test_of_racing_puts_one_creates(store: Store, same: bool) -> None:
    if isinstance(store, S3Store) and not REAL_SERVER:
        # moto looks for the key and writes it in two steps without a lock: two racing puts can both get a 200. What the
        # adapter sends is covered by test_s3.py; what real servers do with it, by $ARCHIVER_TEST_S3_URL.
        pytest.skip("moto lets two racing create-only puts win")
    needs_create_only(store)
    outcomes: list[PutOutcome] = []
    bodies = [AUDIO if same else AUDIO + bytes([task]) for task in range(8)]

    async def race(data: bytes) -> None:
        outcomes.append(await put(store, KEY, data))

    async with anyio.create_task_group() as tasks:
        for data in bodies:
            tasks.start_soon(race, data)
    created = [outcome for outcome in outcomes if isinstance(outcome, Created)]
    others = [outcome for outcome in outcomes if not isinstance(outcome, Created)]
    assert len(created) == 1
    assert len(others) == 7
    assert all(isinstance(outcome, AlreadyThere if same else Conflict) for outcome in others)
    assert {outcome.stored.digest for outcome in outcomes} == {created[0].stored.digest}
    assert await store.head(KEY) == created[0].stored


async def test_what_is_not_there_is_none(store: Store) -> None:
    await put(store, KEY, AUDIO)
    for absent in ("recordings/dt=2026-09-22/nothing.mp3", "recordings", "recordings/dt=2026-09-22", f"{KEY}/below"):
        assert await store.head(absent) is None
        assert await store.read(absent, 10) is None


async def test_an_empty_store_lists_and_reads_nothing(store: Store) -> None:
    assert await keys(store) == []
    assert await store.head(KEY) is None
    assert await store.read(KEY, 10) is None


async def test_reading_is_bounded(store: Store) -> None:
    await put(store, KEY, AUDIO)
    assert await store.read(KEY, len(AUDIO)) == AUDIO
    with pytest.raises(StoreFailed, match="expected"):
        await store.read(KEY, len(AUDIO) - 1)


async def test_the_listing_is_in_key_order_whatever_the_directories(store: Store) -> None:
    names = ["a", "a.x", "a-/c", "a0", "b/a/c", "b/a.x", "b/a-x", "b/b", "B/z", "ä/1", "z/2", "z/10", "日/1", "𝄞/1"]
    if not keeps_files(store):
        names.append("a/b")
    for name in names:
        await put(store, name, name.encode())
    found = [stored async for stored in store.list("")]
    assert [stored.key for stored in found] == sorted(names, key=str.encode)
    assert found[0] == StoredObject("B/z", 3)


async def test_a_prefix_need_not_end_at_a_slash(store: Store) -> None:
    for key in ("calls/dt=2026-01-01/x", "recordings/dt=2026-01-01/a", "recordings/dt=2026-01-02/b", "recordings2/c"):
        await put(store, key, b"1")
    assert await keys(store, "recordings/dt=2026-01-01/") == ["recordings/dt=2026-01-01/a"]
    assert await keys(store, "recordings/dt=2026-01") == ["recordings/dt=2026-01-01/a", "recordings/dt=2026-01-02/b"]
    assert await keys(store, "recordings/dt=2026-01-02/b") == ["recordings/dt=2026-01-02/b"]
    assert (await keys(store, "recordings"))[-1] == "recordings2/c"
    assert await keys(store, "nothing/") == []
    assert await keys(store, "recordings/dt=2026-01-01/a/") == []
    assert await keys(store, "../") == []


async def test_a_long_listing_comes_whole(store: Store) -> None:
    names = [f"day/{number:04}" for number in range(40)]
    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(put, store, name, b"")
    assert await keys(store, "day/") == names


async def test_stores_with_other_prefixes_see_nothing_of_each_other(new_store: NewStore) -> None:
    one, other = new_store("archive"), new_store("archive-2")
    await put(one, KEY, AUDIO)
    assert await keys(other) == []
    assert await other.head(KEY) is None
    assert isinstance(await put(other, KEY, b"other"), Created)
    assert await one.read(KEY, len(AUDIO)) == AUDIO


@pytest.mark.parametrize(
    "key",
    [
        "a b+c&d=e?f#g%41.mp3",
        "ünïcödé/日本.mp3",
        "quarantine/a'b\"c<d>;e.mp3",
        "a\\b",
        "-",
        "x" * 255,
        "a/~b",
        "%2e%2e/a",
    ],
)
async def test_odd_keys_are_taken_as_they_are(store: Store, key: str) -> None:
    assert isinstance(await put(store, key, AUDIO), Created)
    assert await store.read(key, len(AUDIO)) == AUDIO
    assert await store.head(key) == StoredObject(key, len(AUDIO), digest_of(AUDIO))
    assert await keys(store) == [key]


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".scratch/a"),
        *("a\0b", "a\nb", "a\x7f", "\ud800", "x" * 256, "ü" * 128, "y/" * 600 + "z"),
    ],
)
async def test_unsafe_keys_are_refused_before_anything_is_done(store: Store, key: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # of two kinds: ours, and that of UTF-8
        await put(store, key, AUDIO)
    with pytest.raises(ValueError):  # noqa: PT011
        await store.head(key)
    with pytest.raises(ValueError):  # noqa: PT011
        await store.read(key, 10)
    assert await keys(store) == []


async def test_an_empty_body(store: Store) -> None:
    needs_create_only(store)
    assert isinstance(await put(store, KEY, b""), Created)
    assert isinstance(await put(store, KEY, b""), AlreadyThere)
    assert await store.head(KEY) == StoredObject(KEY, 0, digest_of(b""))
    assert await store.read(KEY, 0) == b""


async def test_a_large_body_from_a_file(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(hashlib.sha512(b"seed").digest() * (12 * 1024 * 1024 // 64))
    digest = digest_of(file.read_bytes())
    outcome = await store.put_new(KEY, FileBody(file, 12 * 1024 * 1024), digest, "audio/mpeg")
    assert isinstance(outcome, Created)
    assert await store.head(KEY) == StoredObject(KEY, 12 * 1024 * 1024, digest)


async def test_the_check_passes_and_leaves_nothing(store: Store) -> None:
    needs_create_only(store)
    await put(store, KEY, AUDIO)
    checks = await store.check()
    assert checks
    assert [check for check in checks if not check.passed] == []
    assert await keys(store) == [KEY]


async def test_a_closed_store_can_be_closed_again(store: Store) -> None:
    await put(store, KEY, AUDIO)
    await store.aclose()
    await store.aclose()


async def test_a_digest_is_taken_from_the_bytes(store: Store) -> None:
    await put(store, KEY, AUDIO)
    assert await store.rehash(KEY) == StoredObject(KEY, len(AUDIO), digest_of(AUDIO))
    assert await store.rehash("recordings/dt=2026-09-22/nothing.mp3") is None
    with pytest.raises(ValueError):  # noqa: PT011
        await store.rehash("../a")


async def test_a_history_names_every_key_in_order(store: Store) -> None:
    names = ["recordings/a-b", "recordings/a.b", "recordings/a/b", "recordings/b"]
    for name in reversed(names):
        await put(store, name, name.encode())
    await put(store, "elsewhere", b"1")
    found = [history async for history in store.history("recordings/")]
    versions = None if isinstance(store, S3Store) and servers.RCLONE else 1  # it cannot list them
    assert [(history.key, history.versions) for history in found] == [(name, versions) for name in names]
    assert [history.current for history in found] == [StoredObject(name, len(name)) for name in names]
    assert [history async for history in store.history("nothing/")] == []


async def test_nothing_is_left_over(store: Store) -> None:
    assert list(await store.leftovers()) == []
    await put(store, KEY, AUDIO)
    assert list(await store.leftovers()) == []


async def test_a_sweep_leaves_what_is_alive(store: Store) -> None:
    await store.sweep()
    await put(store, KEY, AUDIO)
    await store.sweep()
    await put(store, "recordings/dt=2026-09-22/other.mp3", b"other")
    assert await store.read(KEY, len(AUDIO)) == AUDIO


async def test_a_download_replaces_what_the_file_held(store: Store, tmp_path: Path) -> None:
    await put(store, KEY, AUDIO)
    with (tmp_path / "copy").open("w+b") as file:
        file.write(b"what was there before" * 1000)
        assert await store.download("recordings/dt=2026-09-22/nothing.mp3", file) is None
        assert await store.download(KEY, file) == StoredObject(KEY, len(AUDIO), digest_of(AUDIO))
        file.flush()
        assert (tmp_path / "copy").read_bytes() == AUDIO
        with pytest.raises(ValueError):  # noqa: PT011
            await store.download("../a", file)

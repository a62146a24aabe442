"""What every store promises of retention, holds and deletion: one suite, all adapters; S3 on a bucket that locks."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import boto3.session
import pytest

from archiver.model import Protection, Retention, RetentionMode
from archiver.store.body import Document
from archiver.store.directory import DirectoryStore
from archiver.store.interface import AlreadyThere, Conflict, Created, Deleted, PutOutcome, Refused, Store
from archiver.store.memory import MemoryStore
from archiver.store.s3 import S3Store
from tests.s3 import servers

from .bodies import digest_of

pytestmark = pytest.mark.anyio

KEY = "recordings/dt=2026-09-22/abc.mp3"
AUDIO = b"\xff\xfb\x90\x00" * 300


def until(**span: float) -> datetime:
    return (datetime.now(UTC) + timedelta(**span)).replace(microsecond=0)


def governance(**span: float) -> Retention:
    return Retention(RetentionMode.GOVERNANCE, until(**span))


@pytest.fixture(params=["memory", "directory", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store
    if request.param == "memory":
        made = MemoryStore()
    elif request.param == "directory":
        made = DirectoryStore(tmp_path / "archive")
    else:
        request.getfixturevalue("aws_environment")
        url, name = request.getfixturevalue("s3_url"), f"locking-{secrets.token_hex(6)}"
        client: Any = boto3.session.Session().client("s3", endpoint_url=url, region_name="us-east-1")
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
        client.close()
        made = S3Store(name, "archive", region="us-east-1", endpoint_url=url, connections=4)
    yield made
    await made.aclose()


async def put(store: Store, data: bytes = AUDIO, protection: Protection | None = None, key: str = KEY) -> PutOutcome:
    return await store.put_new(key, Document(data), digest_of(data), "audio/mpeg", protection)


async def delete(store: Store, key: str = KEY) -> list[object]:
    return [await store.delete_version(key, version.version_id) for version in await store.versions(key)]


async def test_a_put_under_protection_cannot_be_deleted(store: Store) -> None:
    wanted = Protection(governance(hours=1))
    outcome = await put(store, protection=wanted)
    assert isinstance(outcome, Created)
    assert outcome.stored.protection == wanted
    assert await store.head(KEY) == outcome.stored
    assert await delete(store) == [Refused(wanted)]
    assert await store.read(KEY, len(AUDIO)) == AUDIO


async def test_what_nothing_protects_is_deleted_for_good(store: Store) -> None:
    outcome = await put(store)
    assert outcome.stored.protection is None
    assert await store.protection(KEY) == Protection()
    version = outcome.stored.version_id
    assert await delete(store) == [Deleted()]
    assert await store.head(KEY) is None
    assert list(await store.versions(KEY)) == []
    assert await store.delete_version(KEY, version) == Deleted()
    assert isinstance(await put(store, b"other"), Created)


async def test_a_lock_that_is_over_lets_go(store: Store) -> None:
    await put(store, protection=Protection(governance(seconds=2)))
    with anyio.fail_after(60):
        while (last := await delete(store)) != [Deleted()]:
            assert isinstance(last[0], Refused)
            await anyio.sleep(0.3)
    assert await store.head(KEY) is None


async def test_retention_is_extended_and_never_shortened(store: Store) -> None:
    short, long = governance(hours=1), governance(hours=3)
    version = (await put(store, protection=Protection(short))).stored.version_id
    assert await store.extend(KEY, version, long) == long
    assert await store.extend(KEY, version, short) == long
    assert await store.extend(KEY, version, long) == long
    assert await store.protection(KEY, version) == Protection(long)


async def test_a_mode_is_never_weakened(store: Store) -> None:
    firm = Retention(RetentionMode.COMPLIANCE, until(minutes=10))
    version = (await put(store, protection=Protection(firm))).stored.version_id
    later = governance(hours=1)
    assert await store.extend(KEY, version, later) == replace(later, mode=RetentionMode.COMPLIANCE)
    assert await delete(store) == [Refused(Protection(replace(later, mode=RetentionMode.COMPLIANCE)))]


async def test_what_was_not_locked_can_be(store: Store) -> None:
    version = (await put(store)).stored.version_id
    wanted = governance(hours=1)
    assert await store.extend(KEY, version, wanted) == wanted
    assert await delete(store) == [Refused(Protection(wanted))]


async def test_a_hold_holds_whatever_the_retention(store: Store) -> None:
    outcome = await put(store, protection=Protection(legal_hold=True))
    version = outcome.stored.version_id
    assert outcome.stored.protection == Protection(None, legal_hold=True)
    assert await delete(store) == [Refused(Protection(None, legal_hold=True))]
    for _ in range(2):
        assert await store.hold(KEY, version, on=False)
    assert await store.protection(KEY, version) == Protection()
    for _ in range(2):
        assert await store.hold(KEY, version, on=True)
    assert isinstance((await delete(store))[0], Refused)
    await store.hold(KEY, version, on=False)
    assert await delete(store) == [Deleted()]


async def test_a_hold_and_a_retention_do_not_disturb_each_other(store: Store) -> None:
    kept = governance(hours=1)
    version = (await put(store, protection=Protection(kept, legal_hold=True))).stored.version_id
    longer = governance(hours=2)
    assert await store.extend(KEY, version, longer) == longer
    assert await store.protection(KEY, version) == Protection(longer, legal_hold=True)
    await store.hold(KEY, version, on=False)
    assert await store.protection(KEY, version) == Protection(longer)


async def test_what_was_there_already_comes_under_as_much(store: Store) -> None:
    if isinstance(store, S3Store):
        servers.needs_create_only_with_versions()
    await put(store)
    short, long = Protection(governance(hours=1)), Protection(governance(hours=2), legal_hold=True)
    for wanted, held in ((short, short), (long, long), (short, long)):
        outcome = await put(store, protection=wanted)
        assert isinstance(outcome, AlreadyThere)
        assert outcome.stored.protection == held
        assert await store.protection(KEY) == held


async def test_a_conflict_changes_no_lock(store: Store) -> None:
    if isinstance(store, S3Store):
        servers.needs_create_only_with_versions()
    await put(store)
    assert isinstance(await put(store, b"other", Protection(governance(hours=1))), Conflict)
    assert await store.protection(KEY) == Protection()


async def test_what_is_not_there_cannot_be_protected(store: Store) -> None:
    assert await store.protection(KEY) is None
    assert await store.extend(KEY, None, governance(hours=1)) is None
    assert not await store.hold(KEY, None, on=True)
    assert list(await store.versions(KEY)) == []


async def test_a_neighbour_whose_key_begins_alike_is_another_object(store: Store) -> None:
    await put(store)
    await put(store, b"neighbour", key=f"{KEY}.old")
    assert len(await store.versions(KEY)) == 1
    assert await delete(store) == [Deleted()]
    assert await store.read(f"{KEY}.old", 100) == b"neighbour"


@pytest.mark.parametrize("moment", [until().replace(tzinfo=None), until().replace(microsecond=1)])
def test_a_retention_is_an_aware_time_in_whole_seconds(moment: datetime) -> None:
    with pytest.raises(ValueError, match="whole seconds"):
        Retention(RetentionMode.GOVERNANCE, moment)

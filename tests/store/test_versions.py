"""What a bucket that keeps versions says of its keys, and what happens where it would not say it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import boto3.session
import pytest
from botocore.exceptions import ClientError

from archiver.errors import DestinationUnusable
from archiver.model import StoredObject
from archiver.store.interface import KeyHistory
from archiver.store.s3 import S3Store
from archiver.store.s3_versions import VersionPages, folded

pytestmark = pytest.mark.anyio


@pytest.fixture
def client(s3_url: str, aws_environment: None) -> Iterator[Any]:
    client = boto3.session.Session().client("s3", endpoint_url=s3_url, region_name="us-east-1")
    yield client
    client.close()


@pytest.fixture
async def store(bucket: str, s3_url: str, client: Any) -> AsyncIterator[S3Store]:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    store = S3Store(bucket, "voice", region="us-east-1", endpoint_url=s3_url)
    yield store
    await store.aclose()


async def test_versions_and_deletions(store: S3Store, bucket: str, client: Any) -> None:
    def put(key: str, data: bytes) -> str:
        version: str = client.put_object(Bucket=bucket, Key=f"voice/{key}", Body=data)["VersionId"]
        return version

    once, _, twice = put("r/a", b"1"), put("r/b", b"1"), put("r/b", b"22")
    put("r/c", b"1")
    client.delete_object(Bucket=bucket, Key="voice/r/c")
    assert [history async for history in store.history("r/")] == [
        KeyHistory("r/a", StoredObject("r/a", 1, None, once), 1),
        KeyHistory("r/b", StoredObject("r/b", 2, None, twice), 2),
        KeyHistory("r/c", None, 1),
    ]


def test_versions_of_a_key_may_stand_on_two_pages() -> None:
    pending: list[KeyHistory] = []
    newest = KeyHistory("b", StoredObject("b", 1, None, "2"), 1)
    first = list(folded(pending, [KeyHistory("a", None, 0), newest]))
    second = list(folded(pending, [KeyHistory("b", None, 1), KeyHistory("c", None, 1)]))
    assert first == [KeyHistory("a", None, 0)]
    assert second == [KeyHistory("b", newest.current, 2)]
    assert pending == [KeyHistory("c", None, 1)]


@contextmanager
def refusing(monkeypatch: pytest.MonkeyPatch, code: str) -> Iterator[None]:
    real = VersionPages.next

    def answer(_: int) -> None:
        raise ClientError({"Error": {"Code": code}}, "ListObjectVersions")

    def refuse(self: VersionPages, client: Any) -> Any:
        class Refusing:
            def get_paginator(self, _: str) -> Any:
                return self

            def paginate(self, **_: object) -> Iterator[Any]:
                return map(answer, [0])

        return real(self, Refusing())  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(VersionPages, "next", refuse)
        yield


@pytest.mark.parametrize("code", ["AccessDenied", "NotImplemented"])
async def test_without_the_right_to_list_versions(
    code: str, store: S3Store, bucket: str, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.put_object(Bucket=bucket, Key="voice/r/a", Body=b"1")
    with refusing(monkeypatch, code):
        assert [history async for history in store.history("r/")] == [KeyHistory("r/a", StoredObject("r/a", 1), None)]


async def test_a_missing_bucket_is_no_empty_one(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing(monkeypatch, "NoSuchBucket"), pytest.raises(DestinationUnusable):
        assert [history async for history in store.history("r/")] == []

"""A bucket that locks, on a server that enforces, and an operator who archives into it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3.session
import pytest

from archiver.store.s3_headers import protection_in
from tests.s3 import servers
from tests.stories.conftest import operator

__all__ = ["operator"]
collect_ignore_glob = [] if servers.LOCKING else ["test_*.py"]


@dataclass
class LockingBucket:
    """A bucket with Object Lock, under a prefix."""

    url: str
    name: str
    client: Any = field(repr=False)

    @property
    def section(self) -> dict[str, Any]:
        return {"url": f"s3://{self.name}/voice", "endpoint_url": self.url, "region": "us-east-1"}

    def versions(self, prefix: str = "") -> list[dict[str, Any]]:
        """Every version with bytes, as S3 lists it."""
        pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=f"voice/{prefix}")
        return [version for page in pages for version in page.get("Versions", ())]

    def objects(self) -> dict[str, bytes]:
        found = {}
        for version in self.versions():
            if version["Key"].startswith("voice/doctor/"):
                continue
            assert version["IsLatest"], f"{version['Key']} was written twice"
            body = self.client.get_object(Bucket=self.name, Key=version["Key"])["Body"].read()
            found[version["Key"].removeprefix("voice/")] = body
        return found

    def puts(self) -> int:
        """Every put makes a version: none is removed but by disposal."""
        return len(self.versions())

    def protections(self, prefix: str = "recordings/") -> dict[str, Any]:
        """What the bucket itself says of each key."""
        return {
            version["Key"].removeprefix("voice/"): protection_in(
                self.client.head_object(Bucket=self.name, Key=version["Key"], VersionId=version["VersionId"])
            )
            for version in self.versions(prefix)
        }


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    with servers.server() as url:
        yield url


@pytest.fixture
def new_locking_bucket(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], LockingBucket]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_PROFILE", raising=False)

    def new() -> LockingBucket:
        name = f"locking-{secrets.token_hex(6)}"
        client: Any = boto3.session.Session().client("s3", endpoint_url=s3_url, region_name="us-east-1")
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
        return LockingBucket(s3_url, name, client)

    return new


@pytest.fixture
def bucket(new_locking_bucket: Callable[[], LockingBucket]) -> LockingBucket:
    return new_locking_bucket()

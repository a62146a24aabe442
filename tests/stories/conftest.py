"""A provider on one side, a directory or an S3 bucket on the other, and an operator between them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3.session
import pytest

from archiver.sandbox import Sandbox, World
from tests.stories.bucket_server import BucketServer
from tests.stories.operator import Destination, Operator

NewOperator = Callable[..., Operator]


@dataclass
class Directory:
    """A local directory."""

    root: Path

    @property
    def section(self) -> dict[str, Any]:
        return {"url": self.root.as_uri()}

    def objects(self) -> dict[str, bytes]:
        files = (path for path in self.root.rglob("*") if path.is_file() and ".scratch" not in path.parts)
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in files}

    def puts(self) -> int:
        """Every put makes a file: none is ever removed."""
        return len(self.objects())


@dataclass
class Bucket:
    """A versioned bucket on the moto server, under a prefix."""

    server: BucketServer
    name: str
    client: Any = field(repr=False)

    @property
    def section(self) -> dict[str, Any]:
        return {"url": f"s3://{self.name}/voice", "endpoint_url": self.server.url, "region": "us-east-1"}

    def objects(self) -> dict[str, bytes]:
        """Of the archive: a probe is no part of it."""
        found = {}
        for page in self.client.get_paginator("list_object_versions").paginate(Bucket=self.name):
            for version in page.get("Versions", ()):
                assert version["IsLatest"], f"{version['Key']} was written twice"
                body = self.client.get_object(Bucket=self.name, Key=version["Key"])["Body"].read()
                found[version["Key"].removeprefix("voice/")] = body
        return {key: data for key, data in found.items() if not key.startswith("doctor/")}

    def puts(self) -> int:
        return len([path for path in self.server.puts() if f"/{self.name}/" in path])


def put_behind_the_back(destination: Destination, key: str, data: bytes) -> None:
    """Somebody else writes to the destination."""
    if isinstance(destination, Directory):
        path = destination.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    else:
        assert isinstance(destination, Bucket)
        destination.client.put_object(Bucket=destination.name, Key=f"voice/{key}", Body=data)


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[BucketServer]:
    with BucketServer() as server:
        yield server


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture
def new_bucket(bucket_server: BucketServer, aws: None) -> Callable[[], Bucket]:
    def new() -> Bucket:
        name = f"story-{secrets.token_hex(6)}"
        client = boto3.session.Session().client("s3", endpoint_url=bucket_server.url, region_name="us-east-1")
        client.create_bucket(Bucket=name)
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return Bucket(bucket_server, name, client)

    return new


@pytest.fixture(params=["directory", "s3"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Destination:
    """Each story that asks for it is told twice."""
    if request.param == "directory":
        return Directory(tmp_path / "archive")
    bucket: Bucket = request.getfixturevalue("new_bucket")()
    return bucket


@pytest.fixture
def directory(tmp_path: Path) -> Destination:
    return Directory(tmp_path / "archive")


@pytest.fixture
def today() -> date:
    """The UTC day, which lasts: no story that counts days begins in the last minute of one."""
    now = datetime.now(UTC)
    left = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0) - now
    if left < timedelta(minutes=1):
        time.sleep(left.total_seconds() + 0.1)
    return datetime.now(UTC).date()


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[NewOperator]:
    """``operator(world, destination, **provider settings)``: the provider runs until the story ends."""
    with ExitStack() as stack:

        def new(world: World, destination: Destination, **settings: Any) -> Operator:
            sandbox = stack.enter_context(Sandbox(world, **settings).running())
            made = Operator(tmp_path, sandbox, destination)
            stack.callback(made.ends)
            return made

        yield new

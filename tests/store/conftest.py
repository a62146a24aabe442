"""The three stores, each fresh and empty for its test."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import boto3.session
import pytest
from moto.server import ThreadedMotoServer

from archiver.store.directory import DirectoryStore
from archiver.store.interface import Store
from archiver.store.memory import MemoryStore
from archiver.store.s3 import S3Store
from tests.s3 import servers

REAL_SERVER = os.environ.get("ARCHIVER_TEST_S3_URL", "") or servers.ASKED

NewStore = Callable[[str], Store]
"""A store on the same bucket; the prefix tells them apart (ignored by memory, a subdirectory for directory)."""


def needs_create_only(store: Store) -> None:
    """Skips for a server on which a second put of a key replaces the first."""
    if isinstance(store, S3Store):
        servers.needs_create_only()


def keeps_files(store: Store) -> bool:
    """Whether each object is a file somewhere, so that no key can lie below another."""
    return isinstance(store, DirectoryStore) or (isinstance(store, S3Store) and servers.RCLONE)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of nobody, from the environment alone; the instance metadata service is never asked."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """An S3 server: moto, one that enforces, or what $ARCHIVER_TEST_S3_URL names (credentials: test, test)."""
    if url := os.environ.get("ARCHIVER_TEST_S3_URL"):
        yield url
        return
    if servers.ASKED:
        with servers.server() as url:
            yield url
        return
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_url: str, aws_environment: None) -> str:
    """A new bucket on the S3 server."""
    name = f"bucket-{secrets.token_hex(6)}"
    client = boto3.session.Session().client("s3", endpoint_url=s3_url, region_name="us-east-1")
    client.create_bucket(Bucket=name)
    client.close()
    return name


@pytest.fixture(params=["memory", "directory", "s3"])
async def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[NewStore]:
    """Makes stores of one kind on one bucket."""
    made: list[Store] = []
    kind = request.param
    name = request.getfixturevalue("bucket") if kind == "s3" else ""
    url = request.getfixturevalue("s3_url") if kind == "s3" else ""

    def make(prefix: str = "archive") -> Store:
        store: Store
        if kind == "memory":
            store = MemoryStore()
        elif kind == "directory":
            store = DirectoryStore(tmp_path / prefix)
        else:
            store = S3Store(name, prefix, region="us-east-1", endpoint_url=url, connections=8)
        made.append(store)
        return store

    yield make
    for store in made:
        await store.aclose()


@pytest.fixture
async def store(new_store: NewStore) -> Store:
    return new_store("archive")

"""A bucket of S3, or of what speaks its language: puts and heads over libcurl, the rest by botocore in threads.

Every put is create-only (``If-None-Match: *``) and carries its SHA-256 as a header. What the store holds is trusted
only after comparison: with the checksum that it echoes, else with the one HEAD gives, else with the bytes read back.

The SDK repeats a put whose answer was lost; if the first one had been committed, the repeat meets 412 and finds its own
bytes: AlreadyThere is then the truth as far as anyone can know it.

A single put takes at most 5 GiB. Multipart uploads go beyond, but their SHA-256 is one of checksums ("composite") and
says nothing about the whole; and 5 GiB are a week of 64 kbit/s.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import anyio
from anyio.to_thread import run_sync
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError

from archiver.errors import ArchiverError, DestinationUnusable, StoreFailed
from archiver.model import Check, Digest, Protection, Retention, StoredObject
from archiver.store.interface import (
    AlreadyThere,
    Body,
    Conflict,
    Created,
    Deletion,
    Doubtful,
    KeyHistory,
    PutOutcome,
    Version,
)
from archiver.store.object_key import checked_key
from archiver.store.s3_answers import is_md5_of, limited, taken, whole_digest
from archiver.store.s3_body import NamedBody
from archiver.store.s3_connection import Connection, connect
from archiver.store.s3_create_only import Trial
from archiver.store.s3_doctor import Doctor
from archiver.store.s3_errors import (
    ABSENT,
    BUSY,
    REFUSED,
    UNREADABLE,
    code_of,
    misconfigured,
    silence_sdk_logs,
    translated,
)
from archiver.store.s3_headers import Placing, protection_in, put_headers
from archiver.store.s3_lock_doctor import LockDoctor
from archiver.store.s3_locks import NO_LOCK_HINT, NOT_HELD_HINT, ObjectLocks
from archiver.store.s3_requests import ATTEMPTS, may_pass, pause
from archiver.store.s3_versions import VersionPages, folded

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, ListObjectsV2OutputTypeDef

    from archiver.store.s3_requests import ObjectRequests

T = TypeVar("T")

MAX_PUT_BYTES = 5 << 30


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be put where."""

    key: str
    body: Body
    digest: Digest
    headers: Mapping[str, str]
    protection: Protection | None

    def is_held(self, held: StoredObject) -> bool:
        """True if these are its bytes."""
        return (held.size, held.digest) == (self.body.size, self.digest)


class S3Store:
    """``s3://<bucket>/<prefix>``; credentials from the AWS default chain. The client is made at the first use.

    ``placing`` goes with every put; its bucket owner is held against every request. ``connections`` bounds threads
    and sockets. With ``endpoint_url`` (S3-compatibles) the bucket is addressed in the path.

    With ``doubtful`` it is tried, before the first put, whether the bucket refuses a second put of a key. If not,
    ``doubtful`` is told why, and every put looks first whether its key is free: enough for one writer at a time.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        profile: str | None = None,
        placing: Placing | None = None,
        connections: int = 32,
        doubtful: Doubtful | None = None,
    ) -> None:
        silence_sdk_logs()
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._placing = placing or Placing()
        self._connect = partial(connect, bucket, region, endpoint_url, profile, connections, self._placing.bucket_owner)
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._threads = anyio.CapacityLimiter(connections)
        self._reached = False
        self._trial = Trial(partial(doubtful, self.location) if doubtful else None)

    @property
    def location(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    @property
    def enforces(self) -> bool:
        return True

    async def put_new(
        self, key: str, body: Body, digest: Digest, mediatype: str, protection: Protection | None = None
    ) -> PutOutcome:
        """As the port promises; StoreFailed for more than 5 GiB."""
        checked_key(key, self._prefix)
        if body.size > MAX_PUT_BYTES:
            raise StoreFailed(f"{key} has {body.size} bytes: more than a single put can take ({MAX_PUT_BYTES})")
        headers = put_headers(body.size, digest, mediatype, self._placing, protection)
        wanted = Wanted(key, body, digest, headers, protection)
        with self._translating("put a probe"):
            looks_first = await self._trial.doubts(await self._objects(), self._prefix, self._placing)
        self._reached = self._reached or looks_first
        for attempt in range(1, ATTEMPTS + 1):
            with self._translating(f"put {key}"):
                if looks_first:
                    outcome = await self._put_looking_first(wanted, last=attempt == ATTEMPTS)
                else:
                    outcome = await self._put(wanted)
            if outcome is not None:
                return outcome
            await pause(attempt)
        raise StoreFailed(f"put {key}: other writers keep the key busy")

    async def head(self, key: str) -> StoredObject | None:
        checked_key(key, self._prefix)
        with self._translating(f"head {key}"):
            return await self._head(key)

    async def read(self, key: str, limit: int) -> bytes | None:
        return await self._in_thread(f"read {key}", partial(self._read, checked_key(key, self._prefix), limit))

    async def download(self, key: str, file: BinaryIO) -> StoredObject | None:
        checked_key(key, self._prefix)
        return await self._in_thread(
            f"read {key}", lambda client: self._received(key, client, partial(taken, key, file))
        )

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """As the port promises; a page of 1,000 at a time is held in memory."""
        doing = f"list {prefix}"
        pages = await self._in_thread(doing, partial(self._pages, prefix))
        while (page := await self._in_thread(doing, partial(self._next_page, pages))) is not None:
            for stored in page:
                yield stored

    async def rehash(self, key: str) -> StoredObject | None:
        checked_key(key, self._prefix)
        return await self._in_thread(
            f"rehash {key}", lambda client: self._received(key, client, partial(taken, key, None))
        )

    async def history(self, prefix: str) -> AsyncIterator[KeyHistory]:
        """As the port promises, without versions where listing them is not allowed, or not known to the store."""
        pages = VersionPages(self._bucket, self._prefix, prefix)
        pending: list[KeyHistory] = []
        while (page := await self._in_thread(f"list the versions of {prefix}", pages.next)) is not None:
            for history in folded(pending, page):
                yield history
        for history in pending:
            yield history
        if pages.refused:
            async for stored in self.list(prefix):
                yield KeyHistory(stored.key, stored, None)

    async def check_locks(self) -> Sequence[Check]:
        key = f"{self._prefix}doctor/probe-{secrets.token_hex(8)}"
        return await self._in_thread(
            "check", lambda client: list(LockDoctor(client, self._bucket, key, self._placing).checks())
        )

    async def versions(self, key: str) -> Sequence[Version]:
        return await self._with_locks(f"list the versions of {key}", key, lambda locks: locks.versions(key))

    async def protection(self, key: str, version_id: str | None = None) -> Protection | None:
        return await self._with_locks(f"read the lock of {key}", key, lambda locks: locks.protection(key, version_id))

    async def extend(self, key: str, version_id: str | None, retention: Retention) -> Retention | None:
        doing = f"extend the retention of {key}"
        return await self._with_locks(doing, key, lambda locks: locks.extend(key, version_id, retention))

    async def hold(self, key: str, version_id: str | None, *, on: bool) -> bool:
        return await self._with_locks(f"hold {key}", key, lambda locks: locks.hold(key, version_id, on))

    async def delete_version(self, key: str, version_id: str | None) -> Deletion:
        return await self._with_locks(f"delete {key}", key, lambda locks: locks.delete(key, version_id))

    async def leftovers(self) -> Sequence[str]:
        return ()

    async def sweep(self) -> None:
        """Nothing: this store has no scratch."""

    async def check(self) -> Sequence[Check]:
        """As the port promises. The probes below ``doctor/`` stay where deletion is denied, as it should be."""
        key = f"{self._prefix}doctor/probe-{secrets.token_hex(8)}"
        try:
            return await self._in_thread(
                "check", lambda client: Doctor(client, self._bucket, key, self._placing).checks()
            )
        except ArchiverError as error:
            remedy = "see that destination.endpoint_url is an S3 server, and what it takes"
            return [Check("bucket", False, error.fact, error.hint or remedy)]

    async def aclose(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            with anyio.CancelScope(shield=True):
                await connection.objects.aclose()
                await run_sync(connection.client.close)

    async def _in_thread(self, doing: str, work: Callable[[S3Client], T]) -> T:
        return await run_sync(self._guarded, doing, work, limiter=self._threads)

    async def _with_locks(self, doing: str, key: str, work: Callable[[ObjectLocks], T]) -> T:
        checked_key(key, self._prefix)
        return await self._in_thread(doing, lambda client: work(ObjectLocks(client, self._bucket, self._prefix)))

    def _guarded(self, doing: str, work: Callable[[S3Client], T]) -> T:
        with self._translating(doing):
            result = work(self._connected().client)
        self._reached = True
        return result

    @contextmanager
    def _translating(self, doing: str) -> Iterator[None]:
        """Lets out no error but ours: the SDK's carry URLs, key ids and signed strings."""
        try:
            yield
        except (ClientError, BotoCoreError, *UNREADABLE) as error:
            self._reached = self._reached or isinstance(error, ClientError)
            raise translated(error, f"{self.location}: {doing}", reached=self._reached) from None

    async def _objects(self) -> ObjectRequests:
        """Connecting may ask AWS where the bucket is, and where credentials are: in a worker thread."""
        connection = self._connection
        if connection is None:
            connection = await run_sync(self._connected)
        return connection.objects

    def _connected(self) -> Connection:
        with self._lock:
            if self._connection is None:
                try:
                    self._connection = self._connect()
                except ValueError as error:  # how botocore refuses an endpoint URL
                    raise misconfigured(error) from None
            return self._connection

    async def _put_looking_first(self, wanted: Wanted, *, last: bool) -> PutOutcome | None:
        """As ``_put``, of a key that is seen to be free each time: an answer may have been lost."""
        met = await self._met(wanted)
        if met is not None:
            return met
        try:
            return await self._put(wanted, once=True)
        except (ClientError, BotoCoreError) as error:
            if last or not may_pass(error):
                raise
            return None

    async def _put(self, wanted: Wanted, *, once: bool = False) -> PutOutcome | None:
        """One put; None if another writer was busy with the key and it has to be tried again."""
        key, body = wanted.key, wanted.body
        objects = await self._objects()
        try:
            with body.open() as stream:
                named = NamedBody(body, stream, key, wanted.digest)
                put = await objects.put(self._prefix + key, named, wanted.digest.hex, wanted.headers, once=once)
        except ClientError as error:
            self._reached = True
            if code_of(error) in BUSY:
                return None
            if wanted.protection is not None and code_of(error) == "InvalidRequest":
                raise DestinationUnusable(f"{self.location} takes no object under a lock", NO_LOCK_HINT) from None
            if code_of(error) not in REFUSED:
                raise
            return await self._met(wanted)  # None: gone again
        self._reached = True
        held = _stated(wanted, put.answer)
        if held is None and wanted.protection is None and await run_sync(is_md5_of, put.answer, body):
            held = StoredObject(key, body.size, wanted.digest, put.answer.get("VersionId"))
        return Created(self._proved(wanted, held or await self._head(key)), put.pushed_back)

    async def _met(self, wanted: Wanted) -> PutOutcome | None:
        """If the key is taken: the same bytes are brought under the protection, others are left alone."""
        held = await self._head(wanted.key)
        if held is None:
            return None
        if not wanted.is_held(held):
            return Conflict(held)
        if wanted.protection is not None:
            put_under = partial(ObjectLocks.protect, key=wanted.key, held=held.protection, wanted=wanted.protection)
            held = replace(held, protection=await self._with_locks(f"put {wanted.key}", wanted.key, put_under))
        return AlreadyThere(held)

    def _proved(self, wanted: Wanted, held: StoredObject | None) -> StoredObject:
        """What the store now holds, after comparison with what was sent."""
        key, protection = wanted.key, wanted.protection
        if held is None or not wanted.is_held(held):
            raise StoreFailed(
                f"the store answered 200 but does not hold under {key} what was sent",
                "run `archiver doctor`; look at the object, and remove it before the next run",
            )
        if protection is not None and not (held.protection or Protection()).covers(protection):
            raise StoreFailed(f"the store answered 200 but does not lock {key} as it was told", NOT_HELD_HINT)
        return held

    async def _head(self, key: str) -> StoredObject | None:
        objects = await self._objects()
        try:
            answer = await objects.head(self._prefix + key)
        except ClientError as error:
            if code_of(error) not in ABSENT:
                raise
            if not self._reached:  # a HEAD has no body to tell a missing object from a missing bucket
                await self._in_thread(f"head {key}", lambda client: client.head_bucket(Bucket=self._bucket))
            return None
        self._reached = True
        digest = whole_digest(answer)
        if digest is None:
            return await self.rehash(key)
        return StoredObject(key, answer["ContentLength"], digest, answer.get("VersionId"), protection_in(answer))

    def _read(self, key: str, limit: int, client: S3Client) -> bytes | None:
        return self._received(key, client, partial(limited, key, limit))

    def _received(self, key: str, client: S3Client, take: Callable[[GetObjectOutputTypeDef], T]) -> T | None:
        """What ``take`` makes of the object's bytes, or None. The SDK repeats requests, not bodies that broke off."""
        for attempt in range(ATTEMPTS):
            try:
                answer = client.get_object(Bucket=self._bucket, Key=self._prefix + key)
                with closing(answer["Body"]):
                    return take(answer)
            except ClientError as error:
                if code_of(error) in ABSENT:
                    return None
                raise
            except (HTTPClientError, IncompleteReadError):
                if attempt == ATTEMPTS - 1:
                    raise
        return None

    def _pages(self, prefix: str, client: S3Client) -> Iterator[ListObjectsV2OutputTypeDef]:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix + prefix)
        return iter(pages)

    def _next_page(self, pages: Iterator[ListObjectsV2OutputTypeDef], _: S3Client) -> Sequence[StoredObject] | None:
        page: Mapping[str, Any] | None = next(pages, None)
        if page is None:
            return None
        page[
            "IsTruncated"
        ]  # KeyError for what is no listing: botocore reads any document, an HTML page, as an empty one
        return [StoredObject(item["Key"].removeprefix(self._prefix), item["Size"]) for item in page.get("Contents", ())]


def _stated(wanted: Wanted, answer: Mapping[str, Any]) -> StoredObject | None:
    """What the store now holds, where its answer to the put leaves nothing to ask."""
    digest = whole_digest(answer)
    if digest is None or wanted.protection is not None:
        return None
    return StoredObject(wanted.key, wanted.body.size, digest, answer.get("VersionId"))

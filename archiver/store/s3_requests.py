"""The requests of S3 that are made for every recording, put and head: signed here, sent over libcurl.

botocore spends milliseconds on each. Where the bucket is, how it is addressed and which region signs is still
its to say (it is read off a URL that botocore signs once), and so are credentials with their refreshing, and what
error documents mean: what this answers and raises is what it would have.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import anyio
from anyio.to_thread import run_sync
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import get_cert_path
from botocore.model import StructureShape
from botocore.parsers import create_parser
from botocore.utils import parse_timestamp

from archiver.clock import SystemClock
from archiver.store.s3_errors import PUSHED_BACK, pushed_back
from archiver.store.sigv4 import SigningKeys, encoded_path, signed_headers
from archiver.wire import Asking, Head, Trouble, Wire, WireFailed, proxy_for

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_s3.client import S3Client

    from archiver.store.s3_body import NamedBody

ATTEMPTS = 5
PAUSE = (0.1, 0.3)
"""Seconds before the second attempt, from and to; doubled each time."""
KEYS_KNOWN = 30.0
"""Seconds for which credentials are not asked for again; botocore renews them minutes before they expire."""
ANSWER_LIMIT = 64 << 10
SLOWEST = 4 << 10
"""Bytes per second: below that a put is cut off."""
NO_SHAPE = StructureShape("Error", {"type": "structure", "members": {}})
"""S3's error documents have none: code, message and what else stands in them is all that is read."""
ANSWERED: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "ContentLength": ("content-length", int),
    "ChecksumSHA256": ("x-amz-checksum-sha256", str),
    "ChecksumType": ("x-amz-checksum-type", str),
    "VersionId": ("x-amz-version-id", str),
    "ETag": ("etag", str),
    "ServerSideEncryption": ("x-amz-server-side-encryption", str),
    "ObjectLockMode": ("x-amz-object-lock-mode", str),
    "ObjectLockRetainUntilDate": ("x-amz-object-lock-retain-until-date", parse_timestamp),
    "ObjectLockLegalHoldStatus": ("x-amz-object-lock-legal-hold", str),
}
"""botocore's names of what is read of an answer: header, and how it is read."""
TRANSIENT = frozenset({429, 500, 502, 503, 504})
TRANSIENT_CODES = PUSHED_BACK | {"RequestTimeout", "InternalError"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bucket's objects are, and what signs for them."""

    base: str
    """URL that a key is appended to."""
    region: str
    service: str

    @classmethod
    def of(cls, client: S3Client, bucket: str) -> Place:
        """As botocore has it. Raises what it raises."""
        url = client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
        parts = urlsplit(url)
        _, _, region, service, _ = parse_qs(parts.query)["X-Amz-Credential"][0].rsplit("/", 4)
        return cls(f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('k')}", region, service)


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    key: str
    headers: Mapping[str, str]
    payload: str = hashlib.sha256().hexdigest()
    """SHA-256 of the body."""
    body: NamedBody | None = None
    length: int = 0
    once: bool = False
    """Whatever happens, it is sent no second time."""


@dataclass(frozen=True, slots=True)
class Put:
    """A put that was taken."""

    answer: Mapping[str, Any]
    """As botocore would have it."""
    pushed_back: bool
    """True if the store asked to be spared before."""


class ObjectRequests:
    """About the objects of one bucket, on the event loop. Transient trouble is retried.

    What is raised is ClientError or BotoCoreError. With ``bucket_owner`` the store refuses (403) if the bucket belongs
    to another account.
    """

    def __init__(
        self, client: S3Client, session: Session, bucket: str, connections: int, bucket_owner: str | None
    ) -> None:
        self._place = Place.of(client, bucket)
        self._credentials = session.get_credentials()
        self._keys: SigningKeys | None = None
        self._keys_at = 0.0
        self._wire = Wire(connections, Path(session.get_config_variable("ca_bundle") or str(get_cert_path(True))))
        parts = urlsplit(self._place.base)
        self._host = parts.netloc
        self._prefix = parts.path
        self.root = f"{parts.scheme}://{parts.netloc}"
        """URL of the server, without a path."""
        self._proxy = proxy_for(self.root)
        self._to_every_head = {"x-amz-checksum-mode": "ENABLED"}
        if bucket_owner is not None:
            self._to_every_head["x-amz-expected-bucket-owner"] = bucket_owner

    async def put(
        self, key: str, body: NamedBody, payload: str, headers: Mapping[str, str], *, once: bool = False
    ) -> Put:
        """Put ``body``, whose SHA-256 is ``payload`` (hexadecimal), under the whole ``key``.

        It is not retried if it is to be sent ``once``. Raises what reading the body raises, too.
        """
        await body.verify()
        named = {name.lower(): value for name, value in headers.items()}
        length = int(named.pop("content-length"))
        made = _Request("PUT", key, named, payload, body, length, once)
        answer, spare = await self._attempted(made)
        return Put(answer, spare)

    async def head(self, key: str) -> dict[str, Any]:
        """Of the object under the whole ``key``, with its checksum and its lock, as ``head_object`` answers."""
        answer, _ = await self._attempted(_Request("HEAD", key, self._to_every_head))
        return answer

    async def aclose(self) -> None:
        """Close connections."""
        await self._wire.aclose()

    async def _attempted(self, made: _Request) -> tuple[dict[str, Any], bool]:
        """The answer, and True if the store asked to be spared before."""
        spare = False
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._send(made), spare
            except (ClientError, BotoCoreError) as error:
                if made.once or attempt == ATTEMPTS or not may_pass(error):
                    raise
                spare = spare or pushed_back(error)
            await pause(attempt)
        raise AssertionError

    async def _send(self, made: _Request) -> dict[str, Any]:
        if made.body is not None:
            made.body.seek(0)
        path = f"{self._prefix}{encoded_path(made.key)}"
        signed = signed_headers(
            made.method,
            path,
            {**made.headers, "host": self._host},
            payload=made.payload,
            keys=await self._signing_keys(),
            region=self._place.region,
            service=self._place.service,
            at=SystemClock().now(),
        )
        asking = Asking(
            made.method,
            f"{self.root}{path}",
            {**signed, "user-agent": "recording-archiver"},
            upload=made.body,
            size=made.length,
            proxy=self._proxy,
            head_seconds=60 + made.length / SLOWEST,
            once=made.once,
        )
        said = bytearray()

        def take(chunk: bytes) -> bool:
            said.extend(chunk)
            return len(said) >= ANSWER_LIMIT

        try:
            head = await self._wire.exchange(asking, lambda _: take)
        except WireFailed as failed:
            raise self._as_botocore(failed.trouble) from None
        return _answer(head, bytes(said), made.method)

    async def _signing_keys(self) -> SigningKeys:
        """Asked for again now and then, in a worker thread: botocore may have to fetch others."""
        now = time.monotonic()
        if self._keys is None or now - self._keys_at >= KEYS_KNOWN:
            self._keys, self._keys_at = await run_sync(self._current_keys), now
        return self._keys

    def _current_keys(self) -> SigningKeys:
        if self._credentials is None:
            raise NoCredentialsError
        frozen = self._credentials.get_frozen_credentials()  # refreshed, where they expire
        if not frozen.access_key or not frozen.secret_key:
            raise NoCredentialsError
        return SigningKeys(frozen.access_key, frozen.secret_key, frozen.token)

    def _as_botocore(self, trouble: Trouble) -> BotoCoreError:
        url = self.root
        match trouble:
            case Trouble.UNREACHABLE | Trouble.MALFORMED:
                return EndpointConnectionError(endpoint_url=url)
            case Trouble.CONNECT_TIMEOUT:
                return ConnectTimeoutError(endpoint_url=url)
            case Trouble.UNTRUSTED:
                return SSLError(endpoint_url=url, error=WireFailed(trouble))
            case Trouble.STALLED | Trouble.TOO_LONG:
                return ReadTimeoutError(endpoint_url=url)
            case _:
                return ConnectionClosedError(endpoint_url=url)


def _answer(head: Head, said: bytes, method: str) -> dict[str, Any]:
    """As botocore would have it; raises ClientError, ResponseParserError, ValueError."""
    if 200 <= head.status < 300:
        return {name: read(head.headers[header]) for name, (header, read) in ANSWERED.items() if header in head.headers}
    response = {"status_code": head.status, "headers": dict(head.headers), "body": said}
    operation = "PutObject" if method == "PUT" else "HeadObject"
    raise ClientError(create_parser("rest-xml").parse(response, NO_SHAPE), operation)


async def pause(failures: int) -> None:
    """Before another attempt, after so many have failed."""
    await anyio.sleep(random.uniform(*PAUSE) * 2 ** (failures - 1))  # noqa: S311 - jitter


def may_pass(error: ClientError | BotoCoreError) -> bool:
    """True of trouble that another attempt may not meet."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return status in TRANSIENT or error.response.get("Error", {}).get("Code") in TRANSIENT_CODES
    return isinstance(error, EndpointConnectionError | ConnectTimeoutError | ReadTimeoutError | ConnectionClosedError)

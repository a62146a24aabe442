"""The put of an object, the one request of S3 that is made for every recording: signed here, sent over libcurl.

botocore spends milliseconds on each. Where the bucket is, how it is addressed and which region signs is still
its to say (it is read off a URL that botocore signs once), and so are credentials with their refreshing, and what
error documents mean: what this raises is what it would have raised.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
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
class Put:
    """A put that was taken."""

    answer: Mapping[str, Any]
    """As botocore would have it."""
    pushed_back: bool
    """True if the store asked to be spared before."""


class Puts:
    """Puts into one bucket, on the event loop."""

    def __init__(self, client: S3Client, session: Session, bucket: str, connections: int) -> None:
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

    async def put(
        self, key: str, body: NamedBody, payload: str, headers: Mapping[str, str], *, once: bool = False
    ) -> Put:
        """Put ``body``, whose SHA-256 is ``payload`` (hexadecimal), under the whole ``key``.

        Transient trouble is retried, unless it is to be sent ``once``. Raises ClientError, BotoCoreError, and what
        reading the body raises.
        """
        await body.verify()
        spare = False
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return Put(await self._send(key, body, payload, headers, once), spare)
            except (ClientError, BotoCoreError) as error:
                if once or attempt == ATTEMPTS or not may_pass(error):
                    raise
                spare = spare or pushed_back(error)
            await anyio.sleep(random.uniform(*PAUSE) * 2 ** (attempt - 1))  # noqa: S311 - jitter
        raise AssertionError

    async def aclose(self) -> None:
        """Close connections."""
        await self._wire.aclose()

    async def _send(
        self, key: str, body: NamedBody, payload: str, headers: Mapping[str, str], once: bool
    ) -> dict[str, Any]:
        body.seek(0)
        path = f"{self._prefix}{encoded_path(key)}"
        named = {name.lower(): value for name, value in headers.items()}
        length = int(named.pop("content-length"))
        signed = signed_headers(
            "PUT",
            path,
            {**named, "host": self._host},
            payload=payload,
            keys=await self._signing_keys(),
            region=self._place.region,
            service=self._place.service,
            at=SystemClock().now(),
        )
        asking = Asking(
            "PUT",
            f"{self.root}{path}",
            {**signed, "user-agent": "recording-archiver"},
            upload=body,
            size=length,
            proxy=self._proxy,
            head_seconds=60 + length / SLOWEST,
            once=once,
        )
        said = bytearray()

        def take(chunk: bytes) -> bool:
            said.extend(chunk)
            return len(said) >= ANSWER_LIMIT

        try:
            head = await self._wire.exchange(asking, lambda _: take)
        except WireFailed as failed:
            raise self._as_botocore(failed.trouble) from None
        return _answer(head, bytes(said))

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


def _answer(head: Head, said: bytes) -> dict[str, Any]:
    """As botocore would have it; raises ClientError, ResponseParserError."""
    if 200 <= head.status < 300:
        names = {
            "ChecksumSHA256": "x-amz-checksum-sha256",
            "ChecksumType": "x-amz-checksum-type",
            "VersionId": "x-amz-version-id",
            "ETag": "etag",
            "ServerSideEncryption": "x-amz-server-side-encryption",
        }
        return {name: head.headers[header] for name, header in names.items() if header in head.headers}
    response = {"status_code": head.status, "headers": dict(head.headers), "body": said}
    raise ClientError(create_parser("rest-xml").parse(response, NO_SHAPE), "PutObject")


def may_pass(error: ClientError | BotoCoreError) -> bool:
    """True of trouble that another attempt may not meet."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return status in TRANSIENT or error.response.get("Error", {}).get("Code") in TRANSIENT_CODES
    return isinstance(error, EndpointConnectionError | ConnectTimeoutError | ReadTimeoutError | ConnectionClosedError)

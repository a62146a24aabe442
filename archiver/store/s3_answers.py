"""What the answers of a bucket hold: bytes and checksums."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, Any, BinaryIO

from anyio import from_thread
from botocore.exceptions import IncompleteReadError

from archiver.errors import StoreFailed
from archiver.model import Digest, StoredObject
from archiver.store.interface import Body
from archiver.store.s3_headers import protection_in

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

CHUNK = 1 << 20


def whole_digest(answer: Any) -> Digest | None:
    """The SHA-256 of the whole object as the answer states it, or None; one of checksums (``…-3``) is not it."""
    text = answer.get("ChecksumSHA256")
    if not text or "-" in text or answer.get("ChecksumType") == "COMPOSITE":
        return None
    return Digest("sha256", base64.b64decode(text).hex())


def is_md5_of(answer: Any, body: Body) -> bool:
    """True if the answer's ETag is the MD5 of the body, which only a store that has these bytes can tell.

    False proves nothing: with KMS, and at some stores, an ETag is something else.
    """
    etag = re.fullmatch(r'"?([0-9a-f]{32})"?', answer.get("ETag", ""))
    if etag is None or answer.get("ServerSideEncryption", "").startswith("aws:kms"):
        return False
    hashed = hashlib.md5(usedforsecurity=False)
    with body.open() as stream:
        while chunk := stream.read(CHUNK):
            from_thread.check_cancelled()
            hashed.update(chunk)
    return hashed.hexdigest() == etag[1]


def taken(key: str, copy: BinaryIO | None, answer: GetObjectOutputTypeDef) -> StoredObject:
    """The object by its bytes, which become what ``copy`` holds."""
    hashed, size = hashlib.sha256(), 0
    if copy is not None:
        copy.seek(0)
        copy.truncate()
    for chunk in answer["Body"].iter_chunks(CHUNK):
        from_thread.check_cancelled()
        hashed.update(chunk)
        size += len(chunk)
        if copy is not None:
            copy.write(chunk)
    found = Digest("sha256", hashed.hexdigest())
    return StoredObject(key, size, found, answer.get("VersionId"), protection_in(answer))


def limited(key: str, limit: int, answer: GetObjectOutputTypeDef) -> bytes:
    """All bytes; StoreFailed if there are more than ``limit``, without reading them."""
    size = answer["ContentLength"]
    data = answer["Body"].read(limit + 1) if size <= limit else b""
    if size > limit or len(data) > limit:
        raise StoreFailed(f"{key} has {size} bytes, more than the {limit} that were expected")
    if len(data) != size:
        raise IncompleteReadError(actual_bytes=len(data), expected_bytes=size)
    return data

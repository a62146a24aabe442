"""What every put says to an S3 store besides its bytes: pure, so that any client can send it.

The names are HTTP headers; ``arguments`` gives the same to botocore.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from archiver.model import Digest, Protection, Retention, RetentionMode

_ARGUMENT = {
    "Content-Length": "ContentLength",
    "Content-Type": "ContentType",
    "If-None-Match": "IfNoneMatch",
    "x-amz-checksum-sha256": "ChecksumSHA256",
    "x-amz-sdk-checksum-algorithm": "ChecksumAlgorithm",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "x-amz-storage-class": "StorageClass",
    "x-amz-expected-bucket-owner": "ExpectedBucketOwner",
    "x-amz-object-lock-mode": "ObjectLockMode",
    "x-amz-object-lock-retain-until-date": "ObjectLockRetainUntilDate",
    "x-amz-object-lock-legal-hold": "ObjectLockLegalHoldStatus",
}


@dataclass(frozen=True, slots=True)
class Placing:
    """How objects are to lie in the bucket, as configured; None leaves it to the bucket."""

    encryption: str | None = None
    """``AES256``, ``aws:kms`` or ``aws:kms:<key ARN>``."""
    storage_class: str | None = None
    bucket_owner: str | None = None
    """The account id that the bucket has to belong to."""

    def headers(self) -> dict[str, str]:
        """Of every put."""
        algorithm, key = self.encryption, None
        if algorithm is not None and algorithm.startswith("aws:kms:"):
            algorithm, key = "aws:kms", algorithm.removeprefix("aws:kms:")
        found = {
            "x-amz-server-side-encryption": algorithm,
            "x-amz-server-side-encryption-aws-kms-key-id": key,
            "x-amz-storage-class": self.storage_class,
            "x-amz-expected-bucket-owner": self.bucket_owner,
        }
        return {name: value for name, value in found.items() if value is not None}


def put_headers(
    size: int, digest: Digest, mediatype: str, placing: Placing, protection: Protection | None = None
) -> dict[str, str]:
    """Of a create-only put of ``size`` bytes with this SHA-256, under this protection."""
    return {
        "Content-Length": str(size),
        "Content-Type": mediatype,
        "If-None-Match": "*",
        "x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(digest.hex)).decode(),
        **placing.headers(),
        **lock_headers(protection or Protection()),
    }


def lock_headers(protection: Protection) -> dict[str, str]:
    """The lock of an object, from its first moment on."""
    headers = {}
    if protection.retention is not None:
        until = protection.retention.until.astimezone(UTC)
        headers["x-amz-object-lock-mode"] = protection.retention.mode.value.upper()
        headers["x-amz-object-lock-retain-until-date"] = f"{until:%Y-%m-%dT%H:%M:%SZ}"
    if protection.legal_hold:
        headers["x-amz-object-lock-legal-hold"] = "ON"
    if headers:  # S3 demands it (or Content-MD5) of a put under a lock, whatever other checksum the put carries
        headers["x-amz-sdk-checksum-algorithm"] = "SHA256"
    return headers


def arguments(headers: Mapping[str, str]) -> dict[str, Any]:
    """The same as arguments of botocore's ``put_object``."""
    found: dict[str, Any] = {_ARGUMENT[name]: value for name, value in headers.items()}
    if "ContentLength" in found:
        found["ContentLength"] = int(found["ContentLength"])
    return found


def protection_in(answer: Mapping[str, Any]) -> Protection | None:
    """The lock that botocore's answer to a HEAD or GET states; None if it states none."""
    mode, until = answer.get("ObjectLockMode"), answer.get("ObjectLockRetainUntilDate")
    retention = None
    if mode is not None and isinstance(until, datetime):
        retention = Retention(RetentionMode(mode.lower()), until.astimezone(UTC).replace(microsecond=0))
    found = Protection(retention, answer.get("ObjectLockLegalHoldStatus") == "ON")
    return None if found == Protection() else found

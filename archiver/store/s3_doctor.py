"""Pre-flight of a bucket: what it promises is tried out, because some servers answer 200 and ignore what was asked."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from archiver.model import Check
from archiver.store.s3_errors import BUSY, DENIED, REFUSED, UNUSABLE, code_of, status_of
from archiver.store.s3_headers import Placing, arguments
from archiver.store.s3_lock_doctor import LockDoctor

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

OTHER = b"other bytes"


class Doctor:
    """Puts probes under ``key`` and looks at what came of it. Blocking; raises what botocore raises."""

    def __init__(self, client: S3Client, bucket: str, key: str, placing: Placing) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._wrong_key = f"{key}-wrong-checksum"
        self._owner = LockDoctor(client, bucket, key, placing).owner
        self._options = arguments(placing.headers())
        self._data = secrets.token_bytes(64)
        self._last = self._data
        """What the probe was put as."""

    def checks(self) -> list[Check]:
        """All findings. What was put is removed again, if that is allowed, however the checks end."""
        self._client.head_bucket(Bucket=self._bucket)
        found = [Check("bucket", True, f"{self._bucket} answers"), *self._owner()]
        try:
            self._put(self._key, self._data, self._data)
        except ClientError as error:
            if not self._placed() or status_of(error) not in (400, 501) or code_of(error) in UNUSABLE:
                raise
            return [*found, self._not_as_configured(code_of(error))]
        try:
            found += [self._create_only(), self._read_back(), self._checksum(), self._as_configured()]
        finally:
            removed = self._remove()
        return [*found, removed, *self._facts()]

    def _put(self, key: str, data: bytes, named: bytes) -> Any:
        """Put ``data`` with the checksum of ``named``."""
        checksum = base64.b64encode(hashlib.sha256(named).digest()).decode()
        return self._client.put_object(
            Bucket=self._bucket, Key=key, Body=data, ChecksumSHA256=checksum, IfNoneMatch="*", **self._options
        )

    def _create_only(self) -> Check:
        try:
            self._put(self._key, OTHER, OTHER)
        except ClientError as error:
            if code_of(error) not in REFUSED | BUSY:
                raise
            return Check("create-only", True, "a second put of a key is refused")
        self._last = OTHER
        fact = "the store ignores If-None-Match: a second put replaced the first; archived audio could be overwritten"
        return Check("create-only", False, fact, "use a store that honours it, or a newer version of this one")

    def _read_back(self) -> Check:
        answer = self._client.get_object(Bucket=self._bucket, Key=self._key)
        with closing(answer["Body"]) as body:
            equal = body.read() == self._last
        if equal:
            return Check("read back", True, "a probe was read back equal")
        return Check("read back", False, "a probe was read back different", "do not archive into this store")

    def _checksum(self) -> Check:
        """Does the store compare bodies with their checksum? If not, an echo of the checksum must not mean anything."""
        try:
            answer = self._put(self._wrong_key, self._data, OTHER)
        except ClientError as error:
            if status_of(error) != 400:
                raise
            return Check("checksum", True, "a body with a wrong SHA-256 is refused")
        if answer.get("ChecksumSHA256") is None:
            return Check(
                "checksum", True, "the store does not compare SHA-256: every object is read back after its put"
            )
        fact = "the store echoes a wrong SHA-256 as if it had compared it: damage on the way would not be noticed"
        return Check("checksum", False, fact, "use TLS to it, and audit with --deep; or use a store that compares")

    def _as_configured(self) -> Check:
        answer: Mapping[str, Any] = self._client.head_object(Bucket=self._bucket, Key=self._key)
        ignored = [
            f"{name} {wanted} (is {answer.get(name) or 'not set'})"
            for name, wanted in self._placed().items()
            if answer.get(name, "STANDARD" if name == "StorageClass" else None) != wanted
        ]
        if ignored:
            fact = "the store answered 200 and ignored " + ", ".join(ignored)
            return Check("as configured", False, fact, "correct destination.encryption, or the store")
        encrypted = answer.get("ServerSideEncryption") or "none that the store would name"
        return Check("as configured", True, f"encryption of new objects: {encrypted}")

    def _placed(self) -> dict[str, str]:
        """What the configuration asks of every object."""
        names = ("ServerSideEncryption", "SSEKMSKeyId", "StorageClass")
        return {name: self._options[name] for name in names if name in self._options}

    def _not_as_configured(self, code: str) -> Check:
        asked = ", ".join(f"{name} {wanted}" for name, wanted in self._placed().items())
        fact = f"the store refuses objects with {asked} ({code})"
        remedy = "correct destination.encryption and destination.storage_class to what the store has, or leave them out"
        return Check("as configured", False, fact, remedy)

    def _remove(self) -> Check:
        try:
            for key in (self._key, self._wrong_key):
                self._client.delete_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if code_of(error) not in DENIED:
                return Check("deletion", True, f"the probe {self._key} could not be removed ({code_of(error)})")
            return Check("deletion", True, f"denied, as it should be for a writer; the probe {self._key} stays")
        fact = "these credentials may delete objects; archiving does not need that"
        return Check("deletion", True, fact, "take s3:DeleteObject away from them")

    def _facts(self) -> Iterator[Check]:
        yield self._fact("versioning", self._versioning)
        yield self._fact("object lock", self._object_lock)

    def _fact(self, name: str, read: Callable[[], str]) -> Check:
        """A setting of the bucket that these credentials need not be able to read."""
        try:
            return Check(name, True, read())
        except ClientError as error:
            if status_of(error) == 404:  # ObjectLockConfigurationNotFoundError: the bucket was made without
                return Check(name, True, "off")
            return Check(name, True, f"not known ({code_of(error)})")

    def _versioning(self) -> str:
        return str(self._client.get_bucket_versioning(Bucket=self._bucket).get("Status", "off")).lower()

    def _object_lock(self) -> str:
        answer = self._client.get_object_lock_configuration(Bucket=self._bucket)["ObjectLockConfiguration"]
        rule = answer.get("Rule", {}).get("DefaultRetention")
        return f"default retention: {rule}" if rule else str(answer.get("ObjectLockEnabled", "off")).lower()

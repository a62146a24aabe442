"""Object Lock on single versions: read, extended, held, and at the end deleted. Blocking, like the client.

A change is believed only after it was read back: some servers answer 200 and keep nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from archiver.errors import StoreFailed
from archiver.model import Protection, Retention, RetentionMode
from archiver.store.interface import Deleted, Deletion, Refused, Version
from archiver.store.s3_errors import ABSENT, DENIED, code_of
from archiver.store.s3_headers import protection_in
from archiver.store.s3_versions import NO_VERSION

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

NOT_HELD_HINT = (
    "run `archiver doctor`; the bucket needs Object Lock, and the credentials s3:GetObjectRetention and"
    " s3:GetObjectLegalHold to see it"
)
NO_LOCK_HINT = "switch on versioning and Object Lock for the bucket, or leave retention.classes empty"
_GONE = ABSENT | {"NoSuchVersion", "MethodNotAllowed", "405"}
"""Of a HEAD: a mark of deletion answers 405."""


class ObjectLocks:
    """Locks below ``root`` in a bucket. Raises what botocore raises, and StoreFailed."""

    def __init__(self, client: S3Client, bucket: str, root: str) -> None:
        self._client = client
        self._bucket = bucket
        self._root = root

    def versions(self, key: str) -> Sequence[Version]:
        """As the port says; marks of deletion are among them."""
        wanted = self._root + key
        found: list[tuple[Any, Version]] = []
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=wanted)
        for page in pages:
            versions = [(item, Version(_named(item["VersionId"]), item["Size"])) for item in page.get("Versions", ())]
            versions += [
                (mark, Version(_named(mark["VersionId"]), 0, deletion=True))  # type: ignore[misc]
                for mark in page.get("DeleteMarkers", ())
            ]
            found += [(item["LastModified"], version) for item, version in versions if item["Key"] == wanted]
        found.sort(key=lambda pair: pair[0], reverse=True)
        return [version for _, version in found]

    def protection(self, key: str, version_id: str | None) -> Protection | None:
        """As the port says: of one HEAD."""
        try:
            answer = self._client.head_object(Bucket=self._bucket, Key=self._root + key, **_version(version_id))
        except ClientError as error:
            if code_of(error) not in _GONE:
                raise
            return None
        return protection_in(answer) or Protection()

    def extend(self, key: str, version_id: str | None, retention: Retention) -> Retention | None:
        """As the port says. The store refuses to shorten by itself if another writer was faster with more."""
        held = self.protection(key, version_id)
        if held is None:
            return None
        wanted = retention.joined(held.retention)
        if wanted != held.retention:
            self._client.put_object_retention(
                Bucket=self._bucket,
                Key=self._root + key,
                Retention={
                    "Mode": "COMPLIANCE" if wanted.mode is RetentionMode.COMPLIANCE else "GOVERNANCE",
                    "RetainUntilDate": wanted.until,
                },
                **_version(version_id),
            )
            held = self.protection(key, version_id) or Protection()
        if held.retention is None or held.retention.joined(wanted) != held.retention:
            raise StoreFailed(f"the store answered 200 but does not hold {key} until {wanted.until}", NOT_HELD_HINT)
        return held.retention

    def hold(self, key: str, version_id: str | None, on: bool) -> bool:
        """As the port says."""
        held = self.protection(key, version_id)
        if held is None:
            return False
        if held.legal_hold is not on:
            self._client.put_object_legal_hold(
                Bucket=self._bucket,
                Key=self._root + key,
                LegalHold={"Status": "ON" if on else "OFF"},
                **_version(version_id),
            )
            held = self.protection(key, version_id) or Protection()
        if held.legal_hold is not on:
            raise StoreFailed(f"the store answered 200 but the legal hold of {key} is as before", NOT_HELD_HINT)
        return True

    def protect(self, key: str, held: Protection | None, wanted: Protection) -> Protection | None:
        """Bring the one version that a key has under ``wanted`` at least; what protects it then."""
        if held is not None and held.covers(wanted):
            return held
        if wanted.retention is not None:
            self.extend(key, None, wanted.retention)
        if wanted.legal_hold:
            self.hold(key, None, True)
        return self.protection(key, None)

    def delete(self, key: str, version_id: str | None) -> Deletion:
        """As the port says: never with a bypass of governance."""
        try:
            self._client.delete_object(Bucket=self._bucket, Key=self._root + key, VersionId=version_id or NO_VERSION)
        except ClientError as error:
            if code_of(error) in ABSENT | {"NoSuchVersion"}:
                return Deleted()
            if code_of(error) not in DENIED:
                raise
            return Refused(self.protection(key, version_id))
        return Deleted()


def _named(version_id: str) -> str | None:
    return None if version_id == NO_VERSION else version_id


def _version(version_id: str | None) -> dict[str, Any]:
    return {} if version_id is None else {"VersionId": version_id}

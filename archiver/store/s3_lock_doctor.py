"""Does the bucket enforce Object Lock? Tried out: some servers answer 200, echo the lock, and delete all the same."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from archiver.model import Check, Digest, Protection, Retention, RetentionMode
from archiver.store.s3_errors import DENIED, code_of, status_of
from archiver.store.s3_headers import Placing, arguments, protection_in, put_headers

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

LOCKED = timedelta(seconds=60)
"""For so long a probe stays: governance mode, so that an administrator could lift it."""
NOBODY = "000000000000"
WEAKER = "this store echoes locks without enforcing them: use one that does, or treat the archive as unprotected"
SWITCH_ON = "make the bucket with Object Lock (it switches versioning on), or ask for it to be enabled"


class LockDoctor:
    """Puts probes whose keys begin with ``key``. Blocking; raises what botocore raises."""

    def __init__(self, client: S3Client, bucket: str, key: str, placing: Placing) -> None:
        self._client = client
        self._bucket = bucket
        self._key = f"{key}-locked"
        self._free_key = f"{key}-unlocked"
        self._placing = placing

    def checks(self) -> Iterator[Check]:
        """All findings, in order; ends early where there is nothing to try."""
        now = self._server_time()
        wanted = Protection(Retention(RetentionMode.GOVERNANCE, now + LOCKED))
        yield self._setting("versions kept", self._versioned)
        yield self._setting("lock enabled", self._lockable)
        try:
            version = self._put(self._key, wanted)
        except ClientError as error:
            fact = f"a put under a lock is refused ({code_of(error)})"
            remedy = f"{SWITCH_ON}; and give these credentials s3:PutObjectRetention"
            yield Check("lock set", False, fact, remedy)
            return
        held = self._held(version)
        if held is None or not held.covers(wanted):
            fact = "a put under a lock was answered 200, and the lock cannot be read back"
            yield Check("lock set", False, fact, f"give s3:GetObjectRetention to these credentials; else: {SWITCH_ON}")
            return
        yield Check("lock set", True, "a put under a lock was read back with it")
        yield self._shortened(version, now)
        yield self._deleted(version)

    def owner(self) -> Iterator[Check]:
        """Is the bucket's owner compared, where one is expected?"""
        if self._placing.bucket_owner is None:
            return
        try:
            self._client.head_bucket(Bucket=self._bucket, ExpectedBucketOwner=NOBODY)
        except ClientError as error:
            if status_of(error) not in (400, 403):
                raise
            yield Check("bucket owner", True, f"is {self._placing.bucket_owner}, and no other would be accepted")
            return
        fact = "the store does not compare the expected owner: a bucket of somebody else would be accepted as well"
        yield Check("bucket owner", False, fact, "remove destination.expected_bucket_owner, or use a store that does")

    def _server_time(self) -> datetime:
        headers = self._client.head_bucket(Bucket=self._bucket)["ResponseMetadata"]["HTTPHeaders"]
        return parsedate_to_datetime(headers["date"]).replace(microsecond=0)

    def _setting(self, name: str, read: Any) -> Check:
        try:
            on = read()
        except ClientError as error:
            if status_of(error) != 404:
                return Check(name, True, f"these credentials may not read the setting ({code_of(error)}); tried below")
            on = False
        return Check(name, on, "enabled" if on else "off", "" if on else SWITCH_ON)

    def _versioned(self) -> bool:
        return self._client.get_bucket_versioning(Bucket=self._bucket).get("Status") == "Enabled"

    def _lockable(self) -> bool:
        answer = self._client.get_object_lock_configuration(Bucket=self._bucket)
        return answer["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled"

    def _put(self, key: str, protection: Protection | None) -> str | None:
        data = secrets.token_bytes(16)
        headers = put_headers(len(data), Digest.sha256_of(data), "application/octet-stream", self._placing, protection)
        version: str | None = self._client.put_object(
            Bucket=self._bucket, Key=key, Body=data, **arguments(headers)
        ).get("VersionId")
        return version

    def _held(self, version: str | None) -> Protection | None:
        return protection_in(self._client.head_object(Bucket=self._bucket, Key=self._key, **_named(version)))

    def _shortened(self, version: str | None, now: datetime) -> Check:
        try:
            self._client.put_object_retention(
                Bucket=self._bucket,
                Key=self._key,
                Retention={"Mode": "GOVERNANCE", "RetainUntilDate": now + LOCKED / 2},
                **_named(version),
            )
        except ClientError as error:
            if status_of(error) not in (400, 403):
                raise
            return Check("lock kept", True, "a lock cannot be shortened")
        return Check("lock kept", False, "a lock was shortened without a bypass", WEAKER)

    def _deleted(self, version: str | None) -> Check:
        may_delete = self._may_delete()
        try:
            self._client.delete_object(Bucket=self._bucket, Key=self._key, VersionId=version or "null")
        except ClientError as error:
            if code_of(error) not in DENIED:
                raise
            if may_delete:
                words = "a locked version cannot be deleted by credentials that may delete others"
            else:
                words = (
                    "a locked version cannot be deleted; these credentials may delete nothing at all, so that the lock"
                    " is proved only by a doctor with those for disposal"
                )
            return Check("lock enforced", True, f"{words} (the probe {self._key} is locked for a minute)")
        with suppress(ClientError):
            if self._held(version) is not None:
                return Check(
                    "lock enforced", True, "a deletion was answered 200, and the locked version is still there"
                )
        return Check("lock enforced", False, "a locked version was deleted", WEAKER)

    def _may_delete(self) -> bool:
        version = self._put(self._free_key, None)
        try:
            self._client.delete_object(Bucket=self._bucket, Key=self._free_key, VersionId=version or "null")
        except ClientError as error:
            if code_of(error) not in DENIED:
                raise
            return False
        return True


def _named(version: str | None) -> dict[str, Any]:
    return {} if version is None else {"VersionId": version}

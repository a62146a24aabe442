"""What credentials need, and no more: an IAM policy for each of three roles. Tests hold it to what is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

LIST = ("s3:ListBucket", "s3:ListBucketVersions")
SETTINGS = ("s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration")
READ = ("s3:GetObject", "s3:GetObjectVersion")
READ_LOCKS = ("s3:GetObjectRetention", "s3:GetObjectLegalHold")


class Role(StrEnum):
    """Who uses the credentials."""

    JOB = "job"  # archiver run, doctor, audit, reconcile, manifest, retention apply: puts and extends, deletes nothing
    HOLD = "hold"  # archiver hold: sets and lifts legal holds
    DISPOSAL = "disposal"  # archiver dispose: deletes versions that nothing locks


def policy(
    role: Role, bucket: str, prefix: str, *, kms_key: str | None = None, snapshots: bool = False
) -> dict[str, Any]:
    """The policy as JSON values. ``prefix`` without slashes at its ends; ``kms_key`` is the ARN of the bucket's key.

    No role may bypass governance. Deletion is for disposal alone, except of old copies of the manifest (``snapshots``).
    """
    partition = kms_key.split(":")[1] if kms_key else "aws"
    arn = f"arn:{partition}:s3:::{bucket}"

    def below(*areas: str) -> list[str]:
        root = f"{arn}/{prefix}/" if prefix else f"{arn}/"
        return [f"{root}{area}*" for area in areas]

    statements = [
        _allow("List", LIST, [arn], {"StringLikeIfExists": {"s3:prefix": [f"{prefix}/*" if prefix else "*"]}}),
        _allow("Settings", SETTINGS, [arn]),
        _allow("Read", (*READ, *READ_LOCKS), below("")),
    ]
    match role:
        case Role.JOB:
            put = ("s3:PutObject", "s3:PutObjectRetention", "s3:PutObjectLegalHold")
            statements.append(_allow("Archive", put, below("")))
        case Role.HOLD:
            statements.append(
                _allow("Order", ("s3:PutObject", "s3:PutObjectRetention"), below("holds/", "recordings/"))
            )
            statements.append(_allow("Hold", ("s3:PutObjectLegalHold",), below("recordings/", "quarantine/")))
        case Role.DISPOSAL:
            statements.append(_allow("Record", ("s3:PutObject",), below("tombstones/", "disposals/")))
            statements.append(_allow("Dispose", ("s3:DeleteObjectVersion",), below("recordings/")))
    if snapshots:
        changing = ("s3:PutObject", "s3:DeleteObjectVersion")
        statements.append(_allow("Snapshots", changing, below("manifest/")))
    if kms_key:
        statements.append(_allow("Key", ("kms:GenerateDataKey", "kms:Decrypt"), [kms_key]))
    statements.append(
        {"Sid": "NeverBypass", "Effect": "Deny", "Action": ["s3:BypassGovernanceRetention"], "Resource": [f"{arn}/*"]}
    )
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(
    sid: str, actions: Sequence[str], resources: Sequence[str], condition: dict[str, Any] | None = None
) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return statement | ({"Condition": condition} if condition else {})

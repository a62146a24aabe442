"""The doctor and the bucket's promises: locks that hold, locks that are only echoed, the wrong owner."""

from __future__ import annotations

import json
from typing import Any

import pytest

from archiver.sandbox import World
from tests.s3 import servers
from tests.s3.conftest import LockingBucket
from tests.stories.conftest import NewOperator
from tests.stories.operator import Operator

KEPT: dict[str, Any] = {"classes": {"usual": {"years": 7}}}


@pytest.fixture
def someone(operator: NewOperator, bucket: LockingBucket) -> Operator:
    return operator(World.generate(seed=1, recordings=1, days=1), bucket)


def checks(someone: Operator, **sections: Any) -> dict[str, tuple[bool, str, str]]:
    result = someone.types("doctor", "--json", **sections)
    found = {event["name"]: (event["passed"], event["fact"], event["remedy"]) for event in result.of("check")}
    assert (result.exit_code == 10) == any(not passed for passed, _, _ in found.values()), result.stderr
    return found


def test_a_bucket_that_enforces(someone: Operator, bucket: LockingBucket) -> None:
    found = checks(someone, retention=KEPT)
    if servers.RADOSGW:
        passed, fact, remedy = found.pop("create-only")
        assert (passed, fact.partition(":")[0]) == (False, "the store ignores If-None-Match")
        assert remedy
    assert [each for each in found.items() if not each[1][0]] == []
    assert found["versions kept"][1] == found["lock enabled"][1] == "enabled"
    assert found["lock kept"][1] == "a lock cannot be shortened"
    assert "by credentials that may delete others" in found["lock enforced"][1]
    (probe,) = [key for key, protection in bucket.protections("doctor/").items() if protection is not None]
    assert probe in found["lock enforced"][1]


def test_without_a_policy_no_probe_is_locked(someone: Operator, bucket: LockingBucket) -> None:
    assert "lock set" not in checks(someone)
    assert set(bucket.protections("doctor/").values()) <= {None}


def test_a_bucket_that_only_echoes(someone: Operator, bucket: LockingBucket) -> None:
    bucket.name = f"{bucket.name}-plain"
    bucket.client.create_bucket(Bucket=bucket.name)
    found = checks(someone, retention=KEPT)
    assert not found["lock enabled"][0]
    assert not found["versions kept"][0]
    weak = [name for name in ("lock set", "lock kept", "lock enforced") if name in found and not found[name][0]]
    assert weak, found
    assert all(found[name][2] for name in weak)


def test_storage_class_and_encryption_are_read_back(someone: Operator, bucket: LockingBucket) -> None:
    placed = {"encryption": "AES256", "storage_class": "STANDARD_IA"}
    found = checks(someone, destination=placed)
    if servers.RADOSGW:  # without TLS it encrypts nothing, and has no such class unless it is given one
        passed, fact, remedy = found["as configured"]
        assert not passed
        assert "STANDARD_IA" in fact
        assert "destination.storage_class" in remedy
        return
    assert found["as configured"][0]
    assert someone.runs(destination=placed).exit_code == 0
    for version in bucket.versions("recordings/"):
        held = bucket.client.head_object(Bucket=bucket.name, Key=version["Key"])
        assert (held["StorageClass"], held["ServerSideEncryption"]) == ("STANDARD_IA", "AES256")


def test_the_wrong_owner_is_refused_or_the_store_is_named(someone: Operator) -> None:
    found = checks(someone, destination={"expected_bucket_owner": "123456789012"})
    passed, fact, remedy = found.get("bucket owner", found["bucket"])
    assert not passed
    assert "owner" in fact or "access denied" in fact
    assert remedy


def test_a_policy_is_printed_and_nothing_is_asked(someone: Operator, bucket: LockingBucket) -> None:
    result = someone.types("doctor", "--policy", "disposal")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["Version"] == "2012-10-17"
    assert bucket.versions() == []

"""Disposal from a bucket that enforces: every version goes, what is locked or held stays, and a kill is made good."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from archiver.sandbox import World
from tests.s3 import servers
from tests.s3.conftest import LockingBucket
from tests.s3.dying import dies
from tests.stories.conftest import NewOperator
from tests.stories.disposing import OVER, approve, certificate, lose_manifest, plan
from tests.stories.operator import Operator


@pytest.fixture
def archived(operator: NewOperator, bucket: LockingBucket) -> Operator:
    someone = operator(World.generate(seed=1, recordings=12, days=2), bucket)
    someone.settings["retention"] = OVER
    assert someone.runs().exit_code == 0
    return someone


def everything(bucket: LockingBucket) -> list[tuple[str, str]]:
    """Versions and marks of deletion below recordings/."""
    found: list[tuple[str, str]] = []
    pages = bucket.client.get_paginator("list_object_versions").paginate(Bucket=bucket.name, Prefix="voice/recordings/")
    for page in pages:
        items = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        found += [(item["Key"], item["VersionId"]) for item in items]
    return found


def test_every_version_goes_and_every_mark(archived: Operator, bucket: LockingBucket) -> None:
    one, two, *_ = sorted({key for key, _ in everything(bucket) if not key.endswith(".json")})
    bucket.client.put_object(Bucket=bucket.name, Key=one, Body=b"written over by somebody")
    bucket.client.delete_object(Bucket=bucket.name, Key=two)
    before = everything(bucket)
    assert len(before) == 24 + 2
    path = plan(archived)
    assert everything(bucket) == before
    result = approve(archived, path)
    assert result.exit_code == 0, result.stderr
    assert everything(bucket) == []
    said = certificate(path)
    assert sum(len(each["objects"]) for each in said["disposed"]) == len(before)
    assert archived.runs().summary["already_archived"] == 12
    lose_manifest(archived)
    assert archived.runs().summary["already_archived"] == 12
    assert everything(bucket) == []


def test_what_was_locked_or_held_since_the_plan_stays(archived: Operator, bucket: LockingBucket) -> None:
    path = plan(archived)
    locked, held = (each.id for each in archived.sandbox.world.recordings()[:2])
    for key, version in everything(bucket):
        named = {"Bucket": bucket.name, "Key": key, "VersionId": version}
        if locked in key and not key.endswith(".json"):
            until = datetime.now(UTC) + timedelta(hours=1)
            bucket.client.put_object_retention(**named, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
        if held in key and key.endswith(".json"):
            bucket.client.put_object_legal_hold(**named, LegalHold={"Status": "ON"})
    result = approve(archived, path)
    assert result.exit_code == 4
    said = certificate(path)
    reasons = {each["recording_id"]: each["reason"].rpartition(" is ")[2] for each in said["kept"]}
    assert reasons == {locked: "locked", held: "under a legal hold"}
    assert len(everything(bucket)) == 4
    assert archived.archived().keys() == {locked, held}
    assert archived.types("audit", "--json").exit_code == 0
    assert not [key for key in bucket.objects() if key.startswith("tombstones/") and (locked in key or held in key)]
    assert len(plan(archived, "next.json").read_text()) < len(path.read_text())


@pytest.mark.parametrize("lost", [False, True], ids=["manifest kept", "manifest lost"])
def test_a_disposal_that_was_killed_is_finished_by_the_same_plan(
    archived: Operator, bucket: LockingBucket, lost: bool
) -> None:
    path = plan(archived)
    dies(archived, "delete", 7, "dispose", "--approve", str(path))
    assert len(everything(bucket)) == 24 - 7
    if lost:
        lose_manifest(archived)

    downloads = len(archived.sandbox.downloads())
    assert archived.runs().exit_code == 0
    assert len(archived.sandbox.downloads()) == downloads, "something returned"
    result = approve(archived, path)
    assert result.exit_code == 0, result.stderr
    assert everything(bucket) == []
    assert len(certificate(path)["disposed"]) == 12
    assert len(bucket.versions("tombstones/")) == 12
    assert archived.types("audit", "--json").exit_code == 0


def test_copies_go_as_well_but_for_what_is_locked_there(
    operator: NewOperator, new_locking_bucket: Callable[[], LockingBucket]
) -> None:
    """Killed between two deletions in the second bucket, and finished by the same plan."""
    first, second = new_locking_bucket(), new_locking_bucket()
    someone = operator(World.generate(seed=1, recordings=6, days=2), first)
    someone.settings = {"retention": OVER, "second_destination": second.section}
    assert someone.runs().exit_code == 0
    assert len(everything(second)) == 12
    path = plan(someone)
    key, version = everything(second)[-1]
    named = {"Bucket": second.name, "Key": key, "VersionId": version}
    second.client.put_object_legal_hold(**named, LegalHold={"Status": "ON"})

    dies(someone, "delete", 12 + 3, "dispose", "--approve", str(path))

    assert (everything(first), len(everything(second))) == ([], 12 - 3)
    assert approve(someone, path).exit_code == 4
    (stayed,) = certificate(path)["second_destination"]["stayed"]
    assert stayed["reason"] == f"{key.removeprefix('voice/')} is under a legal hold there"
    assert {left.partition(".")[0] for left, _ in everything(second)} == {key.partition(".")[0]}
    assert someone.types("audit", "--destination", "second", "--json").exit_code == 0
    second.client.put_object_legal_hold(**named, LegalHold={"Status": "OFF"})
    assert approve(someone, path).exit_code == 0
    assert everything(second) == []
    tombstones = [each["Key"] for each in second.versions("tombstones/")]
    assert len(set(tombstones) if servers.RADOSGW else tombstones) == 6, "there a second put makes a second version"

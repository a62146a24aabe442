"""A second bucket that locks as the first does: copies are held as long, and copies of the manifest in neither."""

from __future__ import annotations

from collections.abc import Callable

from archiver.sandbox import World
from tests.s3.conftest import LockingBucket
from tests.s3.test_retention import RETENTION
from tests.stories.conftest import NewOperator


def test_down_then_caught_up_and_locked_as_the_first(
    operator: NewOperator, new_locking_bucket: Callable[[], LockingBucket]
) -> None:
    first, second = new_locking_bucket(), new_locking_bucket()
    someone = operator(World.generate(seed=7, recordings=6, days=2), first)
    someone.settings = {"retention": RETENTION, "manifest": {"snapshot": True}}
    down = {**second.section, "endpoint_url": "http://127.0.0.1:9"}
    assert someone.runs(second_destination=down).exit_code == 3
    assert someone.archived() == someone.truth()
    assert second.versions() == []

    result = someone.runs(second_destination=second.section)

    assert result.exit_code == 0, result.stderr
    held = {key: each for key, each in first.protections("").items() if not key.startswith("manifest/")}
    assert second.protections("") == held
    assert all(each.retention for key, each in held.items() if key.startswith("recordings/"))
    copies = first.protections("manifest/")
    assert copies
    assert not any(each and each.retention for each in copies.values()), "they must go some day"


def test_old_snapshots_are_deleted_for_good(operator: NewOperator, bucket: LockingBucket) -> None:
    """Version by version: no mark stays that a listing would have to step over."""
    someone = operator(World.generate(seed=8, recordings=1, days=1), bucket)
    someone.settings = {"manifest": {"snapshot": True}}
    for _ in range(7):
        assert someone.runs().exit_code == 0
    pages = bucket.client.list_object_versions(Bucket=bucket.name, Prefix="voice/manifest/")
    assert len(pages["Versions"]) == 10
    assert pages.get("DeleteMarkers", []) == []

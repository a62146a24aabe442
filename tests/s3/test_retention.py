"""A policy in the configuration, and what the bucket then holds on to."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from archiver.model import RetentionMode
from archiver.sandbox import CutObject, World
from tests.s3.conftest import LockingBucket
from tests.stories.conftest import NewOperator

RETENTION: dict[str, Any] = {
    "classes": {"usual": {"years": 7}, "short": {"years": 2}},
    "rules": [{"use": "short", "duration_seconds": [None, 5]}],
    "default": "usual",
}


def sidecars(bucket: LockingBucket) -> dict[str, dict[str, Any]]:
    found = (json.loads(data) for key, data in bucket.objects().items() if key.endswith(".vcon.json"))
    return {document["archive"]["recording_id"]: document["archive"] for document in found}


def test_everything_is_locked_from_its_first_moment_on(operator: NewOperator, bucket: LockingBucket) -> None:
    world = World.generate(seed=1, recordings=8, days=2)
    someone = operator(world, bucket)

    result = someone.runs(retention=RETENTION)

    assert result.exit_code == 0, result.stderr
    assert someone.archived() == someone.truth()
    held = bucket.protections()
    told = sidecars(bucket)
    for recording in world.recordings():
        years = 2 if recording.duration < 5 else 7
        until = recording.created_at.replace(year=recording.created_at.year + years)
        said = told[recording.id]
        assert said["retention"] == {
            "class": "short" if years == 2 else "usual",
            "mode": "governance",
            "retain_until": until.isoformat(),
            "missing_facts": [],
        }
        for key in (said["key"], said["key"].rpartition(".")[0] + ".vcon.json"):
            assert held[key].retention.until == until
            assert held[key].retention.mode is RetentionMode.GOVERNANCE
    manifest = sqlite3.connect(someone.manifest)
    rows = manifest.execute("SELECT id, retention_class, retain_until, audio_version, sidecar_version FROM recordings")
    for recording_id, name, until, audio_version, sidecar_version in rows:
        assert name == told[recording_id]["retention"]["class"]
        assert f"{datetime.fromisoformat(until).isoformat()}+00:00" == told[recording_id]["retention"]["retain_until"]
        assert audio_version == told[recording_id]["version_id"]
        assert audio_version
        assert sidecar_version
    manifest.close()
    documents = {**bucket.protections("calls/"), **bucket.protections("periods/")}
    assert {key.partition("/")[0] for key in documents} == {"calls", "periods"}
    for key, protection in documents.items():
        day = key.partition("dt=")[2][:10]
        longest = max(
            datetime.fromisoformat(each["retention"]["retain_until"])
            for each in told.values()
            if f"dt={day}/" in each["key"]
        )
        assert protection.retention.until >= longest, key


def test_the_bucket_refuses_what_the_policy_forbids(operator: NewOperator, bucket: LockingBucket) -> None:
    someone = operator(World.generate(seed=2, recordings=2, days=1), bucket)
    assert someone.runs(retention=RETENTION).exit_code == 0
    for version in bucket.versions("recordings/"):
        with pytest.raises(ClientError, match="AccessDenied"):
            bucket.client.delete_object(Bucket=bucket.name, Key=version["Key"], VersionId=version["VersionId"])
    assert someone.archived() == someone.truth()


def test_rejected_bytes_are_locked_only_where_that_is_wanted(
    operator: NewOperator, bucket: LockingBucket, new_locking_bucket: Any
) -> None:
    def archive(into: LockingBucket, **more: Any) -> dict[str, Any]:
        world = World.generate(seed=3, recordings=3, days=1)
        world.replace(world.recordings()[0].evolve(faults=(CutObject(0.5),)))
        someone = operator(world, into)
        assert someone.runs(retention={**RETENTION, **more}).exit_code == 4
        someone.manifest.unlink()
        return into.protections("quarantine/")

    assert set(archive(bucket).values()) == {None}
    other = new_locking_bucket()
    kept = archive(other, quarantine="short")
    assert len(kept) == 2
    assert all(protection.retention is not None for protection in kept.values())


def test_a_row_without_the_fact_is_kept_longest_and_flagged(operator: NewOperator, bucket: LockingBucket) -> None:
    someone = operator(World.generate(seed=4, recordings=3, days=1), bucket)
    rules = [{"use": "short", "when": {"no_such_field": "x"}}]
    result = someone.runs(retention={**RETENTION, "rules": rules})
    assert result.summary["retention_unclear"] == 3
    for said in sidecars(bucket).values():
        assert said["retention"]["class"] == "usual"
        assert said["retention"]["missing_facts"] == ["no_such_field"]
    assert all("retention_unclear" in event["reasons"] for event in result.of("archived"))


def test_a_time_that_is_over_already_asks_for_no_lock(operator: NewOperator, bucket: LockingBucket) -> None:
    someone = operator(World.generate(seed=5, recordings=3, days=1), bucket)
    assert someone.runs(retention={"classes": {"short": {"days": 1}}}).exit_code == 0
    assert set(bucket.protections().values()) == {None}


def test_a_policy_that_grew_extends_and_one_that_shrank_changes_nothing(
    operator: NewOperator, bucket: LockingBucket
) -> None:
    world = World.generate(seed=7, recordings=4, days=1)
    someone = operator(world, bucket)
    assert someone.runs().exit_code == 0
    assert set(bucket.protections().values()) == {None}

    def apply(years: int) -> dict[str, Any]:
        result = someone.types("retention", "apply", "--json", retention={"classes": {"usual": {"years": years}}})
        assert result.exit_code == 0, result.stderr
        last = result.events[-1]
        return {name: last[name] for name in ("matched", "changed", "documents", "problems")}

    def until() -> set[int]:
        everything = {**bucket.protections(), **bucket.protections("calls/"), **bucket.protections("periods/")}
        return {protection.retention.until.year for protection in everything.values()}

    documents = len(bucket.protections("calls/")) + len(bucket.protections("periods/"))
    assert documents >= 2
    assert apply(5) == {"matched": 4, "changed": 4, "documents": documents, "problems": 0}
    assert until() == {2031}
    assert apply(5) == {"matched": 4, "changed": 0, "documents": 0, "problems": 0}
    assert apply(1) == {"matched": 4, "changed": 0, "documents": 0, "problems": 0}
    assert until() == {2031}
    assert apply(9) == {"matched": 4, "changed": 4, "documents": documents, "problems": 0}
    assert {year for key, year in _years(bucket).items() if "amendment" not in key} == {2035}
    told = [json.loads(data)["facts"] for key, data in sorted(bucket.objects().items()) if "amendment-0002" in key]
    assert [facts["retain_until"][:4] for facts in told] == ["2035"] * 4
    assert someone.types("audit", "--json").exit_code == 0


def _years(bucket: LockingBucket) -> dict[str, int]:
    return {key: protection.retention.until.year for key, protection in bucket.protections().items()}


def test_what_a_reconciliation_writes_is_held_as_long(operator: NewOperator, bucket: LockingBucket) -> None:
    someone = operator(World.generate(seed=5, recordings=12, days=1), bucket)
    assert someone.runs(retention=RETENTION).exit_code == 0
    assert someone.types("reconcile", *someone.days(), retention=RETENTION).exit_code == 0
    held = bucket.protections("")
    told = [key for key in held if ".amendment-" in key]
    assert len(told) == 12
    for key in told:
        assert held[key].retention == held[key.partition(".")[0] + ".vcon.json"].retention
    (document,) = [key for key in held if key.endswith("/reconciliation.json")]
    assert held[document].retention.until >= max(held[key].retention.until for key in told)

"""What each role really asks of S3, call by call, is held to the policy that the program prints for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import pytest
from botocore.client import BaseClient

from archiver.sandbox import CutObject, World
from archiver.store.s3_body import NamedBody
from archiver.store.s3_headers import arguments
from archiver.store.s3_requests import ObjectRequests, Put
from tests.s3.conftest import LockingBucket
from tests.stories.conftest import NewOperator
from tests.stories.disposing import approve, lose_manifest, plan
from tests.stories.operator import Operator

ACTIONS: dict[str, Callable[[dict[str, Any]], set[str]]] = {
    "PutObject": lambda asked: {
        "s3:PutObject",
        *(["s3:PutObjectRetention"] if "ObjectLockMode" in asked else []),
        *(["s3:PutObjectLegalHold"] if "ObjectLockLegalHoldStatus" in asked else []),
    },
    "GetObject": lambda asked: {"s3:GetObjectVersion" if "VersionId" in asked else "s3:GetObject"},
    "HeadObject": lambda asked: {
        "s3:GetObjectVersion" if "VersionId" in asked else "s3:GetObject",
        "s3:GetObjectRetention",  # without them the headers of the lock are left out
        "s3:GetObjectLegalHold",
    },
    "HeadBucket": lambda _: {"s3:ListBucket"},
    "ListObjectsV2": lambda _: {"s3:ListBucket"},
    "ListObjectVersions": lambda _: {"s3:ListBucketVersions"},
    "PutObjectRetention": lambda _: {"s3:PutObjectRetention"},
    "PutObjectLegalHold": lambda _: {"s3:PutObjectLegalHold"},
    "DeleteObject": lambda asked: {"s3:DeleteObjectVersion" if "VersionId" in asked else "s3:DeleteObject"},
    "GetBucketVersioning": lambda _: {"s3:GetBucketVersioning"},
    "GetObjectLockConfiguration": lambda _: {"s3:GetBucketObjectLockConfiguration"},
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, bucket: LockingBucket) -> set[tuple[str, str]]:
    """Actions with the resource that each was asked for, as they happen; the test's own client is left out."""
    found: set[tuple[str, str]] = set()
    real = BaseClient._make_api_call  # type: ignore[attr-defined]

    def recording(self: Any, operation: str, params: dict[str, Any]) -> Any:
        if self is not bucket.client:
            key = f"/{params['Key']}" if "Key" in params else ""
            found.update((action, f"arn:aws:s3:::{bucket.name}{key}") for action in ACTIONS[operation](params))
        return real(self, operation, params)

    put = ObjectRequests.put

    async def putting(
        self: ObjectRequests, key: str, body: NamedBody, payload: str, headers: Mapping[str, str], **once: bool
    ) -> Put:
        params = {**arguments(headers), "Key": key}
        found.update((action, f"arn:aws:s3:::{bucket.name}/{key}") for action in ACTIONS["PutObject"](params))
        return await put(self, key, body, payload, headers, **once)

    head = ObjectRequests.head

    async def heading(self: ObjectRequests, key: str) -> dict[str, Any]:
        found.update((action, f"arn:aws:s3:::{bucket.name}/{key}") for action in ACTIONS["HeadObject"]({"Key": key}))
        return await head(self, key)

    monkeypatch.setattr(BaseClient, "_make_api_call", recording)
    monkeypatch.setattr(ObjectRequests, "head", heading)
    monkeypatch.setattr(ObjectRequests, "put", putting)
    return found


@contextmanager
def role(someone: Operator, asked: set[tuple[str, str]], name: str) -> Iterator[None]:
    """Everything asked in the block is within the printed policy of the role."""
    asked.clear()
    yield
    policy = json.loads(someone.types("doctor", "--policy", name).stdout)
    beyond = {each for each in asked if not allowed(policy, *each)}
    assert not beyond, f"{name} needs more than its policy gives: {sorted(beyond)}"


def allowed(policy: dict[str, Any], action: str, resource: str) -> bool:
    def concerns(statement: dict[str, Any]) -> bool:
        return action in statement["Action"] and any(fnmatchcase(resource, each) for each in statement["Resource"])

    effects = {statement["Effect"] for statement in policy["Statement"] if concerns(statement)}
    return effects == {"Allow"}


def test_every_role_asks_for_no_more_than_its_policy(
    operator: NewOperator, bucket: LockingBucket, asked: set[tuple[str, str]]
) -> None:
    world = World.generate(seed=1, recordings=4, days=1)
    world.replace(world.recordings()[0].evolve(faults=(CutObject(0.5),)))
    someone = operator(world, bucket)
    years = {"classes": {"usual": {"years": 7}}}
    with role(someone, asked, "job"):
        assert someone.runs(retention=years).exit_code == 4
        lose_manifest(someone)
        assert someone.runs(retention=years).exit_code == 4
        assert someone.types("retention", "apply", retention={"classes": {"usual": {"years": 8}}}).exit_code == 0
        assert someone.types("audit", "--deep").exit_code == 0
        assert someone.types("manifest", "rebuild").exit_code == 0
    assert {action for action, _ in asked} >= {
        "s3:PutObject", "s3:PutObjectRetention", "s3:ListBucket", "s3:ListBucketVersions", "s3:GetObject"
    }  # fmt: skip
    assert not {action for action, _ in asked if "Delete" in action}
    with role(someone, asked, "hold"):
        words = ("--matter", "m", "--reason", "r")
        assert someone.types("hold", "add", *words, "--all", retention=years).exit_code == 0
        assert someone.types("hold", "list").exit_code == 0
        assert someone.types("hold", "release", *words, retention=years).exit_code == 0
    assert {action for action, _ in asked} >= {"s3:PutObjectLegalHold"}


def test_disposal_asks_for_no_more_than_its_policy(
    operator: NewOperator, bucket: LockingBucket, asked: set[tuple[str, str]]
) -> None:
    someone = operator(World.generate(seed=2, recordings=2, days=1), bucket)
    someone.settings["retention"] = {"classes": {"short": {"days": 1}}}
    assert someone.runs().exit_code == 0
    with role(someone, asked, "disposal"):
        assert approve(someone, plan(someone)).exit_code == 0
    assert {action for action, _ in asked} >= {"s3:DeleteObjectVersion", "s3:PutObject"}
    assert bucket.versions("recordings/") == []


def test_the_job_cannot_delete_and_nobody_can_bypass(operator: NewOperator, bucket: LockingBucket) -> None:
    someone = operator(World.generate(seed=3, recordings=1, days=1), bucket)
    key = f"arn:aws:s3:::{bucket.name}/voice/recordings/dt=2026-09-22/x.mp3"
    for name in ("job", "hold", "disposal"):
        policy = json.loads(someone.types("doctor", "--policy", name).stdout)
        assert not allowed(policy, "s3:BypassGovernanceRetention", key)
        assert not allowed(policy, "s3:DeleteObject", key)
        assert allowed(policy, "s3:DeleteObjectVersion", key) is (name == "disposal")
        assert allowed(policy, "s3:PutObject", key) is (name != "disposal")
        assert not allowed(policy, "s3:GetObject", f"arn:aws:s3:::{bucket.name}/elsewhere/x")

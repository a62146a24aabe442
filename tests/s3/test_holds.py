"""Legal holds on a bucket that enforces them: set, several on one recording, finished after a crash, lifted last."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest
from botocore.exceptions import ClientError

from archiver.matters import read_orders, write_order
from archiver.rules.hold import Action, Order, Selector
from archiver.sandbox import World
from archiver.store.interface import Store
from tests.s3.conftest import LockingBucket
from tests.s3.dying import dies
from tests.stories.conftest import NewOperator
from tests.stories.operator import Operator, Result


def held(bucket: LockingBucket) -> set[str]:
    """Ids of recordings of which every object is held; of the others none is."""
    by_stem: dict[str, set[bool]] = {}
    for key, protection in bucket.protections().items():
        stem = key.rpartition("/")[2].partition(".")[0]
        if ".amendment-" not in key:
            by_stem.setdefault(stem, set()).add(protection is not None and protection.legal_hold)
    assert all(len(bits) == 1 for bits in by_stem.values()), by_stem
    return {stem for stem, bits in by_stem.items() if bits == {True}}


def matters(bucket: LockingBucket, recording_id: str) -> list[list[str]]:
    """As the amendments of a recording tell them, in order."""
    found = sorted((key, data) for key, data in bucket.objects().items() if f"{recording_id}.amendment-" in key)
    return [json.loads(data)["facts"]["matters"] for _, data in found]


def holds(someone: Operator, action: str, matter: str, *words: str) -> Result:
    return someone.types("hold", action, "--json", "--matter", matter, "--reason", "a letter", *words)


def test_two_matters_on_one_recording(operator: NewOperator, bucket: LockingBucket) -> None:
    world = World.generate(seed=1, recordings=6, days=2)
    someone = operator(world, bucket)
    assert someone.runs().exit_code == 0
    one, two, *_ = (recording.id for recording in world.recordings())

    assert holds(someone, "add", "alpha", "--id", one, "--id", two).events[-1]["changed"] == 2
    assert holds(someone, "add", "beta", "--id", two).exit_code == 0
    assert held(bucket) == {one, two}
    for version in bucket.versions("recordings/"):
        if one in version["Key"] and "amendment" not in version["Key"]:
            with pytest.raises(ClientError, match="AccessDenied"):
                bucket.client.delete_object(Bucket=bucket.name, Key=version["Key"], VersionId=version["VersionId"])

    again = holds(someone, "add", "beta", "--id", two)
    assert (again.events[-1]["matched"], again.events[-1]["changed"]) == (1, 0)

    assert holds(someone, "release", "alpha").exit_code == 0
    assert held(bucket) == {two}
    assert holds(someone, "release", "beta").exit_code == 0
    assert held(bucket) == set()
    assert matters(bucket, one) == [["alpha"], []]
    assert matters(bucket, two) == [["alpha"], ["alpha", "beta"], ["beta"], []]
    listed = someone.types("hold", "list", "--json")
    assert [(each["matter"], each["action"]) for each in listed.of("order")] == [
        ("alpha", "add"), ("alpha", "release"), ("beta", "add"), ("beta", "release")
    ]  # fmt: skip
    assert someone.types("audit", "--json").exit_code == 0


def test_what_is_archived_later_is_held_at_once(operator: NewOperator, bucket: LockingBucket) -> None:
    world = World.generate(seed=2, recordings=6, days=1)
    someone = operator(world, bucket)
    number = world.recordings()[0].call_from
    wanted = {each.id for each in world.recordings() if number in (each.call_from, each.call_to)}
    assert someone.runs("--limit", "1").exit_code == 13
    assert holds(someone, "add", "case", "--number", f"+{number}").exit_code == 0
    assert someone.runs().exit_code == 0
    assert held(bucket) == wanted
    assert all(number not in version["Key"] for version in bucket.versions())

    for path in someone.home.glob("manifest.db*"):
        path.unlink()
    assert someone.types("manifest", "rebuild").exit_code == 0
    (listed,) = someone.types("hold", "list", "--json").of("matter")
    assert listed == {"type": "matter", "matter": "case", "recordings": len(wanted)}


def test_an_adopted_recording_is_held_as_well(operator: NewOperator, bucket: LockingBucket) -> None:
    world = World.generate(seed=3, recordings=3, days=1)
    someone = operator(world, bucket)
    assert someone.runs().exit_code == 0
    assert holds(someone, "add", "case", "--all").exit_code == 0
    for path in someone.home.glob("manifest.db*"):
        path.unlink()
    for version in bucket.versions("recordings/"):
        named = {"Bucket": bucket.name, "Key": version["Key"], "VersionId": version["VersionId"]}
        bucket.client.put_object_legal_hold(**named, LegalHold={"Status": "OFF"})
    assert held(bucket) == set()
    assert someone.runs().summary["already_archived"] == 3
    assert held(bucket) == {each.id for each in world.recordings()}


def test_a_hold_that_was_killed_is_finished_by_the_next(operator: NewOperator, bucket: LockingBucket) -> None:
    world = World.generate(seed=4, recordings=20, days=1)
    someone = operator(world, bucket)
    assert someone.runs().exit_code == 0
    dies(someone, "hold", 9, "hold", "add", "--matter", "case", "--reason", "a letter", "--all")
    bits = [each is not None and each.legal_hold for each in bucket.protections().values()]
    assert 9 <= sum(bits) < len(bits)

    result = holds(someone, "add", "case", "--all")
    assert result.exit_code == 0, result.stderr
    assert held(bucket) == {each.id for each in world.recordings()}
    assert all(matters(bucket, each.id) == [["case"]] for each in world.recordings())
    assert len(bucket.versions("holds/")) == 1


def test_nothing_is_held_by_mistake(operator: NewOperator, bucket: LockingBucket) -> None:
    someone = operator(World.generate(seed=5, recordings=2, days=1), bucket)
    assert someone.runs().exit_code == 0
    assert holds(someone, "add", "case").exit_code == 2
    assert holds(someone, "add", "../x", "--all").exit_code == 2
    assert holds(someone, "release", "unknown").exit_code == 2
    assert holds(someone, "add", "case", "--query", "service").exit_code == 2
    assert bucket.versions("holds/") == []
    assert held(bucket) == set()


def test_an_order_that_cannot_be_read_stops_the_run(operator: NewOperator, bucket: LockingBucket) -> None:
    someone = operator(World.generate(seed=6, recordings=2, days=1), bucket)
    bucket.client.put_object(Bucket=bucket.name, Key="voice/holds/case/order-0001.json", Body=b"{}")
    result = someone.runs()
    assert result.exit_code == 3
    assert "must not be overlooked" in result.stderr
    assert bucket.versions("recordings/") == []


def test_copies_in_a_second_destination_are_held_along(
    operator: NewOperator, bucket: LockingBucket, new_locking_bucket: Callable[[], LockingBucket]
) -> None:
    world = World.generate(seed=7, recordings=3, days=1)
    second, someone = new_locking_bucket(), operator(world, bucket)
    someone.settings["second_destination"] = second.section
    assert someone.runs().exit_code == 0
    one = world.recordings()[0].id
    away = {**second.section, "endpoint_url": "http://127.0.0.1:9"}
    result = someone.types(
        "hold", "add", "--matter", "m", "--reason", "r", "--id", one, second_destination=away
    )  # the first does not wait for it
    assert result.exit_code == 3
    assert "its copy in" in result.stderr
    assert held(bucket) == {one}
    assert held(second) == set()

    result = someone.types("hold", "add", "--matter", "m", "--reason", "r", "--id", one)
    assert result.exit_code == 0, result.stderr
    assert held(bucket) == held(second) == {one}
    assert someone.types("retention", "apply", retention={"classes": {"usual": {"years": 7}}}).exit_code == 0
    until = {protection.retention for key, protection in second.protections().items() if "amendment" not in key}
    assert {each.until.year for each in until} == {2033}
    assert someone.types("hold", "release", "--matter", "m", "--reason", "r").exit_code == 0
    assert held(bucket) == held(second) == set()


def test_a_hold_that_is_ordered_during_a_run_is_obeyed_at_its_end(
    operator: NewOperator, bucket: LockingBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World.generate(seed=8, recordings=4, days=1)
    someone = operator(world, bucket)
    given = read_orders

    async def first_without(store: Store, matter: str | None = None) -> Sequence[Order]:
        """As the run sees it at its begin: the order comes just after."""
        found = await given(store, matter)
        if not found:
            order = Order("case", 1, Action.ADD, "a letter", Selector(), world.recordings()[0].created_at, "test", None)
            await write_order(store, order)
        return found

    monkeypatch.setattr("archiver.wiring.read_orders", first_without)
    assert someone.runs().exit_code == 0
    assert held(bucket) == {each.id for each in world.recordings()}

"""Disposal: nothing without a plan, nothing but the plan, and nothing of it ever returns."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest

from archiver.rules import disposal
from archiver.sandbox import World
from tests.stories.conftest import Directory, NewOperator
from tests.stories.disposing import OVER, approve, certificate, lose_manifest, plan
from tests.stories.operator import Destination, Operator


@pytest.fixture
def archived(operator: NewOperator, directory: Destination) -> Operator:
    """Four recordings of two days in a directory whose weaker retention is accepted."""
    someone = operator(World.generate(seed=1, recordings=4, days=2), directory)
    someone.settings["retention"] = {**OVER, "accept_unenforced": True}
    assert someone.runs().exit_code == 0
    return someone


def left(someone: Operator) -> set[str]:
    return {key for key in someone.destination.objects() if key.startswith("recordings/")}


def test_a_plan_deletes_nothing_and_its_approval_everything_in_it(archived: Operator) -> None:
    before = left(archived)
    path = plan(archived)
    assert left(archived) == before
    result = approve(archived, path)
    assert result.exit_code == 0, result.stderr
    assert left(archived) == set()

    said = certificate(path)
    assert {each["recording_id"] for each in said["disposed"]} == set(archived.truth())
    objects = archived.destination.objects()
    numbers = {number for each in archived.sandbox.world.recordings() for number in (each.call_from, each.call_to)}
    for each in said["disposed"]:
        tombstone = json.loads(objects[each["tombstone"]])
        assert tombstone["recording_id"] == each["recording_id"]
        assert {piece["key"] for piece in tombstone["objects"]} <= before
        assert all(piece["sha256"] for piece in tombstone["objects"])
    stays = [data for key, data in objects.items() if key.partition("/")[0] in ("tombstones", "disposals")]
    assert len(stays) == 4 + 2
    assert not any(str(number).encode() in data for number in numbers for data in stays)
    with sqlite3.connect(archived.manifest) as manifest:
        rows = manifest.execute("SELECT state, source_row FROM recordings").fetchall()
        events = manifest.execute("SELECT detail FROM events WHERE event = 'expired'").fetchall()
    assert rows == [("expired", None)] * 4
    assert {json.loads(detail)["plan"] for (detail,) in events} == {said["plan"]}


def test_what_was_disposed_of_never_returns(archived: Operator) -> None:
    assert approve(archived, plan(archived)).exit_code == 0
    downloads = len(archived.sandbox.downloads())

    def nothing_returned() -> None:
        result = archived.runs()
        assert result.exit_code == 0, result.stderr
        assert (result.summary["listed"], result.summary["already_archived"]) == (4, 4)
        assert result.summary["expired"] == 4
        assert archived.runs("--dry-run").summary["expired"] == 4
        assert left(archived) == set()
        assert len(archived.sandbox.downloads()) == downloads
        audit = archived.types("audit", "--json", "--deep")
        assert audit.exit_code == 0, audit.stdout
        with sqlite3.connect(archived.manifest) as manifest:
            assert manifest.execute("SELECT DISTINCT state FROM recordings").fetchall() == [("expired",)]

    nothing_returned()
    lose_manifest(archived)
    nothing_returned()
    lose_manifest(archived)
    assert archived.types("manifest", "rebuild").exit_code == 0
    nothing_returned()


def test_a_plan_that_is_carried_out_again_changes_nothing(archived: Operator) -> None:
    path = plan(archived)
    assert approve(archived, path).exit_code == 0
    first, objects = certificate(path), archived.destination.objects()
    assert approve(archived, path).exit_code == 0
    assert certificate(path)["disposed"] == first["disposed"]
    after = archived.destination.objects()
    assert objects.items() <= after.items()


def test_plans_that_are_refused(archived: Operator) -> None:
    path = plan(archived)
    text = path.read_text()
    made = disposal.read_plan(text.encode())
    others = {
        "it was changed": text.replace('"class": "short"', '"class": "other"', 1),
        "digest is not that": json.dumps({**json.loads(text), "note": "x"}),
        "days ago": disposal.plan_bytes(replace(made, made_at=made.made_at - timedelta(days=31))).decode(),
        "in the future": disposal.plan_bytes(replace(made, made_at=made.made_at + timedelta(days=1))).decode(),
        "not for": disposal.plan_bytes(replace(made, destination="s3://elsewhere/x")).decode(),
        "no disposal plan": "{}",
    }
    for words, content in others.items():
        path.write_text(content)
        result = approve(archived, path)
        assert result.exit_code == 2, words
        assert words in result.stderr
    assert len(left(archived)) == 8


def test_a_longer_policy_or_a_hold_keeps_what_was_planned(archived: Operator) -> None:
    path = plan(archived)
    longer = {"classes": {"short": {"years": 3}}, "accept_unenforced": True}
    result = approve(archived, path, retention=longer)
    assert result.exit_code == 4
    assert {each["reason"][:10] for each in certificate(path)["kept"]} == {"kept until"}
    one = archived.sandbox.world.recordings()[0].id
    assert archived.types("hold", "add", "--matter", "m", "--reason", "r", "--id", one).exit_code == 0
    result = approve(archived, path)
    assert result.exit_code == 4
    said = certificate(path)
    assert said["kept"] == [{"recording_id": one, "reason": "held for m"}]
    assert len(said["disposed"]) == 3
    assert {key.rpartition("/")[2].partition(".")[0] for key in left(archived)} == {one}
    assert archived.types("audit", "--json").exit_code == 0
    assert archived.types("hold", "release", "--matter", "m", "--reason", "r").exit_code == 0
    again = plan(archived, "again.json")
    assert approve(archived, again).exit_code == 0
    assert left(archived) == set()


def test_people_are_told_what_was_deleted_and_what_is_no_plan(archived: Operator) -> None:
    path = plan(archived)
    (archived.home / "none.json").write_text("a letter, and no plan")
    refused = archived.types("dispose", "--approve", str(archived.home / "none.json"))
    assert (refused.exit_code, "it is no disposal plan" in refused.stderr) == (2, True)
    assert approve(archived, path).exit_code == 0
    assert "4 of these were deleted since" in archived.types("run", *archived.days()).stdout
    report = archived.types("report").stdout
    assert "is archived, or was deleted when its time was over" in report
    assert "4 recordings were deleted: past retention, by an approved plan" in report


def test_an_id_that_nobody_knows_is_held_and_doubted(archived: Operator) -> None:
    one = archived.sandbox.world.recordings()[0].id
    result = archived.types("hold", "add", "--matter", "m", "--reason", "r", "--id", one, "--id", "typo")
    assert result.exit_code == 0, result.stderr
    assert "typo is not in the manifest" in result.stderr
    assert one not in result.stderr
    assert "1 recording matched" in result.stdout


def test_something_that_the_plan_does_not_name_stops_it(archived: Operator) -> None:
    assert isinstance(archived.destination, Directory)
    path = plan(archived)
    one = archived.sandbox.world.recordings()[0]
    stray = archived.destination.root / f"recordings/dt={one.created_at.date()}/{one.id}.amendment-0001.json"
    stray.write_bytes(b"{}")
    assert approve(archived, path).exit_code == 4
    (kept,) = certificate(path)["kept"]
    assert kept == {"recording_id": one.id, "reason": "its objects are not those that the plan names"}


def test_without_a_policy_nothing_is_ever_past_it(operator: NewOperator, directory: Destination) -> None:
    someone = operator(World.generate(seed=2, recordings=1, days=1), directory)
    assert someone.runs().exit_code == 0
    assert someone.types("dispose").exit_code == 2

"""The sidecar: valid by our schema and by the working group's field names, and read back as it was written."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model import (
    AudioFacts,
    Call,
    Completeness,
    Digest,
    Finding,
    Grade,
    Recording,
    Retention,
    RetentionMode,
    StoredObject,
    TransferFacts,
    Verdict,
)
from archiver.rules import call_facts, sidecar

KEY = "recordings/dt=2019-06-11/c136768e.mp3"
SHA512 = Digest("sha512", "ab" * 64)

# Field names of draft-ietf-vcon-vcon-core, syntax 0.4.0, and which of them an object must have.
VCON = {"vcon", "uuid", "extensions", "critical", "created_at", "updated_at", "subject", "redacted", "amended",
        "parties", "dialog", "analysis", "attachments"}  # fmt: skip
PARTY = {"tel", "sip", "stir", "mailto", "name", "did", "validation", "gmlpos", "civicaddress", "uuid", "type", "org",
         "dept"}  # fmt: skip
DIALOG = {"type", "start", "duration", "parties", "originator", "recordings", "recording_set", "mediatype", "filename",
          "body", "encoding", "url", "content_hash", "disposition", "session_id", "party_history"}  # fmt: skip
ANALYSIS = {"type", "dialog", "attachment", "mediatype", "filename", "vendor", "product", "schema", "body", "encoding",
            "url", "content_hash"}  # fmt: skip
ATTACHMENT = {"purpose", "start", "party", "dialog", "mediatype", "filename", "body", "encoding", "url",
              "content_hash"}  # fmt: skip


def build(**changes: Any) -> bytes:
    recording = Recording(
        id=changes.get("id", "c136768e"),
        created_at=datetime(2019, 6, 11, 6, 4, 21, tzinfo=UTC),
        duration=changes.get("duration", timedelta(seconds=93)),
        link=None,
        row=changes.get("row", {"id": "c136768e", "name": "José", "new_field": [1, None]}),
        call_from=changes.get("call_from", "918553001122"),
        call_to="918068287601",
    )
    facts = AudioFacts(
        container="mp3", extension="mp3", mediatype="audio/mpeg", size=4, length=changes.get("length", 93.2),
        findings=(Finding("leading_junk", "3 bytes"),), audio_digest=Digest("sha256", "00" * 32),
    )  # fmt: skip
    transfer = TransferFacts(4, 4, Completeness.LENGTH, "audio/mpeg", (Digest("md5", "11" * 16),))
    verdict = Verdict(changes.get("grade", Grade.SUSPECT), (Finding("leading_junk", "3 bytes"),), 0.2)
    provenance = sidecar.Provenance("run-1", datetime(2026, 11, 21, tzinfo=UTC), "https://api.example/v2/", "test 1")
    stored = StoredObject(KEY, 4, Digest("sha256", "cd" * 32), "version-7")
    return sidecar.build(
        recording,
        stored,
        SHA512,
        transfer,
        facts,
        verdict,
        provenance,
        kept=changes.get("kept"),
        call=changes.get("call"),
    )


CALL = Call(
    "call-1",
    datetime(2019, 6, 11, 6, 2, 48, tzinfo=UTC),
    datetime(2019, 6, 11, 6, 4, 21, tzinfo=UTC),
    timedelta(seconds=93),
    "RECEIVED",
    {"call_from": "918553001122", "hangup_by": "caller", "agent_id": 7, "agent": "Zoë", "notes": "free text"},
)


@pytest.mark.parametrize("call", [None, call_facts.by_key(CALL, {})])
def test_the_working_groups_field_names(call: Any) -> None:
    document = json.loads(build(call=call))
    assert document.keys() - VCON == set(document["extensions"]) == {"archive"}
    assert all(party.keys() <= PARTY for party in document["parties"])
    (dialog,) = document["dialog"]
    assert dialog.keys() <= DIALOG
    assert {"type", "start"} <= dialog.keys()
    assert dialog["type"] == "recording"
    assert all(each.keys() <= ANALYSIS and {"type", "vendor"} <= each.keys() for each in document["analysis"])
    assert all(
        each.keys() <= ATTACHMENT and {"start", "party", "dialog"} <= each.keys() for each in document["attachments"]
    )


def test_what_it_says() -> None:
    document = json.loads(build())
    assert document["vcon"] == "0.4.0"
    assert document["parties"] == [{"tel": "+918553001122"}, {"tel": "+918068287601"}]
    assert document["dialog"][0]["content_hash"].startswith("sha512-q6ur")
    assert document["dialog"][0]["filename"] == "c136768e.mp3"
    assert document["attachments"][0]["body"]["name"] == "José"
    assert "José".encode() in build(), "readable by a person"


def test_the_extension_has_our_schema() -> None:
    schema = json.loads(files("archiver").joinpath("schemas/archive.schema.json").read_text())
    for document in (build(), build(duration=None, length=None), build(grade=Grade.REJECTED)):
        jsonschema.validate(json.loads(document)["archive"], schema)


def test_what_holds_it_is_told_and_read_back() -> None:
    schema = json.loads(files("archiver").joinpath("schemas/archive.schema.json").read_text())
    until = datetime(2026, 6, 11, 6, 4, 21, tzinfo=UTC)
    kept = sidecar.Kept("usual", Retention(RetentionMode.COMPLIANCE, until), ("agent_id",))
    document = build(kept=kept)
    jsonschema.validate(json.loads(document)["archive"], schema)
    assert sidecar.read(KEY, document).kept == kept
    assert sidecar.read(KEY, build()).kept is None
    spoiled = document.replace(b'"compliance"', b'"eternity"')
    with pytest.raises(ValueError, match="eternity"):
        sidecar.read(KEY, spoiled)


def test_read_back() -> None:
    seal = sidecar.read(f"{KEY}.vcon.json", build())
    assert seal.recording_id == "c136768e"
    assert seal.duration == 93
    assert seal.outcome == "archived"
    assert seal.grade == "suspect"
    assert seal.reasons == ("leading_junk",)
    assert seal.audio == StoredObject(KEY, 4, Digest("sha256", "cd" * 32), "version-7")
    assert seal.sha512 == SHA512
    assert seal.document.digest == Digest.sha256_of(build())
    assert seal.row["new_field"] == [1, None]
    assert sidecar.read("k", build(grade=Grade.REJECTED)).outcome == "quarantined"


def test_the_call_it_names() -> None:
    facts = call_facts.by_key(CALL, {"agent_id": "7"})
    assert sidecar.read("k", build(call=facts)).call == facts
    assert sidecar.read("k", build()).call is None
    assert facts == {
        "call_id": "call-1",
        "start_at": "2019-06-11T06:02:48+00:00",
        "end_at": "2019-06-11T06:04:21+00:00",
        "duration_seconds": 93.0,
        "status": "RECEIVED",
        "hangup_by": "caller",
        "agent": "7",
        "matched": "key",
        "evidence": {"key": "call_id"},
    }


def test_a_call_brings_nobody_into_a_sidecar_that_it_did_not_name() -> None:
    assert call_facts.by_key(CALL, {"agent_id": "0", "name": "Zoë"})["agent"] is None
    assert "918553001122" not in str(call_facts.by_key(CALL, {}))


def test_what_is_the_same_however_it_was_found() -> None:
    inferred = call_facts.inferred(CALL, {}, {"margin": 9.0})
    assert call_facts.same(call_facts.by_key(CALL, {}), inferred)
    assert not call_facts.same(call_facts.by_key(CALL, {"agent_id": "7"}), inferred)


def test_the_same_recording_always_has_the_same_uuid() -> None:
    first = sidecar.vcon_uuid("a", "https://one/")
    assert first == sidecar.vcon_uuid("a", "https://one/")
    assert first != sidecar.vcon_uuid("a", "https://other/")
    assert first.version == 8


@pytest.mark.parametrize("party", ["anonymous", "", "12a", "٣٤"])
def test_a_party_that_is_no_number(party: str) -> None:
    assert json.loads(build(call_from=party))["parties"][0] == {"name": party}


def test_a_row_that_utf8_cannot_say() -> None:
    document = build(row={"note": "\ud800"})
    assert json.loads(document)["attachments"][0]["body"]["note"] == "\ud800"


@pytest.mark.parametrize("place", ["schema_version", "size", "sha256", "created_at", "recording_id"])
def test_a_damaged_one_vouches_for_nothing(place: str) -> None:
    document = json.loads(build())
    damage: object
    for damage in (None, "x", [], {}):
        document["archive"][place] = damage
        if place == "recording_id" and damage == "x":
            continue
        with pytest.raises(ValueError, match=r".+"):
            sidecar.read("k", json.dumps(document).encode())


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        sidecar.read("k", content)

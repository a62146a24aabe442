"""An amendment: valid by its schema, read back as it was written, and nothing else is taken for one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.resources import files

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model import Digest
from archiver.rules import amendment
from archiver.rules.amendment import Amendment, Kind

SECOND = Amendment(
    recording_id="a",
    number=2,
    kind=Kind.CALL,
    at=datetime(2026, 11, 22, tzinfo=UTC),
    run_id="run-1",
    software="test 1",
    sidecar=Digest("sha256", "ab" * 32),
    previous=Digest("sha256", "cd" * 32),
    facts={"agent": "Zoë", "note": "\ud800", "parts": [1, None]},
)
FIRST = Amendment("a", 1, Kind.CALL, SECOND.at, "run-1", "test 1", SECOND.sidecar, None, {})


@pytest.mark.parametrize("document", [FIRST, SECOND])
def test_as_the_schema_has_it_and_back(document: Amendment) -> None:
    schema = json.loads(files("archiver").joinpath("schemas/amendment.schema.json").read_text())
    jsonschema.validate(json.loads(amendment.build(document)), schema)
    assert amendment.read(amendment.build(document)) == document


def test_a_kind_of_a_later_version_is_read() -> None:
    later = amendment.build(SECOND).replace(b'"call"', b'"of_tomorrow"')
    assert amendment.read(later).kind == "of_tomorrow"


@pytest.mark.parametrize("name", json.loads(amendment.build(SECOND)))
@pytest.mark.parametrize("damage", [..., 7.5, {"x": 1}, "?"])
def test_a_damaged_one_is_refused(name: str, damage: object) -> None:
    document = json.loads(amendment.build(SECOND))
    if damage is ...:
        del document[name]
    else:
        document[name] = damage
    if (name, damage) == ("facts", {"x": 1}) or (
        damage == "?" and name in ("recording_id", "kind", "run_id", "software")
    ):
        assert amendment.read(json.dumps(document).encode()) != SECOND
        return
    with pytest.raises(ValueError, match=r".+"):
        amendment.read(json.dumps(document).encode())


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        amendment.read(content)

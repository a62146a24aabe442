"""The example file is right, complete, and says what the code says; so does the schema."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from archiver.config import load
from archiver.config.fields import keys, sections
from archiver.config.schema import json_schema
from archiver.config.sections import Config

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
_DIFFERENT = {"destination.region", "windows.since"}  # examples rather than defaults


def _example() -> dict[str, Any]:
    content = yaml.safe_load(EXAMPLE.read_text())
    content["windows"]["since"] = str(content["windows"]["since"])  # JSON has no dates
    return dict(content)


def test_the_example_loads_and_names_every_key_with_its_default() -> None:
    loaded = load(EXAMPLE, {"ARCHIVER_TOKEN": "abcdefgh"})
    assert not loaded.warnings
    named = {key for key, origin in loaded.origins.items() if str(origin) != "default"}
    assert named == keys().keys() - {"source.token_file"}, "token_file excludes token"
    for key, field in keys().items():
        if field.is_required() or key in _DIFFERENT:
            continue
        section, _, name = key.partition(".")
        assert getattr(getattr(loaded.config, section), name) == field.get_default(call_default_factory=True), key


def test_the_schema_is_one_and_accepts_the_example() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(_example())


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("source", "tokn", "x"),
        ("source", "requests_per_minute", 1001),
        ("source", "auth", "basic"),
        ("limits", "concurrency", "many"),
        ("verify", "duration_tolerance_seconds", [1]),
    ],
)
def test_the_schema_refuses_what_the_program_refuses(section: str, key: str, value: object) -> None:
    content = _example()
    content[section][key] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json_schema()).validate(content)


def test_the_schema_knows_variables_and_empty_sections() -> None:
    content = _example()
    content["limits"]["concurrency"] = "${N}"
    content["source"]["auth"] = "${AUTH}"
    content["windows"] = None
    del content["source"]["token"]
    content["source"]["token_file"] = "/run/secrets/token"
    jsonschema.Draft202012Validator(json_schema()).validate(content)


def test_every_key_is_described_and_every_number_has_its_unit() -> None:
    defined = json_schema()["$defs"]
    for name, section in Config.model_fields.items():
        assert section.annotation is not None
        described = defined[section.annotation.__name__]["properties"]
        assert described.keys() == sections()[name].keys()
        assert all(each["description"] for each in described.values()), name
    units = re.compile(r"_(mib|seconds|days|minute|recording)$|^concurrency$")
    numbers = [key for key, field in keys().items() if field.annotation in {int, float}]
    assert numbers
    assert all(units.search(key.partition(".")[2]) for key in numbers)

"""The JSON Schema of the configuration file, for editors: from the models, loosened where YAML text may stand."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from archiver.config.sections import Config

_REFERENCE = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", "description": "taken from the environment"}


def json_schema() -> dict[str, Any]:
    """The schema of ``archiver.yaml`` (draft 2020-12). Every key has a description, with its unit."""
    schema = Config.model_json_schema(mode="validation")
    for section in schema["$defs"].values():
        if section.get("type") != "object":
            continue
        section["properties"] = {name: _loosened(each) for name, each in section["properties"].items()}
        # Either token or token_file, and the environment may give both: presence is checked when it is loaded.
        section["required"] = [name for name in section.get("required", []) if name != "token"]
    # A section may be left empty.
    for name, each in schema["properties"].items():
        if name not in schema["required"]:
            schema["properties"][name] = {"anyOf": [each, {"type": "null"}]}
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "title": "archiver configuration",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def _loosened(field: dict[str, Any]) -> dict[str, Any]:
    """``${NAME}`` may stand for a number, a truth value or a word of a choice as well."""
    if field.get("type") in {"integer", "number", "boolean"} or "$ref" in field:
        about: dict[str, Any] = {key: field[key] for key in ("title", "description", "default") if key in field}
        rule = {key: value for key, value in field.items() if key not in about}
        return {**about, "anyOf": [rule, _REFERENCE]}
    return field

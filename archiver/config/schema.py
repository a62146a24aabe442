"""The JSON Schema of the configuration file, for editors: from the models, loosened where YAML text may stand."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from archiver.config.base import Section
from archiver.config.sections import Config

_REFERENCE = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", "description": "taken from the environment"}


def json_schema() -> dict[str, Any]:
    """The schema of ``archiver.yaml`` (draft 2020-12). Every key has a description, with its unit."""
    schema = Config.model_json_schema(mode="validation")
    for model in _sections(Section):
        if (section := schema["$defs"].get(model.__name__)) is not None:
            told = _docstrings(model)
            section["properties"] = {name: _told(each, told[name]) for name, each in section["properties"].items()}
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
    about: dict[str, Any] = {key: field[key] for key in ("title", "description", "default") if key in field}
    rule = {key: value for key, value in field.items() if key not in about}
    ways = rule.get("anyOf", [rule])
    if any(way.get("type") in {"integer", "number", "boolean"} or "$ref" in way for way in ways):
        return {**about, "anyOf": [*ways, _REFERENCE]}
    return field


def _told(field: dict[str, Any], description: str) -> dict[str, Any]:
    return dict(sorted({**field, "description": description}.items()))


def _sections(model: type[Section]) -> Iterator[type[Section]]:
    for each in model.__subclasses__():
        yield each
        yield from _sections(each)


def _docstrings(model: type[Section]) -> dict[str, str]:
    """What stands under each key in the source. No model reads its own: that is for the schema, and starts are many."""
    told = {}
    for each in model.__mro__[::-1]:
        if not issubclass(each, Section):
            continue
        (definition,) = ast.parse(inspect.getsource(each)).body
        assert isinstance(definition, ast.ClassDef)
        for statement, below in pairwise(definition.body):
            match statement, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    told[name] = inspect.cleandoc(text)
    return told

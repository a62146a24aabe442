"""The keys that exist, read off the models: which they are, and how a value written as mere text is taken."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from archiver.config.problems import did_you_mean, shown_key
from archiver.config.sections import Config

_NULLS = {"", "~", "null"}


@cache
def sections() -> dict[str, dict[str, FieldInfo]]:
    """Every section with its keys."""
    found: dict[str, dict[str, FieldInfo]] = {}
    for name, field in Config.model_fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            found[name] = dict(model.model_fields)
    return found


@cache
def keys() -> dict[str, FieldInfo]:
    """Every key, dotted, in the order of the models."""
    return {f"{section}.{name}": field for section, fields in sections().items() for name, field in fields.items()}


def unknown(section: str, key: str | None = None) -> str:
    """What to say of a key that does not exist: the nearest one here, or the section where it belongs."""
    if key is None:
        word = _normal(section)
        meant = did_you_mean(word, sections()) or _elsewhere(word)
        return f"unknown section{meant}"
    word = _normal(key)
    meant = _elsewhere(word) if word not in sections()[section] else ""
    return f"unknown key{meant or did_you_mean(word, sections()[section])}"


def dotted(section: str, key: str) -> str:
    """A key's full name, safe to print."""
    return f"{shown_key(section)}.{shown_key(key)}"


def from_text(key: str, text: str) -> tuple[Any, bool]:
    """A value that came as text: itself where text is wanted; else (None, True) for "read it as YAML"."""
    kinds = set(_kinds(keys()[key].annotation))
    if NoneType in kinds and text.strip() in _NULLS:
        return None, False
    if kinds & {int, float, bool, tuple}:
        return None, True
    return text, False


@cache
def has_keys_inside(key: str) -> bool:
    """True for a value that is itself made of keys or of such things: classes, rules."""
    return any(_is_structured(kind) for kind in _leaves(keys()[key].annotation))


def _is_structured(kind: Any) -> bool:
    return isinstance(kind, type) and (issubclass(kind, BaseModel | Mapping))


def _leaves(annotation: Any) -> list[Any]:
    outer, parts = get_origin(annotation), get_args(annotation)
    return [annotation if outer is None else outer, *(leaf for part in parts for leaf in _leaves(part))]


def _kinds(annotation: Any) -> list[Any]:
    outer = get_origin(annotation)
    if outer is None or outer is tuple:
        return [outer or annotation]
    parts = get_args(annotation)
    return [kind for part in (parts[:1] if outer is Annotated else parts) for kind in _kinds(part)]


def _elsewhere(word: str) -> str:
    homes = [full for full in keys() if full.partition(".")[2] == word]
    return f" (did you mean {homes[0]}?)" if len(homes) == 1 else ""


def _normal(word: str) -> str:
    """``baseUrl`` and ``base-url`` are near misses of ``base_url``."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in word[:80])
    return snake.replace("-", "_").strip("_") if not word.isupper() else word.lower()[:80]

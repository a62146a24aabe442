"""YAML text to values that know their line. Hostile text costs bounded time and memory, and runs no code.

Refused on purpose: anchors and aliases (bombs), tags (objects), duplicate keys (the last one would win in silence).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from archiver.config import fields
from archiver.config.interpolation import InterpolationError, interpolate
from archiver.config.problems import Origin, Precedence, Problem, shown_key

MAX_BYTES = 256 * 1024
MAX_DEPTH = 8
_SCALARS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "timestamp")}
_ALIAS = "alias"  # said of it already
_MAPPING, _LIST = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"


@dataclass(frozen=True, slots=True)
class Given:
    """A value somebody gave, with where; ``items`` are the places of a list's values."""

    value: Any
    origin: Origin
    items: tuple[Origin, ...] = ()
    places: Mapping[tuple[str, ...], Origin] = field(default_factory=dict)
    """Of what lies inside a value that has keys of its own: by the way to it."""


@dataclass(slots=True)
class Document:
    """What a file gave, by dotted key, and everything that is wrong with it."""

    origin: Origin
    given: dict[str, Given] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    """Keys that were given, but not as a value."""
    sections: dict[str, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    readable_by_others: bool = False
    unusable: bool = False
    """True if the text could not be read to its end: what is missing may stand there."""


def read(name: str, data: bytes, environ: Mapping[str, str]) -> Document:
    """Read ``data``, the bytes of the file ``name``. Never raises: what is wrong is in ``problems``."""
    document = Document(Origin(Precedence.FILE, name))
    if len(data) > MAX_BYTES:
        return _unusable(document, document.origin, f"is larger than {MAX_BYTES // 1024} KiB")
    try:
        root = _compose(data.decode("utf-8-sig"), document)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _unusable(document, Origin(Precedence.FILE, name, line, 1), "is not UTF-8")
    except yaml.reader.ReaderError:
        return _unusable(document, document.origin, "holds control characters that YAML does not allow")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _unusable(document, _place(name, mark), f"is not YAML: {error.problem or error.context}")
    if root is not None:
        _Walk(document, environ).root(root)
    return document


def scalar(text: str) -> Any:
    """A value as YAML reads it: a scalar, or a list of scalars in brackets. ValueError for anything else."""
    document = Document(Origin(Precedence.ENVIRONMENT, ""))
    try:
        node = _compose(text[:MAX_BYTES], document)
        walk = _Walk(document, {})
        if isinstance(node, yaml.SequenceNode):
            value: Any = [walk.scalar(each) for each in node.value]
        else:
            value = None if node is None else walk.scalar(node)
    except yaml.YAMLError:
        raise ValueError("cannot be read as a YAML value") from None
    if document.problems:
        raise ValueError(document.problems[0].what)
    return value


class _Loader(yaml.SafeLoader):
    """Composes nodes with their marks; the depth is bounded, anchors and aliases are reported."""

    def __init__(self, text: str, document: Document) -> None:
        super().__init__(text)
        self.document = document
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        place = _place(self.document.origin.name, event.start_mark)
        if getattr(event, "anchor", None) is not None:
            words = "anchors and aliases (& and *) are not allowed; put a text that starts with one in quotes"
            self.document.problems.append(Problem(place, "", words))
        if isinstance(event, yaml.AliasEvent):
            self.get_event()  # type: ignore[no-untyped-call]
            return yaml.ScalarNode(_ALIAS, "", *_marks(event))
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deep", problem_mark=event.start_mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def _compose(text: str, document: Document) -> yaml.Node | None:
    loader = _Loader(text, document)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


class _Walk:
    """Goes over the nodes once; collects values and problems."""

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self.document = document
        self.environ = environ

    def root(self, node: yaml.Node) -> None:
        if not isinstance(node, yaml.MappingNode):
            if not _is_null(node):
                self._problem(node, "", "must be sections of keys (source:, destination:, …)")
            return
        for name, key_node, value in self._pairs(node, ""):
            if name not in fields.sections():
                self._problem(key_node, shown_key(name), fields.unknown(name))
            elif isinstance(value, yaml.MappingNode) and value.tag == _MAPPING:
                self.document.sections[name] = self._at(key_node)
                self._section(name, value)
            elif _is_null(value):  # a section whose keys are all commented out
                self.document.sections[name] = self._at(key_node)
            else:
                self._problem(value, name, "must be a section of keys")

    def _section(self, section: str, node: yaml.MappingNode) -> None:
        for name, key_node, value in self._pairs(node, section):
            key = fields.dotted(section, name)
            if name not in fields.sections()[section]:
                self._problem(key_node, key, fields.unknown(section, name))
                continue
            problems = len(self.document.problems)
            given = self._given(value, key)
            if len(self.document.problems) == problems and key not in self.document.unreadable:
                self.document.given[key] = given
            else:
                self.document.unreadable.add(key)

    def _given(self, node: yaml.Node, key: str) -> Given:
        origin = self._at(node)
        if fields.has_keys_inside(key) and isinstance(node, yaml.CollectionNode):
            places: dict[tuple[str, ...], Origin] = {}
            return Given(self._tree(node, key, (), places), origin, places=places)
        if isinstance(node, yaml.SequenceNode) and node.tag == _LIST:
            items = tuple(self._at(each) for each in node.value)
            return Given([self.scalar(each, key) for each in node.value], origin, items)
        names: list[str] = []
        value = self.scalar(node, key, names)
        return Given(value, replace(origin, variables=tuple(names)))

    def _tree(self, node: yaml.Node, key: str, way: tuple[str, ...], places: dict[tuple[str, ...], Origin]) -> Any:
        """Mappings and lists of any shape, down to scalars; the places of all are noted."""
        places[way] = self._at(node)
        if isinstance(node, yaml.MappingNode) and node.tag == _MAPPING:
            pairs = self._pairs(node, key)
            return {name: self._tree(value, key, (*way, name), places) for name, _, value in pairs}
        if isinstance(node, yaml.SequenceNode) and node.tag == _LIST:
            return [self._tree(each, key, (*way, str(number)), places) for number, each in enumerate(node.value)]
        return self.scalar(node, key)

    def _pairs(self, node: yaml.MappingNode, section: str) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        seen: dict[str, int] = {}
        for key_node, value in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(key_node, section, "keys must be names")
                continue
            name = str(key_node.value)
            if name in seen:
                key = fields.dotted(section, name) if section else shown_key(name)
                self._problem(key_node, key, f"is given twice (first on line {seen[name]})")
                continue
            seen[name] = self._at(key_node).line
            yield name, key_node, value

    def scalar(self, node: yaml.Node, key: str = "", names: list[str] | None = None) -> Any:
        """The value of a scalar node; None, with a problem noted, for anything else."""
        if node.tag == _ALIAS:
            self.document.unreadable.add(key)
            return None
        if node.tag in {_LIST, _MAPPING}:
            return self._problem(node, key, "must be a single value")
        if not isinstance(node, yaml.ScalarNode) or node.tag not in _SCALARS:
            return self._problem(node, key, "tags (!) are not allowed; put a text that starts with ! in quotes")
        if node.tag.endswith(":str") and key:
            return self._text(node, key, names)
        try:
            return yaml.constructor.SafeConstructor().construct_object(node)
        except (ValueError, AttributeError, OverflowError, KeyError, yaml.YAMLError):
            return self._problem(node, key, "is not a value that YAML can read (put text in quotes)")

    def _text(self, node: yaml.ScalarNode, key: str, names: list[str] | None) -> Any:
        try:
            text, used = interpolate(str(node.value), self.environ)
        except InterpolationError as error:
            return self._problem(node, key, str(error))
        if not used:
            return text
        if names is not None:
            names.extend(used)
        try:
            value, as_yaml = fields.from_text(key, text)
            return scalar(text) if as_yaml else value
        except ValueError as error:
            return self._problem(node, key, str(error))

    def _at(self, node: yaml.Node) -> Origin:
        return _place(self.document.origin.name, node.start_mark)

    def _problem(self, node: yaml.Node, key: str, what: str) -> None:
        self.document.problems.append(Problem(self._at(node), key, what))


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _marks(event: yaml.Event) -> Any:
    return event.start_mark, event.end_mark


def _place(name: str, mark: Any) -> Origin:
    return (
        Origin(Precedence.FILE, name) if mark is None else Origin(Precedence.FILE, name, mark.line + 1, mark.column + 1)
    )


def _unusable(document: Document, origin: Origin, what: str) -> Document:
    document.unusable = True
    document.problems.append(Problem(origin, "", what))
    return document

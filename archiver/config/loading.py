"""Puts flags, environment, file and defaults together, in this order of precedence, and checks the whole at once."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from archiver.config import document, fields, values
from archiver.config.document import Document, Given
from archiver.config.problems import (
    Origin,
    Precedence,
    Problem,
    did_you_mean,
    in_our_words,
    in_reading_order,
    shown_key,
)
from archiver.config.sections import Config
from archiver.errors import ConfigInvalid
from archiver.rules.origin import is_loopback

DEFAULT_PATH = Path("archiver.yaml")
_OVERRIDE = re.compile(r"ARCHIVER_(?P<section>.*?)__(?P<key>.*)", re.DOTALL)
_TOKEN, _TOKEN_FILE = "source.token", "source.token_file"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used, and where each value came from."""

    config: Config
    origins: Mapping[str, Origin]
    """By dotted key: every key there is."""
    path: Path | None
    """The file that was read; None where the environment alone configured the program."""
    warnings: tuple[str, ...] = ()
    """Usable, but unwise: for people."""


def load(path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> Loaded:
    """Read the configuration once; nothing is kept.

    ``path`` is the file the user named (else ``$ARCHIVER_CONFIG``, else ``./archiver.yaml``); ``overrides`` are flags
    by dotted key, where None means "not given". The token is read here, also from ``source.token_file``. Raises
    ConfigInvalid with all problems at once.
    """
    file, named = _which_file(path, environ)
    written = _read_file(file, environ)
    problems = written.problems if written else []
    layers = [written.given if written else {}, _from_environment(environ, problems), _from_flags(overrides or {})]
    if written is None and (named or not layers[1]):
        problems.append(Problem(Origin(Precedence.FILE, str(file)), "", "there is no such file"))
        raise ConfigInvalid(in_reading_order(problems), "archiver init writes one; -c FILE names another")
    given = {key: value for layer in layers for key, value in layer.items()}
    # Given, but unreadable: that they are missing now is not a second problem.
    broken = {problem.key for problem in problems} | (written.unreadable if written else set())
    _read_token(given, broken, problems)
    config = _checked(given, written, broken, problems)
    if config is not None:
        problems += _contradictions(config, given)
    if config is None or problems:
        raise ConfigInvalid(in_reading_order(problems), "config.example.yaml shows every key; archiver config schema")
    known, default = fields.keys(), Origin(Precedence.DEFAULT, "")
    origins = {key: given[key].origin if key in given else default for key in known}
    return Loaded(config, origins, file if written else None, _warnings(config, origins, written))


def _which_file(path: Path | None, environ: Mapping[str, str]) -> tuple[Path, bool]:
    if path is not None:
        return path, True
    named = environ.get("ARCHIVER_CONFIG", "")
    return (Path(named), True) if named else (DEFAULT_PATH, False)


def _read_file(path: Path, environ: Mapping[str, str]) -> Document | None:
    """The file as a document; None if there is none."""
    try:
        with path.open("rb") as stream:
            data = stream.read(document.MAX_BYTES + 1)
            mode = os.fstat(stream.fileno()).st_mode
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        origin = Origin(Precedence.FILE, str(path))
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        return Document(origin, problems=[Problem(origin, "", f"cannot be read: {reason}")], unusable=True)
    written = document.read(str(path), data, environ)
    written.readable_by_others = bool(mode & (stat.S_IRGRP | stat.S_IROTH))
    return written


def _from_environment(environ: Mapping[str, str], problems: list[Problem]) -> dict[str, Given]:
    given: dict[str, Given] = {}
    keys = fields.keys()
    known = {f"ARCHIVER_{key.replace('.', '__').upper()}": key for key in keys}
    for name in sorted(environ):
        if not _OVERRIDE.fullmatch(name):
            continue
        origin = Origin(Precedence.ENVIRONMENT, shown_key(name))
        key = known.get(name)
        if key is None:
            problems.append(Problem(origin, "", f"unknown key{did_you_mean(name, known)}"))
            continue
        try:
            value, as_yaml = fields.from_text(key, environ[name])
            given[key] = Given(document.scalar(environ[name]) if as_yaml else value, origin)
        except ValueError as error:
            problems.append(Problem(origin, key, str(error)))
    return given


def _from_flags(overrides: Mapping[str, Any]) -> dict[str, Given]:
    unknown = overrides.keys() - fields.keys().keys()
    if unknown:  # a mistake of ours, not of the user
        raise KeyError(f"no such configuration keys: {sorted(unknown)}")
    return {
        key: Given(value, Origin(Precedence.FLAG, f"--{key.partition('.')[2].replace('_', '-')}"))
        for key, value in overrides.items()
        if value is not None
    }


def _read_token(given: dict[str, Given], broken: set[str], problems: list[Problem]) -> None:
    """Put the token file's content where the token belongs. Of the two, the one from the higher level counts."""
    token, file = given.get(_TOKEN), given.get(_TOKEN_FILE)
    if file is None or file.value is None:
        return
    if token is not None and token.value is not None:
        if token.origin.precedence > file.origin.precedence:
            given[_TOKEN_FILE] = Given(None, file.origin)
            return
        if token.origin.precedence == file.origin.precedence:
            problems.append(Problem(file.origin, _TOKEN_FILE, "either token or token_file, not both"))
            return
    broken.add(_TOKEN)  # whatever is wrong from here on is said of the file
    try:
        path = values.absolute_path(Path(file.value))
        with path.open("rb") as stream:
            content = stream.read(8193).decode("ascii").strip()
        given[_TOKEN] = Given(values.token_text(content), file.origin)
    except OSError as error:
        problems.append(Problem(file.origin, _TOKEN_FILE, f"cannot be read: {error.strerror}"))
    except UnicodeDecodeError:
        problems.append(Problem(file.origin, _TOKEN_FILE, "must hold printable ASCII without blanks"))
    except (ValueError, TypeError) as error:
        if isinstance(file.value, str) and file.value.startswith("/"):
            problems.append(Problem(file.origin, _TOKEN_FILE, f"the token in it {error}"))


def _checked(
    given: Mapping[str, Given], written: Document | None, broken: set[str], problems: list[Problem]
) -> Config | None:
    nested: dict[str, dict[str, Any]] = {section: {} for section in fields.sections()}
    for key, value in given.items():
        section, _, name = key.partition(".")
        nested[section][name] = value.value
    try:
        return Config.model_validate(nested)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_input=False)
    for error in errors:
        section, name, *rest = map(str, error["loc"])
        key = f"{section}.{name}"
        if error["type"] == "missing" and not rest and (key in broken or (written is not None and written.unusable)):
            continue
        problems.append(_problem(key, rest, error, given.get(key), written))
    return None


def _contradictions(config: Config, given: Mapping[str, Given]) -> list[Problem]:
    """What only two sections together tell."""
    kept = config.retention
    if kept.classes and not kept.accept_unenforced and isinstance(config.destination.target, values.DirectoryTarget):
        what = "a directory cannot lock: choose a bucket, or set retention.accept_unenforced: true"
        return [Problem(given["retention.classes"].origin, "retention.classes", what)]
    return []


def _is_field(error: Any) -> bool:
    """True where the place in the error names a field, rather than a branch of a union."""
    return error["type"] in {"missing", "extra_forbidden"}


def _problem(key: str, rest: list[str], error: Any, value: Given | None, written: Document | None) -> Problem:
    if value is None:
        section = key.partition(".")[0]
        origin = Origin(Precedence.ENVIRONMENT, "")
        if written is not None:
            origin = written.sections.get(section, written.origin)
        what = in_our_words(error, None)
        if key == _TOKEN:
            what += ": token: ${NAME}, or token_file: /path"
        return Problem(origin, key, what)
    if value.places and rest:
        way = tuple(part for part in rest if part != "[key]")
        reached = next(way[:end] for end in range(len(way), -1, -1) if way[:end] in value.places)
        inside = [f"[{part}]" if part.isdigit() else f".{shown_key(part)}" for part in (reached, way)[_is_field(error)]]
        return Problem(value.places[reached], f"{key}{''.join(inside)}", in_our_words(error, None))
    if rest and rest[0].isdigit():
        item = int(rest[0])
        if item < len(value.items):
            return Problem(value.items[item], f"{key}[{item}]", in_our_words(error, value.value[item]))
        if error["type"] == "missing":
            return Problem(value.origin, key, "has too few values")
    return Problem(value.origin, key, in_our_words(error, value.value))


def _warnings(config: Config, origins: Mapping[str, Origin], written: Document | None) -> tuple[str, ...]:
    found = []
    token = origins[_TOKEN]
    sandbox = is_loopback(urlsplit(config.source.base_url).hostname or "")  # its token opens nothing else
    literal = token.precedence is Precedence.FILE and not token.variables and config.source.token_file is None
    if literal and not sandbox and written is not None and written.readable_by_others:
        found.append(f"{token}: {_TOKEN}: others can read this file: chmod 600, or use ${{NAME}} or token_file")
    endpoint = urlsplit(config.destination.endpoint_url or "")
    if endpoint.scheme == "http" and not is_loopback(endpoint.hostname or ""):
        found.append(
            f"{origins['destination.endpoint_url']}: destination.endpoint_url: recordings travel unencrypted over http"
        )
    return tuple(found)

"""``${NAME}`` in a text is the environment's value; ``$${`` is a literal ``${``. What is put in is not read again."""

from __future__ import annotations

import re
from collections.abc import Mapping

from archiver.config.problems import did_you_mean

_REFERENCE = re.compile(r"\$(?P<escape>\$(?=\{))|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]{0,127})\}|(?P<broken>\$\{)")


class InterpolationError(ValueError):
    """A variable is not set, or the reference cannot be read."""


def interpolate(text: str, environ: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The text with its variables put in, and their names; InterpolationError names what is missing."""
    names: list[str] = []

    def put_in(found: re.Match[str]) -> str:
        if found["escape"]:
            return "$"
        if found["broken"]:
            raise InterpolationError("has a ${ that is not ${NAME} (write $${ for a literal one)")
        name = found["name"]
        if name not in environ:
            near = did_you_mean(name, (each for each in environ if each.startswith(name[:4])))
            raise InterpolationError(f"the environment variable {name} is not set{near}")
        names.append(name)
        return environ[name]

    return _REFERENCE.sub(put_in, text), tuple(names)

"""``archiver config``: is it right, what is in effect and why, and its JSON Schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from archiver.cli.console import Console

if TYPE_CHECKING:
    from archiver.config import Loaded

MASK = "********"


@click.group()
def config() -> None:
    """Check and show the configuration."""


@config.command()
@click.pass_obj
def validate(console: Console) -> None:
    """Check the configuration and name every problem with its line. Exit code 78 if there is one.

    Reads the file, the environment and the token file; asks no network: archiver doctor does.
    """
    from archiver.errors import ConfigInvalid

    try:
        loaded = console.load_config()
    except ConfigInvalid as error:
        console.event("config", valid=False, problems=error.problems)
        raise
    console.event("config", valid=True, path=loaded.path, warnings=loaded.warnings, problems=[])
    console.say(f"{loaded.path or 'environment'}: the configuration is valid")


@config.command()
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@click.pass_obj
def show(console: Console, origin: bool) -> None:
    """Print the values in effect, as YAML; secrets are masked. With --json, one object."""
    loaded = console.load_config()
    values = effective(loaded)
    if console.flags.json:
        origins = {key: str(each) for key, each in loaded.origins.items()}
        console.event("config", path=loaded.path, values=values, **({"origins": origins} if origin else {}))
        return
    console.data(as_yaml(loaded, values, origin=origin))


@config.command()
@click.pass_obj
def schema(console: Console) -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    import json

    from archiver.config.schema import json_schema

    console.data(json.dumps(json_schema(), indent=2))


def effective(loaded: Loaded) -> dict[str, dict[str, Any]]:
    """Section, key, value: JSON's types only, secrets masked."""
    from pydantic import SecretStr

    return {
        name: {
            key: MASK if isinstance(getattr(section, key), SecretStr) else value
            for key, value in section.model_dump(mode="json").items()
        }
        for name, section in loaded.config
    }


def as_yaml(loaded: Loaded, values: dict[str, dict[str, Any]], *, origin: bool) -> str:
    """The values as a YAML document; with ``origin``, a comment behind each."""
    lines = []
    for section, keys in values.items():
        lines.append(f"{section}:")
        for key, value in keys.items():
            text = f"  {key}: {_yaml_value(value)}"
            lines.append(f"{text:<56}  # {_origin(loaded, f'{section}.{key}')}" if origin else text)
    return "\n".join(lines)


def _origin(loaded: Loaded, key: str) -> str:
    origin = loaded.origins[key]
    return f"{origin} (${', $'.join(origin.variables)})" if origin.variables else str(origin)


def _yaml_value(value: Any) -> str:
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("...\n").strip()

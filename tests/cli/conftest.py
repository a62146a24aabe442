"""Running the command line as its users do: through ``main``, to the exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from archiver.cli import main

CANARY = "canary-5f1c+/=&e9"
CONFIG = """\
source:
  base_url: https://api.example.net/api/v2/
  token: ${TOKEN}
destination:
  url: s3://acme-voice/bics
"""
Invoke = Callable[..., Result]
Pretend = Callable[[Callable[..., Any]], None]


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run ``archiver ARGS`` in an empty directory, with a clean environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "ARCHIVER_CONFIG"):
        monkeypatch.delenv(name, raising=False)

    def run(*args: str, stdin: str | None = None, **environ: str) -> Result:
        return CliRunner().invoke(main, list(args), input=stdin, env=environ, catch_exceptions=False)

    return run


@pytest.fixture
def usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration that loads, in the working directory."""
    monkeypatch.setenv("TOKEN", CANARY)
    path = tmp_path / "archiver.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Pretend:
    """Put a function of the Console in the place of ``archiver probe``."""

    def replace(function: Callable[..., Any]) -> None:
        module = ModuleType("archiver.cli.probe")
        module.probe = click.command("probe")(click.pass_obj(function))  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "archiver.cli.probe", module)

    return replace

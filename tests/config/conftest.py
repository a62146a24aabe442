"""Loading configurations from a few lines of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from archiver.config import Loaded, load
from archiver.errors import ConfigInvalid

CANARY = "canary-5f1c+/=&e9"
Load = Callable[..., Loaded]
Problems = Callable[..., list[str]]


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    """Load a text as the file ``archiver.yaml``; lines are counted from its first character."""

    def from_text(
        text: str | bytes, environ: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
    ) -> Loaded:
        path = tmp_path / "archiver.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)
        return load(path, {"TOKEN": CANARY} if environ is None else environ, overrides)

    return from_text


@pytest.fixture
def problems_of(load_text: Load, tmp_path: Path) -> Problems:
    """The problems of a text, its directory cut off; empty if there are none."""

    def problems(text: str | bytes, environ: Mapping[str, str] | None = None, **overrides: Any) -> list[str]:
        try:
            load_text(text, environ, overrides or None)
        except ConfigInvalid as invalid:
            return [problem.replace(f"{tmp_path}/", "") for problem in invalid.problems]
        return []

    return problems


@pytest.fixture
def minimal() -> str:
    """The least that can be used. Two keys of each section, six lines."""
    return (
        "source:\n"
        "  base_url: https://api.example.net/api/v2\n"
        "  token: ${TOKEN}\n"
        "destination:\n"
        "  url: s3://acme-voice/bics\n"
        "limits:\n"
    )

"""The operator disposes: plans, approves, reads the certificate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.stories.operator import Operator, Result

OVER: dict[str, Any] = {"classes": {"short": {"days": 1}}}
"""A policy under which everything that the sandbox has made is past its retention."""


def plan(someone: Operator, name: str = "plan.json") -> Path:
    path = someone.home / name
    result = someone.types("dispose", "--json", "--output", str(path))
    assert result.exit_code == 0, result.stderr
    assert oct(path.stat().st_mode)[-3:] == "600"
    return path


def approve(someone: Operator, path: Path, **sections: Any) -> Result:
    return someone.types("dispose", "--json", "--approve", str(path), **sections)


def certificate(path: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(path.with_name(f"{path.stem}.certificate.json").read_text())
    page = path.with_name(f"{path.stem}.certificate.html").read_text()
    for each in (*said["disposed"], *said["kept"]):
        assert each["recording_id"] in page
    assert "<script" not in page
    assert "http" not in page.replace(said["destination"], "")
    return said


def lose_manifest(someone: Operator) -> None:
    for path in someone.home.glob("manifest.db*"):
        path.unlink()

"""What a command used, measured by a small process that started it (``launch.py``)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """One command, from start to end."""

    exit_code: int
    seconds: float
    cpu_seconds: float
    """User and system, of it and its children."""
    peak_mib: float
    """Of its largest process."""
    stdout: str
    stderr: str


def usage_of(words: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Usage:
    """Start a command and wait for its end, whatever it is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "usage.json"
        launch = [sys.executable, "-IS", str(Path(__file__).with_name("launch.py")), str(path), *words]
        done = subprocess.run(launch, cwd=cwd, env=env, capture_output=True, text=True, errors="replace", check=True)
        return Usage(**json.loads(path.read_text()), stdout=done.stdout, stderr=done.stderr)

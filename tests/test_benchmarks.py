"""What the benchmarks build on and what nothing else would notice: the manifest that they fill in SQL."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from archiver.cli import main
from benchmarks.manifest import installation


def test_a_filled_manifest_is_one_that_the_program_reads(tmp_path: Path) -> None:
    with installation(1000, tmp_path) as config:
        result = CliRunner().invoke(main, ["-c", str(config), "status", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["states"] == {"archived": 1000}

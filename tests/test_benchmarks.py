"""What the benchmarks build on and what nothing else would notice: a manifest filled in SQL, a run over ready ports."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from click.testing import CliRunner

from archiver.cli import main
from archiver.cli.console import Flags
from benchmarks import bookkeeping
from benchmarks.manifest import installation


def test_a_filled_manifest_is_one_that_the_program_reads(tmp_path: Path) -> None:
    with installation(1000, tmp_path) as config:
        result = CliRunner().invoke(main, ["-c", str(config), "status", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["states"] == {"archived": 1000}


def test_a_run_over_ports_that_cost_nothing_does_what_any_run_does(tmp_path: Path) -> None:
    source = bookkeeping.ReadySource.of(150)
    summary, spent = asyncio.run(bookkeeping.archived(source, tmp_path, Flags(verbosity=-1)))
    assert (summary.archived, summary.suspect, summary.left) == (150, 0, 0)
    assert summary.in_flight == bookkeeping.IN_FLIGHT
    assert spent > 0

"""A manifest of 1,000,000 recordings: ``python -m benchmarks.manifest`` (``make bench-manifest``).

Measures, as processes and in wall-clock seconds (the best of three), what an operator waits for: ``--help``,
``status``, and a run with nothing to do. Then it does the run once more in this process and asks SQLite for the plan of
every statement that was executed: those that go over all recordings are printed. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from click.testing import CliRunner

import archiver
from archiver.cli import main as command_line
from archiver.sandbox import Sandbox, World
from benchmarks.runs import CONFIG

DAYS = 60
FILL = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)
INSERT INTO recordings (id, created_at, day, duration, state, attempts, reason, grade, audio_key, audio_size,
    audio_digest, sha512, length, content, sidecar_key, sidecar_size, sidecar_digest, archived_at, archived_run,
    source_row, first_listed_at, last_listed_at, last_listed_run, listed_day, late)
SELECT printf('00000000-0000-11f1-8000-%012x', i),
    datetime(:first, printf('+%d seconds', i * :step)) || '.000000', date(:first, printf('+%d seconds', i * :step)),
    30.0, 'archived', 0, '', 'verified', printf('recordings/dt=x/%d.mp3', i), 400000,
    printf('sha256:%064x', i), printf('sha512:%0128x', i), 30.0, printf('sha256:%064x', i + 7),
    printf('recordings/dt=x/%d.vcon.json', i), 6000, printf('sha256:%064x', i + 3), :then, 'run-1',
    '{"id": "x", "call_from": "32470000000", "duration": "00:00:30"}', :then, :then, 'run-1',
    date(:first, printf('+%d seconds', i * :step)), 0
FROM n
"""
CLOSE = """
INSERT OR IGNORE INTO windows (start_at, end_at, first_listed_at, last_listed_at, last_listed_run, agreed, reason,
    unique_rows, rows_unreadable, whole_at, closed_at)
VALUES (:start, :end, :then, :then, 'run-1', 1, '', 1, 0, :then, :then)
"""


@contextmanager
def installation(count: int, home: Path) -> Iterator[Path]:
    """A configuration whose manifest holds so many archived recordings of closed days, and an API with none."""
    with Sandbox(World(), dialect="flat").running() as sandbox:
        config = home / "archiver.yaml"
        config.touch(mode=0o600)
        config.write_text(CONFIG.format(base_url=sandbox.base_url, token=sandbox.token, home=home, concurrency=32))
        (home / "archive").mkdir()
        made = CliRunner().invoke(
            command_line, ["-c", str(config), "-q", "run", "--from", "2020-01-01", "--to", "2020-01-01"]
        )
        if made.exit_code:
            raise RuntimeError(made.output)
        fill(home / "manifest.db", count)
        yield config


def fill(path: Path, count: int) -> None:
    """Rows over the last days, up to a week ago, all of them closed; a day that a run has listed stays as it is."""
    then = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None) - timedelta(days=7)
    first = then - timedelta(days=DAYS)
    stamp = f"{then:%Y-%m-%d %H:%M:%S}.000000"
    with sqlite3.connect(path) as database:
        step = max(1, DAYS * 86_400 // count)
        database.execute(FILL, {"count": count, "first": f"{first:%Y-%m-%d %H:%M:%S}", "step": step, "then": stamp})
        day = first
        while day < datetime.now():  # noqa: DTZ005 - SQLite's rows are naive, in UTC
            end = day + timedelta(days=1)
            moments = {"start": f"{day:%Y-%m-%d %H:%M:%S}.000000", "end": f"{end:%Y-%m-%d %H:%M:%S}.000000"}
            database.execute(CLOSE, {**moments, "then": stamp})
            day = end
    database.close()


def seconds(*words: str) -> tuple[float, float]:
    """Wall-clock and CPU of ``archiver`` as a process, the best of three."""
    best = (1e9, 1e9)
    for _ in range(3):
        before, begun = os.times(), time.monotonic()
        command = [sys.executable, "-c", "from archiver.cli import main; main()", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-500:])
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        best = min(best, (time.monotonic() - begun, cpu))
    return round(best[0], 3), round(best[1], 3)


def scans(config: Path) -> list[str]:
    """Statements of a run that go over all recordings, with SQLite's words."""
    executed: dict[str, Any] = {}

    class Noting(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            executed.setdefault(sql, parameters)
            return super().execute(sql, parameters)

        def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
            each = list(parameters)
            executed.update({sql: each[0]} if each else {})
            return super().executemany(sql, each)

    with mock.patch.object(sqlite3, "connect", partial(sqlite3.connect, factory=Noting)):
        done = CliRunner().invoke(command_line, ["-c", str(config), "-q", "run"])
    if done.exit_code:
        raise RuntimeError(done.output)
    found = []
    database = sqlite3.connect(config.parent / "manifest.db")
    for statement, parameters in executed.items():
        if not statement.lstrip().upper().startswith(("SELECT", "UPDATE", "INSERT", "WITH")):
            continue
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        if any(words.startswith("SCAN recordings") for words in plan):
            found.append(f"{' '.join(statement.split())[:200]} -> {'; '.join(plan)}")
    database.close()
    print(f"{len(executed)} statements, {len(found)} of them go over all recordings")
    return found


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=1_000_000)
    asked = parser.parse_args()
    compileall.compile_dir(Path(archiver.__file__).parent, quiet=1)  # as installing does
    with tempfile.TemporaryDirectory() as name, installation(asked.recordings, Path(name)) as config:
        measured = {
            "help": seconds("--help"),
            "status": seconds("-c", str(config), "status", "--json"),
            "idle_run": seconds("-c", str(config), "-q", "run"),
        }
        found = scans(config)
    for words in found:
        print(words)
    print(json.dumps({"bench": "manifest", "recordings": asked.recordings, **measured, "scans": len(found)}))


if __name__ == "__main__":
    main()

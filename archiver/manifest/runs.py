"""Runs: who holds the manifest, and how each ended."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from archiver.errors import ManifestLocked
from archiver.manifest.columns import Connection, insertion, moment, moment_of, to_json

_ADD = insertion("runs", ("run_id", "started_at", "host", "pid"))
_KNOWN = "SELECT run_id FROM runs WHERE run_id = :run_id"
_END = "UPDATE runs SET ended_at = :ended_at, exit_code = :exit_code, summary = :summary WHERE run_id = :run_id"
_HOLDER = "SELECT run_id, pid, host, started_at FROM runs WHERE ended_at IS NULL ORDER BY started_at DESC LIMIT 1"


def begin(connection: Connection, run_id: str, at: datetime) -> None:
    """Note the run; ValueError if there was one of that name."""
    if connection.execute(_KNOWN, {"run_id": run_id}).fetchone() is not None:
        raise ValueError(f"there was a run {run_id} before")
    row = {"run_id": run_id, "started_at": moment(at), "host": socket.gethostname(), "pid": os.getpid()}
    connection.execute(_ADD, row)


def end(connection: Connection, run_id: str, at: datetime, exit_code: int, summary: Mapping[str, Any]) -> None:
    """Note how it ended; ValueError if it never began."""
    row = {"run_id": run_id, "ended_at": moment(at), "exit_code": exit_code, "summary": to_json(summary)}
    if connection.execute(_END, row).rowcount != 1:
        raise ValueError(f"there was no run {run_id}")


def locked(connection: Connection) -> ManifestLocked:
    """Who holds the manifest: the latest run that has not ended.

    Known from the database, since older releases of filelock empty the lock file of whoever holds it.
    """
    hint = "wait until it has ended; the lock goes with its process"
    row = connection.execute(_HOLDER).fetchone()
    if row is None:
        return ManifestLocked("another run holds the manifest", hint)
    run_id, pid, host, started_at = row
    since = moment_of(started_at).isoformat(timespec="seconds")
    return ManifestLocked(f"run {run_id} holds the manifest: process {pid} on {host}, since {since}", hint)

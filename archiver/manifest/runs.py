"""Runs: who holds the manifest, and how each ended."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from archiver.errors import ManifestLocked
from archiver.manifest.schema import runs

_ADD = insert(runs).inline()
_KNOWN = select(runs.c.run_id).where(runs.c.run_id == bindparam("of"))
_END = update(runs).where(runs.c.run_id == bindparam("of"))
_HOLDER = (
    select(runs.c.run_id, runs.c.pid, runs.c.host, runs.c.started_at)
    .where(runs.c.ended_at.is_(None))
    .order_by(runs.c.started_at.desc())
    .limit(1)
)


def begin(connection: Connection, run_id: str, at: datetime) -> None:
    """Note the run; ValueError if there was one of that name."""
    if connection.execute(_KNOWN, {"of": run_id}).first() is not None:
        raise ValueError(f"there was a run {run_id} before")
    row = {"run_id": run_id, "started_at": at, "host": socket.gethostname(), "pid": os.getpid()}
    connection.execute(_ADD, row)


def end(connection: Connection, run_id: str, at: datetime, exit_code: int, summary: Mapping[str, Any]) -> None:
    """Note how it ended; ValueError if it never began."""
    row = {"of": run_id, "ended_at": at, "exit_code": exit_code, "summary": dict(summary)}
    if connection.execute(_END, row).rowcount != 1:
        raise ValueError(f"there was no run {run_id}")


def locked(connection: Connection) -> ManifestLocked:
    """Who holds the manifest: the latest run that has not ended.

    Known from the database, since older releases of filelock empty the lock file of whoever holds it.
    """
    hint = "wait until it has ended; the lock goes with its process"
    row = connection.execute(_HOLDER).first()
    if row is None:
        return ManifestLocked("another run holds the manifest", hint)
    since = row.started_at.isoformat(timespec="seconds")
    return ManifestLocked(f"run {row.run_id} holds the manifest: process {row.pid} on {row.host}, since {since}", hint)

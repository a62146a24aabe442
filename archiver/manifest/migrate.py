"""Brings a manifest's schema up to what the program knows. Costs two small queries where there is nothing to do.

A revision is the number that the name of its script begins with; the scripts are run in their order.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from archiver.errors import ManifestUnusable
from archiver.manifest.columns import Connection

SCRIPTS = Path(__file__).parent / "migrations"
REVISION = "0001"
"""The schema this program reads and writes: that of the last script."""

_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
_FOUND = "SELECT revision FROM schema_revision"
_MAKE = "CREATE TABLE IF NOT EXISTS schema_revision (revision TEXT NOT NULL)"
_FORGET = "DELETE FROM schema_revision"
_NOTE = "INSERT INTO schema_revision (revision) VALUES (:revision)"


def revision_of(connection: Connection) -> str | None:
    """The schema's revision; None for an empty database; ManifestUnusable for one that holds something else."""
    tables = {name for (name,) in connection.execute(_TABLES)}
    if "schema_revision" in tables:
        row = connection.execute(_FOUND).fetchone()
        return None if row is None else str(row[0])
    if tables:
        raise ManifestUnusable(
            "the database holds the tables of something else", "give the manifest a database of its own"
        )
    return None


def upgrade(connection: Connection) -> None:
    """Bring the schema to ``REVISION``, in the transaction that is open; a newer one is ManifestUnusable."""
    found = revision_of(connection)
    if found is not None and found > REVISION:
        raise ManifestUnusable(
            f"the manifest has schema {found}, which is newer than this program's ({REVISION})",
            "update archiver to at least the version that wrote it",
        )
    for script in sorted(SCRIPTS.glob("*.sql")):
        if found is None or script.name.partition("_")[0] > found:
            for statement in _statements(script.read_text(encoding="utf-8")):
                connection.execute(statement)
    connection.execute(_MAKE)
    connection.execute(_FORGET)
    connection.execute(_NOTE, {"revision": REVISION})


def _statements(script: str) -> Iterator[str]:
    """One by one: the driver's own way of running a script would commit what is open before."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def refuse_other(found: str | None) -> None:
    """ManifestUnusable for a schema that a reader cannot read and may not change."""
    if found != REVISION:
        raise ManifestUnusable(
            f"the manifest has schema {found or 'none'}, this program reads {REVISION}",
            "the next `archiver run` of this version upgrades an older one; for a newer one update archiver",
        )

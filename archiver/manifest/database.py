"""A manifest's file as the writer's one thread uses it: opened, up to date, one transaction at a time."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from archiver.errors import ManifestUnusable
from archiver.manifest import migrate, sqlite


class Database:
    """A SQLite file. Made anywhere; every method is called in the one thread."""

    def __init__(self, path: Path, *, read_only: bool, busy_seconds: float) -> None:
        self._path = path
        self._read_only = read_only
        self._busy_seconds = busy_seconds
        self._connection: sqlite3.Connection | None = None

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection; a new one where the last was given up."""
        if self._connection is None:
            self._connection = sqlite.connect(self._path, read_only=self._read_only, busy_seconds=self._busy_seconds)
        return self._connection

    def open(self) -> None:
        """Make the file where there is none, bring its schema up to date; ManifestUnusable."""
        sqlite.prepare_file(self._path, read_only=self._read_only)
        try:
            self._bring_up_to_date()
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.Error):
                raise self.explain(error) from None
            raise

    def _bring_up_to_date(self) -> None:
        with sqlite.snapshot(self.connection):
            found = migrate.revision_of(self.connection)
        if found == migrate.REVISION:
            return
        if self._read_only:
            migrate.refuse_other(found)
        self.begin(writes=True)
        migrate.upgrade(self.connection)
        self.commit()

    def begin(self, *, writes: bool) -> sqlite3.Connection:
        """Begin a transaction on the connection."""
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE" if writes and not self._read_only else "BEGIN")
        return connection

    def commit(self) -> None:
        """End it, for good."""
        self.connection.commit()

    def roll_back(self) -> None:
        """End it as if it had not been; nothing where SQLite has done so, or nothing is open."""
        if self._connection is not None:
            self._connection.rollback()

    def abandon(self) -> None:
        """End whatever may be open. A connection that cannot is given up."""
        try:
            self.roll_back()
        except sqlite3.Error:
            self.close()

    def explain(self, error: sqlite3.Error) -> ManifestUnusable:
        """The error in words, without values."""
        return sqlite.explain(error, self._path)

    def close(self) -> None:
        """Release everything."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

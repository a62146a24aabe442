"""What is known of the second destination: each object's copy there, and how far the comparing has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

from archiver.manifest.columns import (
    Connection,
    moment,
    moment_of,
    moment_or_none,
    one_of,
    replacement,
    words,
)
from archiver.manifest.copy_book import Copy, CopyBook, CopyCounts, CopyScope, CopyState
from archiver.manifest.rows import chunks
from archiver.manifest.writer import Kind, Writer
from archiver.model import Digest

EVERYTHING_EVERY = timedelta(hours=24)
"""After so long, whatever was put without a listing (an amendment, a hold) is looked for by comparing everything."""
MOST_OPEN = 1000
"""Copies that are not made, looked at one by one; of more, everything is compared."""

_LAST = "SELECT begun_at, ended_at FROM copy_passes ORDER BY begun_at DESC LIMIT 1"
_EVERYTHING = "SELECT max(begun_at) FROM copy_passes WHERE whole AND ended_at IS NOT NULL"
_ENDED = "SELECT max(ended_at) FROM copy_passes"
_BEGIN = "INSERT INTO copy_passes (begun_at, run_id, whole) VALUES (:begun_at, :run_id, :whole)"
_END = "UPDATE copy_passes SET ended_at = :ended_at WHERE begun_at = :begun_at"
_FORGET_PASSES = "DELETE FROM copy_passes WHERE begun_at < :before"
_DAYS = "SELECT start_at FROM windows WHERE last_listed_at >= :since OR closed_at >= :since"
# A run that stopped early may have archived recordings of a day that it never listed to the end.
_TOUCHED = """
    SELECT DISTINCT day FROM recordings WHERE last_listed_run IN (
        SELECT run_id FROM runs WHERE started_at >= :since OR ended_at >= :since
    )
"""
_UNMADE = one_of("state", (CopyState.PENDING, CopyState.CONFLICT))
_OPEN = f"SELECT key FROM copies WHERE {_UNMADE} LIMIT {MOST_OPEN}"
_LEAVING = f"SELECT key FROM copies WHERE {one_of('state', (CopyState.LEAVING,))} ORDER BY key"
_DROP = "DELETE FROM copies WHERE key = :key"
_KNOWN = "SELECT key, size, state, digest, version, attempts, reason FROM copies WHERE key = :key"
_KEEP = replacement("copies", "key", ("key", "size", "state", "digest", "version", "attempts", "reason", "noted_at"))
_COUNTS = "SELECT state, count(*) FROM copies GROUP BY state"
_FORGET = f"DELETE FROM copies WHERE {_UNMADE} AND noted_at < :before"


@dataclass(frozen=True, slots=True)
class SqlCopyBook(CopyBook):
    """The port, through the manifest's one thread."""

    writer: Writer

    async def begin(self, run_id: str, at: datetime) -> CopyScope | None:
        return await self.writer.do(partial(_begin, run_id=run_id, at=at), Kind.WRITE)

    async def end(self, begun_at: datetime, at: datetime, *, whole: bool) -> None:
        await self.writer.do(partial(_end, begun_at=begun_at, at=at, whole=whole), Kind.WRITE)

    async def known(self, keys: Sequence[str]) -> dict[str, Copy]:
        found: dict[str, Copy] = {}
        for piece in chunks(keys):
            found |= await self.writer.do(partial(_known, keys=piece), Kind.READ)
        return found

    async def note(self, at: datetime, made: Sequence[Copy]) -> None:
        for piece in chunks(made):
            await self.writer.do(partial(_note, at=at, made=piece), Kind.WRITE)

    async def leaving(self) -> Sequence[str]:
        return await self.writer.do(_leaving, Kind.READ)

    async def forget(self, keys: Sequence[str]) -> None:
        for piece in chunks(keys):
            await self.writer.do(partial(_drop, keys=piece), Kind.WRITE)

    async def counts(self) -> CopyCounts:
        return await self.writer.do(_counts, Kind.READ)


def _begin(connection: Connection, run_id: str, at: datetime) -> CopyScope | None:
    scope = _scope(connection, at)
    connection.execute(_BEGIN, {"begun_at": moment(at), "run_id": run_id, "whole": scope is None})
    return scope


def _scope(connection: Connection, at: datetime) -> CopyScope | None:
    last = connection.execute(_LAST).fetchone()
    (everything,) = connection.execute(_EVERYTHING).fetchone()
    if last is None or last[1] is None or everything is None or at - moment_of(everything) > EVERYTHING_EVERY:
        return None
    unmade = tuple(key for (key,) in connection.execute(_OPEN))
    if len(unmade) == MOST_OPEN:
        return None
    since = {"since": last[0]}
    listed = {moment_of(start).date() for (start,) in connection.execute(_DAYS, since)}
    touched = {date.fromisoformat(day) for (day,) in connection.execute(_TOUCHED, since)}
    return CopyScope(frozenset(listed | touched), unmade)


def _end(connection: Connection, begun_at: datetime, at: datetime, *, whole: bool) -> None:
    connection.execute(_END, {"begun_at": moment(begun_at), "ended_at": moment(at)})
    if whole:  # what is still open and was not met again is gone from the first destination; older passes say nothing
        connection.execute(_FORGET, {"before": moment(begun_at)})
        connection.execute(_FORGET_PASSES, {"before": moment(begun_at)})


def _known(connection: Connection, keys: Sequence[str]) -> dict[str, Copy]:
    found = (connection.execute(_KNOWN, {"key": key}).fetchone() for key in keys)
    return {row[0]: _copy(*row) for row in found if row is not None}


def _note(connection: Connection, at: datetime, made: Sequence[Copy]) -> None:
    values = [
        {
            "key": each.key,
            "size": each.size,
            "state": each.state.value,
            "digest": str(each.digest) if each.digest else None,
            "version": each.version_id,
            "attempts": each.attempts,
            "reason": words(each.reason),
            "noted_at": moment(at),
        }
        for each in made
    ]
    connection.executemany(_KEEP, values)


def _leaving(connection: Connection) -> Sequence[str]:
    return [key for (key,) in connection.execute(_LEAVING)]


def _drop(connection: Connection, keys: Sequence[str]) -> None:
    connection.executemany(_DROP, [{"key": key} for key in keys])


def _counts(connection: Connection) -> CopyCounts:
    states = {CopyState(state): count for state, count in connection.execute(_COUNTS)}
    last = connection.execute(_LAST).fetchone()
    complete = last is not None and last[1] is not None
    return CopyCounts(states, moment_or_none(connection.execute(_ENDED).fetchone()[0]), complete)


def _copy(key: str, size: int, state: str, digest: str | None, version: str | None, attempts: int, reason: str) -> Copy:
    return Copy(key, size, CopyState(state), Digest.parse(digest) if digest else None, version, attempts, reason)

"""What is known of the second destination: each object's copy there, and how far the comparing has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, or_, select, update

from archiver.manifest.copy_book import Copy, CopyBook, CopyCounts, CopyScope, CopyState
from archiver.manifest.rows import chunks
from archiver.manifest.schema import copies, copy_passes, recordings, runs, windows
from archiver.manifest.writer import Kind, Writer
from archiver.model import Digest

EVERYTHING_EVERY = timedelta(hours=24)
"""After so long, whatever was put without a listing (an amendment, a hold) is looked for by comparing everything."""
MOST_OPEN = 1000
"""Copies that are not made, looked at one by one; of more, everything is compared."""

_LAST = select(copy_passes).order_by(copy_passes.c.begun_at.desc()).limit(1)
_EVERYTHING = select(func.max(copy_passes.c.begun_at)).where(copy_passes.c.whole, copy_passes.c.ended_at.is_not(None))
_ENDED = select(func.max(copy_passes.c.ended_at))
_BEGIN = insert(copy_passes).inline()
_END = update(copy_passes).where(copy_passes.c.begun_at == bindparam("of"))
_FORGET_PASSES = delete(copy_passes).where(copy_passes.c.begun_at < bindparam("before"))
_DAYS = select(windows.c.start_at).where(
    or_(windows.c.last_listed_at >= bindparam("since"), windows.c.closed_at >= bindparam("since"))
)
_TOUCHED = (  # a run that stopped early may have archived recordings of a day that it never listed to the end
    select(recordings.c.day)
    .where(
        recordings.c.last_listed_run.in_(
            select(runs.c.run_id).where(
                or_(runs.c.started_at >= bindparam("since"), runs.c.ended_at >= bindparam("since"))
            )
        )
    )
    .distinct()
)
_UNMADE = copies.c.state.in_([CopyState.PENDING.value, CopyState.CONFLICT.value])
_OPEN = select(copies.c.key).where(_UNMADE).limit(MOST_OPEN)
_LEAVING = select(copies.c.key).where(copies.c.state == CopyState.LEAVING.value).order_by(copies.c.key)
_DROP = delete(copies).where(copies.c.key.in_(bindparam("keys", expanding=True)))
_KNOWN = select(copies).where(copies.c.key.in_(bindparam("keys", expanding=True)))
_CHANGE = update(copies).where(copies.c.key == bindparam("of"))
_ADD = insert(copies).inline()
_COUNTS = select(copies.c.state, func.count()).group_by(copies.c.state)
_FORGET = delete(copies).where(_UNMADE, copies.c.noted_at < bindparam("before"))


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
    connection.execute(_BEGIN, {"begun_at": at, "run_id": run_id, "whole": scope is None, "ended_at": None})
    return scope


def _scope(connection: Connection, at: datetime) -> CopyScope | None:
    last = connection.execute(_LAST).first()
    everything = connection.execute(_EVERYTHING).scalar_one()
    if last is None or last.ended_at is None or everything is None or at - everything > EVERYTHING_EVERY:
        return None
    unmade = tuple(connection.execute(_OPEN).scalars())
    if len(unmade) == MOST_OPEN:
        return None
    since = {"since": last.begun_at}
    listed = {start.date() for start in connection.execute(_DAYS, since).scalars()}
    return CopyScope(frozenset(listed.union(connection.execute(_TOUCHED, since).scalars())), unmade)


def _end(connection: Connection, begun_at: datetime, at: datetime, *, whole: bool) -> None:
    connection.execute(_END, {"of": begun_at, "ended_at": at})
    if whole:  # what is still open and was not met again is gone from the first destination; older passes say nothing
        connection.execute(_FORGET, {"before": begun_at})
        connection.execute(_FORGET_PASSES, {"before": begun_at})


def _known(connection: Connection, keys: Sequence[str]) -> dict[str, Copy]:
    return {row.key: _copy(row) for row in connection.execute(_KNOWN, {"keys": list(keys)})}


def _note(connection: Connection, at: datetime, made: Sequence[Copy]) -> None:
    for each in made:
        values = {
            "size": each.size,
            "state": each.state.value,
            "digest": str(each.digest) if each.digest else None,
            "version": each.version_id,
            "attempts": each.attempts,
            "reason": each.reason,
            "noted_at": at,
        }
        if not connection.execute(_CHANGE, {"of": each.key, **values}).rowcount:
            connection.execute(_ADD, {"key": each.key, **values})


def _leaving(connection: Connection) -> Sequence[str]:
    return connection.execute(_LEAVING).scalars().all()


def _drop(connection: Connection, keys: Sequence[str]) -> None:
    connection.execute(_DROP, {"keys": list(keys)})


def _counts(connection: Connection) -> CopyCounts:
    states = {CopyState(state): count for state, count in connection.execute(_COUNTS)}
    last = connection.execute(_LAST).first()
    complete = last is not None and last.ended_at is not None
    return CopyCounts(states, connection.execute(_ENDED).scalar_one(), complete)


def _copy(row: Row[tuple[object, ...]]) -> Copy:
    digest = Digest.parse(row.digest) if row.digest else None
    return Copy(row.key, row.size, CopyState(row.state), digest, row.version, row.attempts, row.reason)

"""The second destination: whatever the first one holds is copied there, never the other way, and never in its way.

Both are listed side by side, in key order. What the second lacks is read from the first, compared with what its sidecar
or its stored checksum says, and put create-only under what protects it there. Of one recording the sidecar comes after
its audio, so that it says "sealed" there too. What was copied is in the manifest; what lies there and is not in the
manifest is compared by digest before it counts.
"""

from __future__ import annotations

import mimetypes
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

import anyio

from archiver.clock import Clock
from archiver.errors import ArchiverError, DestinationUnusable, ManifestUnusable, StoreFailed
from archiver.manifest.copy_book import Copy, CopyBook, CopyScope, CopyState
from archiver.model import Digest, StoredObject
from archiver.reporting import Reporter
from archiver.rules import audit, keys, sidecar
from archiver.rules.retry import is_down
from archiver.rules.summary import Summary
from archiver.store.body import FileBody
from archiver.store.interface import Conflict, Created, Store

BATCH = 500
"""Objects whose copies are looked up together."""
AUDIO = 0
"""Rank of what goes before its sidecar."""
DAMAGED = "the first destination does not hold what its sidecar or checksum says: archiver audit"


@dataclass(frozen=True, slots=True)
class Pair:
    """An object of the first destination, and its size in the second; None where it is not there."""

    stored: StoredObject
    there: int | None


@dataclass(slots=True)
class Copier:
    """One comparison, with what has to follow from it. Use once."""

    first: Store
    second: Store
    book: CopyBook
    clock: Clock
    reporter: Reporter
    summary: Summary
    scratch: Path
    """A directory for what is on its way."""
    at_once: int
    _failures: int = 0
    """In a row."""
    _answered: bool = False

    async def perform(self) -> None:
        """Do it. Trouble with either destination is told, in the summary too; raises ManifestUnusable alone.

        May be cancelled at any point: the next one begins anew, and finds what was copied.
        """
        begun_at = self.clock.now()
        self.summary.copies_unfinished = "it was stopped before"
        scope = await self.book.begin(self.summary.run_id, begun_at)
        prefixes = prefixes_of(scope)
        try:
            await self._compare(prefixes)
            await self.book.end(begun_at, self.clock.now(), whole=scope is None)
            self.summary.copies_unfinished = ""
        except ManifestUnusable:
            raise
        except ArchiverError as error:
            self.summary.copies_unfinished = error.fact
            self.reporter.event("copying_stopped", reason=error.fact, hint=error.hint)
            await self._note_open(prefixes, error.fact)
        finally:
            with anyio.CancelScope(shield=True):
                await self._count()

    async def _count(self) -> None:
        states = (await self.book.counts()).states
        self.summary.copies_pending = states.get(CopyState.PENDING, 0)
        self.summary.copy_conflicts = states.get(CopyState.CONFLICT, 0)

    async def _compare(self, prefixes: Sequence[str]) -> None:
        for prefix in prefixes:
            async for batch in self._batches(prefix, self.second):
                await self._settle(batch)

    async def _batches(self, prefix: str, second: Store | None) -> AsyncIterator[list[list[Pair]]]:
        """Groups of objects that belong together, some hundred objects at a time."""
        batch: list[list[Pair]] = []
        size, name = 0, ""
        async for pair in pairs(self.first, second, prefix):
            group = audit.group_of(pair.stored.key)
            if group != name:
                if size >= BATCH:
                    yield batch
                    batch, size = [], 0
                batch.append([])
            batch[-1].append(pair)
            size, name = size + 1, group
        if batch:
            yield batch

    async def _settle(self, batch: Sequence[Sequence[Pair]]) -> None:
        """Copy, or compare, what of these groups is not known to be there."""
        known = await self.book.known([pair.stored.key for group in batch for pair in group])
        limit = anyio.CapacityLimiter(self.at_once)
        made: list[Copy] = []
        down: list[ArchiverError] = []

        async def work(group: Sequence[Pair]) -> None:
            async with limit:
                try:
                    await self._group(group, known, made)
                except ArchiverError as error:
                    down.append(error)
                    tasks.cancel_scope.cancel()

        try:
            async with anyio.create_task_group() as tasks:
                for group in batch:
                    if not all(_is_copied(pair, known) for pair in group):
                        tasks.start_soon(work, group)
        finally:
            with anyio.CancelScope(shield=True):
                await self.book.note(self.clock.now(), made)
        if down:
            raise down[0]

    async def _group(self, group: Sequence[Pair], known: dict[str, Copy], made: list[Copy]) -> None:
        """The objects of one recording, audio first; each part waits for the one before it."""
        stated = await self._stated(group)
        for pair in sorted(group, key=lambda pair: _rank(pair.stored.key)):
            if _is_copied(pair, known) or (stated is None and _rank(pair.stored.key)[0] == AUDIO):
                continue  # done; or not sealed yet, and its turn comes
            before = known.get(pair.stored.key)
            copy = await self._attempt(pair, (stated or {}).get(pair.stored.key), before)
            if copy is None:
                return  # gone from the first destination meanwhile
            made.append(copy)
            if copy.state is not CopyState.COPIED:
                return

    async def _stated(self, group: Sequence[Pair]) -> dict[str, Digest] | None:
        """Digests of audio as the sidecars in the first destination state them; None where there is no sidecar."""
        if group[0].stored.key.partition("/")[0] not in (keys.RECORDINGS, keys.QUARANTINE):
            return {}
        stated: dict[str, Digest] = {}
        sidecars = [pair.stored.key for pair in group if audit.is_sidecar(pair.stored.key)]
        for key in sidecars:
            try:
                seal = sidecar.read(key, await self.first.read(key, sidecar.SIZE_LIMIT) or b"")
            except ValueError:
                continue  # not ours, or damaged: copied as it is, and an audit tells of it
            if seal.audio.digest is not None:
                stated[seal.audio.key] = seal.audio.digest
        return stated if sidecars else None

    async def _attempt(self, pair: Pair, stated: Digest | None, before: Copy | None) -> Copy | None:
        """One try. StoreFailed once several in a row have failed, DestinationUnusable at once."""
        stored = pair.stored
        pending = Copy(stored.key, stored.size, CopyState.PENDING, attempts=before.attempts if before else 0)
        try:
            held = await self.first.head(stored.key)
            if held is None:
                return None
            copy = await self._brought(held, stated) if pair.there is None else await self._compared(held, pair.there)
        except StoreFailed as error:
            self._failures += 1
            if is_down(self._failures, answered=self._answered):
                raise
            self.reporter.event("copy_failed", key=stored.key, reason=error.fact)
            return replace(pending, attempts=pending.attempts + 1, reason=error.fact)
        self._failures, self._answered = 0, True
        if copy.state is CopyState.CONFLICT:
            self.reporter.event("copy_conflict", key=stored.key)
        return copy

    async def _brought(self, held: StoredObject, stated: Digest | None) -> Copy:
        """Read, compare, put."""
        pending = Copy(held.key, held.size, CopyState.PENDING, reason=DAMAGED, attempts=1)
        try:
            with tempfile.NamedTemporaryFile(dir=self.scratch, buffering=0) as file:
                came = await self.first.download(held.key, cast("BinaryIO", file.file))
                wrong = came is None or came.digest != held.digest or (stated is not None and came.digest != stated)
                if came is None or came.digest is None or wrong:
                    self.reporter.event("copy_failed", key=held.key, reason=DAMAGED)
                    return pending
                outcome = await self.second.put_new(
                    held.key, FileBody(Path(file.name), came.size), came.digest, mediatype_of(held.key), held.protection
                )
        except OSError as error:
            raise StoreFailed(f"{held.key} cannot be kept in scratch: {error.strerror}") from None
        if isinstance(outcome, Conflict):
            return _conflict(held)
        self.summary.copied += isinstance(outcome, Created)
        return Copy(held.key, came.size, CopyState.COPIED, came.digest, outcome.stored.version_id)

    async def _compared(self, held: StoredObject, there: int) -> Copy:
        """What lies there already, by its digest."""
        other = await self.second.head(held.key) if there == held.size else None
        if other is None or other.digest != held.digest:
            return _conflict(held)
        return Copy(held.key, held.size, CopyState.COPIED, other.digest, other.version_id)

    async def _note_open(self, prefixes: Sequence[str], reason: str) -> None:
        """Keep what is to be copied once the second destination is there again: for people, who ask how much."""
        try:
            for prefix in prefixes:
                async for batch in self._batches(prefix, None):
                    stored = [pair.stored for group in batch for pair in group]
                    known = await self.book.known([each.key for each in stored])
                    missing = [
                        Copy(each.key, each.size, CopyState.PENDING, reason=reason)
                        for each in stored
                        if each.key not in known
                    ]
                    await self.book.note(self.clock.now(), missing)
        except (StoreFailed, DestinationUnusable):
            return  # the first does not answer either: told by what it was asked for before


async def pairs(first: Store, second: Store | None, prefix: str) -> AsyncIterator[Pair]:
    """Every object of the first destination that is to be copied, beside its size in the second, in key order."""
    theirs = second.list(prefix) if second is not None else None
    other = await anext(theirs, None) if theirs is not None else None
    async for mine in first.list(prefix):
        if mine.key.partition("/")[0] in keys.NOT_COPIED:
            continue
        while theirs is not None and other is not None and audit.order_of(other.key) < audit.order_of(mine.key):
            other = await anext(theirs, None)
        yield Pair(mine, other.size if other is not None and other.key == mine.key else None)


def prefixes_of(scope: CopyScope | None) -> list[str]:
    """Where to look, without looking anywhere twice."""
    if scope is None:
        return [""]
    areas = (keys.RECORDINGS, keys.QUARANTINE, keys.TOMBSTONES, *keys.DAY_AREAS)
    days = [keys.day_prefix(area, day) for day in sorted(scope.days) for area in areas]
    wanted = sorted({*days, *(audit.group_of(key) for key in scope.keys), f"{keys.HOLDS}/"})
    return [prefix for prefix in wanted if not any(prefix != each and prefix.startswith(each) for each in wanted)]


def mediatype_of(key: str) -> str:
    """As the first destination was told, or near it."""
    if audit.is_sidecar(key):
        return sidecar.MEDIATYPE
    kind, encoding = mimetypes.guess_type(key)
    return "application/gzip" if encoding == "gzip" else kind or "application/octet-stream"


def _is_copied(pair: Pair, known: dict[str, Copy]) -> bool:
    copy = known.get(pair.stored.key)
    return copy is not None and copy.state is CopyState.COPIED and pair.there == copy.size == pair.stored.size


def _rank(key: str) -> tuple[int, str]:
    """Audio, then the sidecar, then the documents beside it."""
    return (1 if audit.is_sidecar(key) else 2 if key.endswith(".json") else AUDIO), key


def _conflict(held: StoredObject) -> Copy:
    return Copy(held.key, held.size, CopyState.CONFLICT, reason="other bytes lie under its key there")

"""Amendments in the bucket: read in order, added, never rewritten. Of two racing writers one takes the next number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from archiver.clock import Clock
from archiver.errors import StoreFailed
from archiver.manifest.interface import Entry
from archiver.model import Digest
from archiver.rules import amendment, keys
from archiver.rules.amendment import Amendment, Kind
from archiver.store.body import Document
from archiver.store.interface import Conflict, Store

TRIES = 5
"""Times that a recording's amendments are read again because another writer was faster with a number."""


@dataclass(frozen=True, slots=True)
class Amendments:
    """Those of one recording, in the order of their numbers."""

    documents: tuple[Amendment, ...] = ()
    last: Digest | None = None
    """SHA-256 of the last document."""

    @property
    def next(self) -> int:
        """The number of the one to come."""
        return self.documents[-1].number + 1 if self.documents else 1

    def latest(self, kind: Kind) -> Amendment | None:
        """The last one of a kind: what holds now."""
        return next((each for each in reversed(self.documents) if each.kind == kind), None)


async def read_amendments(store: Store, recording_id: str, day: date) -> Amendments:
    """One LIST, and one read each. StoreFailed where one cannot be read, or speaks of another recording."""
    documents: list[Amendment] = []
    last = None
    listed = [keys.amendment_of(stored.key) async for stored in store.list(keys.amendment_prefix(recording_id, day))]
    for number in sorted(named[1] for named in listed if named is not None):
        key = keys.amendment_key(recording_id, day, number)
        content = await store.read(key, amendment.SIZE_LIMIT) or b""
        try:
            found = amendment.read(content)
        except ValueError as error:
            raise StoreFailed(f"{key}: {error}") from None
        if (found.recording_id, found.number) != (recording_id, number):
            raise StoreFailed(f"{key} speaks of another recording, or has another number")
        documents.append(found)
        last = Digest.sha256_of(content)
    return Amendments(tuple(documents), last)


@dataclass(frozen=True, slots=True)
class Amender:
    """Adds amendments to sealed recordings. Raises StoreFailed, DestinationUnusable."""

    store: Store
    clock: Clock
    run_id: str
    software: str

    async def amend(
        self, entry: Entry, kind: Kind, facts: Mapping[str, Any], is_said: Callable[[Amendments], bool]
    ) -> Amendment | None:
        """Add ``facts`` to a recording that has a sidecar, unless ``is_said`` finds them in the amendments it has.

        The amendment as it lies in the bucket now; None if nothing had to be written. Where another writer takes the
        number, ``is_said`` is asked again, with what that one wrote.
        """
        if entry.sidecar is None or entry.sidecar.digest is None:
            raise ValueError(f"recording {entry.recording_id} has no sidecar to be amended")
        for _ in range(TRIES):
            known = await read_amendments(self.store, entry.recording_id, entry.day)
            if is_said(known):
                return None
            written = Amendment(
                recording_id=entry.recording_id,
                number=known.next,
                kind=kind,
                at=self.clock.now(),
                run_id=self.run_id,
                software=self.software,
                sidecar=entry.sidecar.digest,
                previous=known.last,
                facts=facts,
            )
            if await self._put(entry, written):
                return written
        raise StoreFailed(f"other writers keep the amendments of recording {entry.recording_id} busy")

    async def _put(self, entry: Entry, written: Amendment) -> bool:
        """False where the number is taken."""
        document = Document(amendment.build(written))
        key = keys.amendment_key(entry.recording_id, entry.day, written.number)
        outcome = await self.store.put_new(key, document, document.digest, amendment.MEDIATYPE)
        return not isinstance(outcome, Conflict)

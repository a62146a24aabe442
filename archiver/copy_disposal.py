"""Deletes in the second destination what was disposed of in the first: afterwards, one by one, never in its way.

The manifest says what is left of it there, the tombstone in the first destination what it was. Each copy is looked at
anew: matters, lock and hold there, and its bytes. The tombstone is there before the first deletion, as in the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from archiver.clock import Clock
from archiver.errors import DestinationUnusable, StoreFailed
from archiver.keeping import Keeper
from archiver.manifest.copy_book import Copy, CopyBook, CopyState
from archiver.matters import read_orders
from archiver.rules import audit, disposal, keys
from archiver.rules.disposal import Stayed, Tombstone
from archiver.rules.hold import Subject
from archiver.rules.retry import is_down
from archiver.store.body import Document
from archiver.store.interface import Conflict, Refused, Store, Version
from archiver.tombstones import tombstone_in


@dataclass(slots=True)
class Gone:
    """What became of the copies of recordings that were disposed of."""

    destination: str
    deleted: list[str] = field(default_factory=list)
    """Recording ids: no version of them is left there."""
    stayed: list[Stayed] = field(default_factory=list)


@dataclass(slots=True)
class CopyDisposal:
    """Carries out what is open, of this disposal and of those before. Never bypasses a lock."""

    first: Store
    second: Store
    book: CopyBook
    keeper: Keeper
    clock: Clock
    tell: Callable[..., None]
    """Takes events as ``Reporter.event`` does."""
    _failures: int = 0
    """In a row."""
    _answered: bool = False
    _down: str = ""
    """Why nothing more is asked of the second destination."""

    async def carry_out(self) -> Gone:
        """Delete what nothing keeps. Trouble with the second destination leaves it open; raises ManifestUnusable."""
        gone = Gone(self.second.location)
        groups: dict[str, list[str]] = {}
        for key in await self.book.leaving():
            groups.setdefault(keys.tombstone_beside(key), []).append(key)
        for buried, left in groups.items():
            try:
                tombstone, document = await self._tombstone(buried)
            except StoreFailed as error:
                gone.stayed.append(Stayed(audit.stem_of(buried), error.fact, pending=False))
                continue
            stayed = await self._attempt(tombstone, document)
            if stayed is None:
                await self.book.forget(left)
                gone.deleted.append(tombstone.recording_id)
                self.tell("copy_disposed", recording_id=tombstone.recording_id, objects=len(left))
            else:
                gone.stayed.append(stayed)
                self.tell("copy_kept", recording_id=stayed.recording_id, reason=stayed.reason, pending=stayed.pending)
        return gone

    async def _tombstone(self, buried: str) -> tuple[Tombstone, Document]:
        """As it lies in the first destination. StoreFailed where there is none of this very recording."""
        content = await self.first.read(buried, disposal.SIZE_LIMIT)
        if content is None:
            raise StoreFailed(f"{buried} is not in the first destination")
        tombstone = tombstone_in(buried, content)
        if keys.tombstone_key(tombstone.recording_id, tombstone.created_at.date()) != buried:
            raise StoreFailed(f"{buried} speaks of another recording")
        return tombstone, Document(content)

    async def _attempt(self, tombstone: Tombstone, document: Document) -> Stayed | None:
        """None if nothing is left of it there."""
        if not self._down:
            try:
                reason = await self._reason_to_keep(tombstone) or await self._delete(tombstone, document)
            except StoreFailed as error:
                self._failures += 1
                self._down = error.fact if is_down(self._failures, answered=self._answered) else ""
                return Stayed(tombstone.recording_id, error.fact, pending=True)
            except DestinationUnusable as error:
                self._down = error.fact
            else:
                self._failures, self._answered = 0, True
                return Stayed(tombstone.recording_id, reason, pending=False) if reason else None
        return Stayed(tombstone.recording_id, self._down, pending=True)

    async def _reason_to_keep(self, tombstone: Tombstone) -> str:
        self.keeper.orders = await read_orders(self.first)
        if matters := self.keeper.matters(Subject(tombstone.recording_id, tombstone.created_at, None, {})):
            return f"held for {', '.join(sorted(matters))}"
        for key in tombstone.keys:
            if await self.first.versions(key):
                return f"{key} is still in the first destination"
            async for stored in self.second.list(audit.group_of(key)):
                if stored.key not in tombstone.keys:
                    return f"{stored.key} is nothing that the tombstone names"
        for key in tombstone.keys:
            versions = [each for each in await self.second.versions(key) if not each.deletion]
            if reason := await self._foreign(tombstone, key, versions) or await self._protected(key, versions):
                return reason
        return ""

    async def _foreign(self, tombstone: Tombstone, key: str, versions: Sequence[Version]) -> str:
        """Nobody has reviewed what lies there: only the one version that was copied may go."""
        if not versions:
            return ""
        held = await self.second.head(key)
        if len(versions) > 1 or held is None:
            return f"{key} has versions there that were not copied"
        copied = {piece.sha256 for piece in tombstone.pieces if piece.key == key}
        return "" if held.digest is not None and held.digest.hex in copied else f"other bytes lie under {key} there"

    async def _protected(self, key: str, versions: Sequence[Version]) -> str:
        for version in versions:
            held = await self.second.protection(key, version.version_id)
            if held is not None and held.forbids_deletion(self.clock.now()):
                return f"{key} is {'under a legal hold' if held.legal_hold else 'locked'} there"
        return ""

    async def _delete(self, tombstone: Tombstone, document: Document) -> str:
        """Why something is left; empty if nothing is."""
        buried = keys.tombstone_key(tombstone.recording_id, tombstone.created_at.date())
        outcome = await self.second.put_new(buried, document, document.digest, disposal.MEDIATYPE)
        if isinstance(outcome, Conflict):
            return f"{buried} holds something else there"
        copy = Copy(buried, document.size, CopyState.COPIED, document.digest, outcome.stored.version_id)
        await self.book.note(self.clock.now(), [copy])
        for key in tombstone.keys:
            for version in await self.second.versions(key):
                refused = await self.second.delete_version(key, version.version_id)
                if isinstance(refused, Refused):
                    return self._refusal(key, refused)
            if await self.second.versions(key):
                return f"there are versions of {key} there after their deletion"
        return ""

    def _refusal(self, key: str, refused: Refused) -> str:
        if refused.protection is not None and refused.protection.forbids_deletion(self.clock.now()):
            return f"{key} has been locked or held there since it was looked at"
        raise DestinationUnusable(f"the second destination refuses to delete {key}, which nothing locks")

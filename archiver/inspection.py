"""One recording in the bucket, held against the manifest. Reads; writes nothing anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from archiver.errors import StoreFailed
from archiver.manifest.interface import Entry
from archiver.model import Digest, StoredObject
from archiver.rules import amendment, audit, keys, sidecar
from archiver.rules.audit import Difference, Kind, gone
from archiver.rules.lifecycle import State
from archiver.store.interface import KeyHistory, Store

Objects = Mapping[str, KeyHistory]
"""Keys of one group with their histories."""


@dataclass(slots=True)
class Inspected:
    """What came of it."""

    differences: list[Difference] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """A sentence for each object that the store did not hand out."""
    read: bool = False
    """True if digests were compared, not only what a listing tells."""


@dataclass(frozen=True, slots=True)
class Inspector:
    """Knows the way to the bytes."""

    store: Store
    deep: bool
    """Read audio instead of asking for its stored checksum."""

    async def inspect(self, entry: Entry, objects: Objects, *, sampled: bool) -> Inspected:
        """What differs between ``entry``, which names audio, and the group of keys in which that lies.

        Digests are compared if it is ``sampled``, or if the listing gave cause.
        """
        expected = expected_of(entry)
        result = Inspected([*listed(expected, objects)])
        if sampled or result.differences:
            result.read = bool(expected)
            for stored in expected:
                if _holds(objects, stored):
                    await self._read(entry, stored, result)
        named = {stored.key for stored in expected}
        if entry.state is State.STORED:  # its sidecar may have been written by a process that died before it said so
            named.add(keys.sidecar_key(entry.recording_id, entry.day))
        current = {key: history for key, history in objects.items() if history.current}
        beside = audit.amended(current)
        if beside and result.read:
            await self._amendments(entry, beside, result)
        named |= beside
        rest = {key: history for key, history in current.items() if key not in named}
        result.differences += strays(entry, rest)
        return result

    async def _read(self, entry: Entry, stored: StoredObject, result: Inspected) -> None:
        look = self._sidecar if audit.is_sidecar(stored.key) else self._audio
        try:
            found = await look(entry, stored)
        except StoreFailed as error:
            result.unreadable.append(error.fact)
            return
        result.differences += [found] if found else []

    async def _amendments(self, entry: Entry, names: Iterable[str], result: Inspected) -> None:
        """They change nothing of the recording: audio and sidecar are what they are."""
        documents: dict[int, bytes] = {}
        for key, number in sorted((key, named[1]) for key in names if (named := keys.amendment_of(key)) is not None):
            try:
                documents[number] = await self.store.read(key, amendment.SIZE_LIMIT) or b""
            except StoreFailed as error:
                result.unreadable.append(error.fact)
                return
        digest = entry.sidecar.digest if entry.sidecar and entry.state is not State.STORED else None
        found = amendment.flaws(entry.recording_id, documents, digest, reconstructed=False)
        if found and await self._reconstructed(entry):
            found = amendment.flaws(entry.recording_id, documents, digest, reconstructed=True)
        for number, words in found:
            key = keys.amendment_key(entry.recording_id, entry.day, number)
            result.differences.append(Difference(Kind.AMENDMENT_DIFFERS, key, words))

    async def _reconstructed(self, entry: Entry) -> bool:
        """True if its sidecar says that it was made again."""
        key = keys.sidecar_key(entry.recording_id, entry.day)
        try:
            return sidecar.read(key, await self.store.read(key, sidecar.SIZE_LIMIT) or b"").reconstructed
        except (ValueError, StoreFailed):
            return False  # told by whoever looks at the sidecar itself

    async def _audio(self, _: Entry, stored: StoredObject) -> Difference | None:
        held = await (self.store.rehash(stored.key) if self.deep else self.store.head(stored.key))
        if held is None:
            return gone(stored.key)
        if stored.digest is None or held.digest == stored.digest:
            return None
        words = "its SHA-256 is not the one recorded"
        return Difference(Kind.DIGEST_DIFFERS, stored.key, words, str(stored.digest), str(held.digest))

    async def _sidecar(self, entry: Entry, stored: StoredObject) -> Difference | None:
        content = await self.store.read(stored.key, sidecar.SIZE_LIMIT)
        if content is None:
            return gone(stored.key)
        digest = Digest.sha256_of(content)
        if stored.digest is not None and digest != stored.digest:
            words = "the sidecar is not the one that was written"
            return Difference(Kind.SIDECAR_DIFFERS, stored.key, words, str(stored.digest), str(digest))
        wrong = misstatement(entry, stored.key, content)
        return Difference(Kind.SIDECAR_DIFFERS, stored.key, wrong) if wrong else None


def expected_of(entry: Entry) -> list[StoredObject]:
    """What has to be in the bucket: audio and sidecar; audio; or nothing, where it is to be fetched (again)."""
    if entry.audio is None or entry.state not in (State.STORED, State.ARCHIVED, State.QUARANTINED):
        return []
    if entry.sidecar is None or entry.state is State.STORED:
        return [entry.audio]
    return [entry.audio, entry.sidecar]


def listed(expected: Sequence[StoredObject], objects: Objects) -> Iterator[Difference]:
    """What a listing tells of them: missing, another size, another version."""
    for stored in expected:
        history = objects.get(stored.key)
        if history is None or history.current is None:
            yield gone(stored.key, deleted=history is not None)
            continue
        current = history.current
        if current.size != stored.size:
            kind = Kind.SIDECAR_DIFFERS if audit.is_sidecar(stored.key) else Kind.SIZE_DIFFERS
            words = f"it has {current.size} bytes, {stored.size} are recorded"
            yield Difference(kind, stored.key, words, stored.size, current.size)
        if stored.version_id is not None and history.versions is not None and current.version_id != stored.version_id:
            words = "its current version is not the one recorded"
            yield Difference(Kind.VERSION_DIFFERS, stored.key, words, stored.version_id, current.version_id)
        elif history.versions is not None and history.versions > 1:
            yield Difference(Kind.VERSION_DIFFERS, stored.key, "it has more than one version", 1, history.versions)


def strays(entry: Entry | None, objects: Objects) -> Iterator[Difference]:
    """Findings about a group's objects that the manifest does not name; ``entry`` is None if it is not known.

    Rejected bytes stay in quarantine whatever becomes of their recording: a whole pair there is as it should be.
    """
    beside = audit.amended(objects)
    alone = audit.halves(key for key in objects if keys.amendment_of(key) is None)
    for key in sorted(objects.keys() - beside):
        if not audit.is_ours(key):
            yield Difference(Kind.ORPHAN, key, "no key that this program makes")
        elif keys.amendment_of(key) is not None:
            yield Difference(Kind.ORPHAN, key, "an amendment without the sidecar that it amends")
        elif key in alone:
            half = "a sidecar without its audio" if audit.is_sidecar(key) else "audio without a sidecar"
            known = f"{entry.state} in the manifest" if entry else "the manifest does not know it"
            yield Difference(Kind.ORPHAN, key, f"{half}; {known}")
        elif entry is None:
            words = "the manifest does not know it: archiver manifest rebuild takes in what is sealed"
            yield Difference(Kind.EXTRA, key, words)
        elif key.startswith(f"{keys.RECORDINGS}/"):
            yield Difference(Kind.EXTRA, key, f"sealed, but {entry.state} without it in the manifest")


def lost_its_sidecar_alone(entry: Entry, differences: Sequence[Difference]) -> bool:
    """True if of a sealed recording nothing is missing but the sidecar."""
    missing = {difference.key for difference in differences if difference.kind is Kind.MISSING}
    return entry.state is State.ARCHIVED and entry.sidecar is not None and missing == {entry.sidecar.key}


def misstatement(entry: Entry, key: str, content: bytes) -> str:
    """Where a sidecar does not speak of the recording and audio that the manifest has; empty if it does."""
    try:
        seal = sidecar.read(key, content)
    except ValueError as error:
        return str(error)
    if entry.audio is None:
        return ""
    said = {
        "recording id": (seal.recording_id, entry.recording_id),
        "key": (seal.audio.key, entry.audio.key),
        "size": (seal.audio.size, entry.audio.size),
        "SHA-256": (seal.audio.digest, entry.audio.digest),
    }
    wrong = [name for name, (told, recorded) in said.items() if told != recorded]
    return f"the sidecar states another {', '.join(wrong)} than the manifest" if wrong else ""


def _holds(objects: Objects, stored: StoredObject) -> bool:
    """True if the object is there in the size recorded, so that its bytes are worth asking for."""
    history = objects.get(stored.key)
    return history is not None and history.current is not None and history.current.size == stored.size

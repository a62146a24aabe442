"""What an audit looks at, what it can find, and what follows from it for a recording."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from archiver.rules import keys
from archiver.rules.lifecycle import Event, State

_OURS = re.compile(rf"({keys.RECORDINGS}|{keys.QUARANTINE})/dt=\d{{4}}-\d\d-\d\d/[A-Za-z0-9_-]+\.[A-Za-z0-9.]+")
_NUMBERS = 2**64


class Kind(StrEnum):
    """What can differ between bucket and manifest."""

    MISSING = "missing"  # the manifest has it, the bucket does not
    EXTRA = "extra"  # sealed in the bucket, and not so in the manifest
    SIZE_DIFFERS = "size_differs"  # audio of another size than recorded
    DIGEST_DIFFERS = "digest_differs"  # audio with another SHA-256 than recorded
    SIDECAR_DIFFERS = "sidecar_differs"  # a sidecar that was changed, or speaks of other audio
    AMENDMENT_DIFFERS = "amendment_differs"  # amendments that are no unbroken chain to their sidecar
    VERSION_DIFFERS = "version_differs"  # a key that was written more than once, or not by us last
    ORPHAN = "orphan"  # half a pair, what nobody knows, what dead processes left


CORRUPTING = frozenset({Kind.SIZE_DIFFERS, Kind.DIGEST_DIFFERS, Kind.SIDECAR_DIFFERS})


@dataclass(frozen=True, slots=True)
class Difference:
    """One finding."""

    kind: Kind
    key: str
    reason: str
    """For people."""
    expected: str | int | None = None
    found: str | int | None = None


def gone(key: str, *, deleted: bool = False) -> Difference:
    """An object that is not there; ``deleted`` if older versions of it are."""
    words = "deleted; the bucket still keeps an older version" if deleted else "not in the bucket"
    return Difference(Kind.MISSING, key, words)


@dataclass(frozen=True, slots=True)
class Share:
    """The part of the archive that one audit looks at. Decided by the stem of an object's key alone."""

    sample: float = 1.0
    """Of the recordings, how many are checked object by object; what a listing tells is checked of all."""
    seed: str = ""
    """Equal seeds choose equal samples."""
    shard: int = 1
    shards: int = 1

    def covers(self, stem: str) -> bool:
        """True in exactly one of the ``shards``, always the same one."""
        return _number(stem) % self.shards == self.shard - 1

    def samples(self, stem: str) -> bool:
        """True for about ``sample`` of all stems."""
        return _number(f"{self.seed}\n{stem}") < self.sample * _NUMBERS


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(order_of(text)).digest()[:8], "big")


def order_of(key: str) -> bytes:
    """By which a bucket sorts."""
    return key.encode("utf-8", "surrogateescape")


def group_of(key: str) -> str:
    """What the keys of one recording in one area have in common: up to their first dot, dot included.

    In key order the keys of a group stand together, and groups follow in the order of this text, whatever else
    somebody put between them: a prefix that ends with the only dot in it cannot be the start of another one.
    """
    before, dot, _ = key.partition(".")
    return before + dot


def stem_of(key: str) -> str:
    """The stem in the key: the recording's id, or what stands for it."""
    return group_of(key).rpartition("/")[2].removesuffix(".")


def is_ours(key: str) -> bool:
    """True if this program could have made the key."""
    return _OURS.fullmatch(key) is not None or keys.amendment_of(key) is not None


def is_sidecar(key: str) -> bool:
    """By its name."""
    return key.endswith(keys.SIDECAR_SUFFIX)


def amended(names: Collection[str]) -> set[str]:
    """Keys of amendments that stand beside the sidecar they amend."""
    found = {name: keys.amendment_of(name) for name in names}
    return {name for name, of in found.items() if of is not None and of[0] in names}


def halves(names: Iterable[str]) -> set[str]:
    """Keys of audio without a sidecar, and of sidecars without audio."""
    pairs: dict[str, list[str]] = {}
    for name in names:
        base = name.removesuffix(keys.SIDECAR_SUFFIX) if is_sidecar(name) else name.rpartition(".")[0]
        pairs.setdefault(base, []).append(name)
    return {each for pair in pairs.values() if len({is_sidecar(name) for name in pair}) == 1 for each in pair}


def event_for(state: State, kinds: Collection[Kind]) -> Event | None:
    """What a recording in ``state`` goes through when these were found of it; None for nothing.

    Corruption wins over drift: fetching again cannot mend a key that holds wrong bytes.
    """
    if state not in (State.STORED, State.ARCHIVED):
        return None
    if CORRUPTING & set(kinds):
        return Event.CORRUPTED
    return Event.DRIFTED if Kind.MISSING in kinds else None

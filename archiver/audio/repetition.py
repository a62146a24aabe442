"""Audio that occurs twice in one recording, byte for byte: a block written or fetched twice.

Two frames of real sound never come out alike: the reservoir alone differs. So a handful of frames in the same order at
two places is a copy. Silence and pure tones do repeat, and are left out.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import chain, compress

from archiver.audio.frames import Run
from archiver.audio.mpeg import HEADER
from archiver.audio.notes import Notes

KEY = 3
"""Bytes compared of the side information, and as many of the main data."""
LANE = 8
"""Bytes of a key with room above it."""
LEAST_FRAMES = 6
"""Nearly half a second at 72 ms."""
MOST_FRAMES = 200_000
"""Frames remembered: four hours at 72 ms. Bounds the memory."""
FEW_DISTINCT = 3


class Repetition:
    """Takes the runs of a walk; ``close`` notes the longest copy."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._keys: array[int] = array("Q")
        self._runs: list[Run] = []

    def take(self, run: Run) -> None:
        """Remember the frames of ``run``."""
        if run.stream.layer != 3 or len(self._keys) >= MOST_FRAMES:
            return
        overhead = run.stream.overhead
        if isinstance(run.lengths, int) and run.lengths < overhead + KEY:
            return
        packed = bytearray(LANE * run.count)
        side = overhead - run.stream.side_info if run.stream.protected else HEADER
        for lane, offset in enumerate(chain(range(side, side + KEY), range(overhead, overhead + KEY))):
            packed[lane::LANE] = run.column(offset)
        self._keys.frombytes(packed)
        self._runs.append(run)

    def close(self) -> None:
        """Note ``repeated_audio`` if a stretch of frames occurs twice."""
        if not _may_repeat(self._keys):
            return
        keys = self._keys.tolist()
        start, again, length = longest_copy(keys)
        if length >= LEAST_FRAMES and len(set(keys[again : again + length])) >= FEW_DISTINCT:
            at = list(chain.from_iterable(run.starts for run in self._runs))
            self._notes.find("repeated_audio", f"{length} frames are the same at bytes {at[start]} and {at[again]}")


def _may_repeat(keys: array[int]) -> bool:
    """False if no six keys in a row occur twice, keys that follow themselves (silence) apart.

    Six keys are folded into one, all of them at once, as lanes of one long integer; each is shifted by another number
    of bits (into the room above it) so that their order counts.
    """
    if len(keys) <= LEAST_FRAMES:
        return False
    bits = 8 * LANE
    lanes = int.from_bytes(keys.tobytes(), "little")
    folded = lanes
    for step in range(1, LEAST_FRAMES):
        folded ^= (lanes >> bits * step) << 3 * step
    folds = _lanes(folded, len(keys))[: 1 - LEAST_FRAMES]
    if len(set(folds)) == len(folds):
        return False
    changes = _lanes(lanes ^ (lanes >> bits), len(keys))
    told = list(compress(folds, changes))
    return len(told) > len(set(told))


def _lanes(number: int, count: int) -> array[int]:
    """The lanes of ``number`` as values of their own."""
    return array("Q", number.to_bytes(LANE * count, "little"))


def longest_copy(keys: Sequence[int]) -> tuple[int, int, int]:
    """``(first, again, length)`` of the longest stretch of keys that repeats one before it, each key once seen.

    Keys that follow themselves at once (silence, tones) are no copy.
    """
    first: dict[int, int] = {}
    best = (0, 0, 0)
    run = distance = 0
    for index, key in enumerate(keys):
        origin = first.setdefault(key, index)
        gap = index - origin
        run = run + 1 if gap > FEW_DISTINCT and gap == distance else int(gap > FEW_DISTINCT)
        distance = gap
        if run > best[2]:
            best = (origin - run + 1, index - run + 1, run)
    return best

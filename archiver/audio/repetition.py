"""Audio that occurs twice in one recording, byte for byte: a block written or fetched twice.

Two frames of real sound never come out alike: the reservoir alone differs. So a handful of frames in the same order at
two places is a copy. Silence and pure tones do repeat, and are left out.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from hashlib import shake_128
from itertools import chain, islice

from archiver.audio.mpeg import HEADER
from archiver.audio.notes import Notes
from archiver.audio.runs import Run

KEY = 3
"""Bytes compared of the side information, and as many of the main data."""
MIDDLE = (2, 5)
"""Columns of the keys of which marks are made at first; made of all six they tell more apart, for twice the work."""
LANE = 8
"""Bytes of the number that a key or six marks make."""
LEAST_FRAMES = 6
"""Nearly half a second at 72 ms."""
MOST_FRAMES = 200_000
"""Frames remembered: four hours at 72 ms. Bounds the memory."""
FEW_DISTINCT = 3


class Repetition:
    """Takes the runs of a walk; ``close`` notes the longest copy."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._marks = bytearray()
        self._runs: list[Run] = []

    def take(self, run: Run) -> None:
        """Remember the frames of ``run``."""
        if run.stream.layer != 3 or len(self._marks) >= MOST_FRAMES:
            return
        lengths, least = run.stream.lengths, run.stream.overhead + KEY
        if len(run.third_values) == 1 and lengths[run.third_values[0]] < least:
            return
        self._marks += _marks(islice(_key_columns(run), *MIDDLE), run.count)
        self._runs.append(run)

    def close(self) -> None:
        """Note ``repeated_audio`` if a stretch of frames occurs twice."""
        if not _four_twice(self._marks):
            return
        marks = _restless(b"".join(_marks(_key_columns(run), run.count) for run in self._runs), self._runs)
        if not _four_twice(marks) or not _six_twice(marks):
            return
        keys = array("Q", b"".join(map(_keys, self._runs)))
        start, again, length = longest_copy(keys.tolist())
        if length >= LEAST_FRAMES and len(set(keys[again : again + length])) >= FEW_DISTINCT:
            at = list(chain.from_iterable(run.starts for run in self._runs))
            self._notes.find("repeated_audio", f"{length} frames are the same at bytes {at[start]} and {at[again]}")


def _key_columns(run: Run) -> Iterator[bytes]:
    """The bytes of which the keys of ``run`` are made, one of every frame at a time."""
    overhead = run.stream.overhead
    side = overhead - run.stream.side_info if run.stream.protected else HEADER
    return map(run.column, chain(range(side, side + KEY), range(overhead, overhead + KEY)))


def _keys(run: Run) -> bytearray:
    """The key of every frame, in a lane of its own."""
    packed = bytearray(LANE * run.count)
    for lane, column in enumerate(_key_columns(run)):
        packed[lane::LANE] = column
    return packed


def _marks(columns: Iterable[bytes], count: int) -> bytes:
    """One byte for each of ``count`` frames, made of columns of their keys: equal keys have equal marks."""
    folded = 0
    for column in columns:
        folded ^= int.from_bytes(column, "little")
    return folded.to_bytes(count, "little")


def _four_twice(marks: bytes | bytearray) -> bool:
    """False if no six marks in a row occur twice, as four of them at places that are sampled would have to.

    However far apart two stretches of six are, at the same distance from their beginnings four begin at a multiple of
    3 in one of them, and at a multiple of 3 or one behind it in the other.
    """
    seen = set(threes := _fours(marks, 0))
    return len(seen) < len(threes) or not seen.isdisjoint(_fours(marks, 1))


def _fours(marks: bytes | bytearray, first: int) -> array[int]:
    """Four marks in a row, from ``first`` and each third place behind it, as one number."""
    lanes = [marks[first + lane :: 3] for lane in range(4)]
    packed = bytearray(4 * len(lanes[-1]))
    for lane, column in enumerate(lanes):
        packed[lane::4] = column[: len(lanes[-1])]
    return array("I", packed)


def _restless(marks: bytes, runs: Sequence[Run]) -> bytes:
    """The marks, but noise for all frames that can be in no copy, in which no key occurs twice.

    No six frames hold one whose key stands as far before it as behind it, up to three frames: silence, most of it.
    All frames are compared at once, as bytes of long integers, one for each byte of the keys.
    """
    count = len(marks)
    columns = [int.from_bytes(b"".join(each), "little") for each in zip(*map(_key_columns, runs), strict=True)]
    low = int.from_bytes(b"\x7f" * count, "little")
    high = low + int.from_bytes(b"\1" * count, "little")
    rests = 0
    for apart in range(8, 8 * FEW_DISTINCT + 8, 8):
        differ = 0
        for column in columns:
            differ |= column ^ column >> apart
        alike = (differ | (differ & low) + low) & high ^ high
        rests |= alike & alike << apart
    noise = int.from_bytes(shake_128().digest(count), "little") & (rests >> 7) * 0xFF
    return (int.from_bytes(marks, "little") ^ noise).to_bytes(count, "little")


def _six_twice(marks: bytes) -> bool:
    """False if no six marks in a row occur twice."""
    count = max(0, len(marks) - LEAST_FRAMES + 1)
    packed = bytearray(LANE * count)
    for lane in range(LEAST_FRAMES):
        packed[lane::LANE] = marks[lane : lane + count]
    sixes = array("Q", packed)
    return len(set(sixes)) < len(sixes)


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

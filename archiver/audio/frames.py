"""The walk over MPEG frames: runs of frames that join up, and the gaps between them.

A run is at most ``RUN`` frames, so that a recording of any size is walked in bounded memory. Where the bitrate is
constant and no frame is padded, frames lie at a constant stride, and slices compare thousands of headers at once.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from archiver.audio.mpeg import HEADER, Stream, chain, is_free_format, same_stream, stream_at
from archiver.audio.octets import Octets

RUN = 16384
SYNCHRONISED = 3
"""Consecutive headers that make a sync: one sync word turns up in noise every few kilobytes."""
MOST_LOOKS = 100_000
"""Sync words looked at between frames before a walk gives up: bounds the time on hostile input."""
FREE_FORMAT_LOOKS = 16
"""What a free-format header costs of them: its frame length must be searched."""
MOST_FREE_SLOTS = 8192
WINDOWS = (32, 512, RUN)
"""Frames compared at once, the more the longer they stay alike: what changes soon must not cost a look at all."""
LOOKED_AT = 44
"""Bytes of each frame that are looked at: header, CRC, the longest side information (38 in all), and a few more."""


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive frames of one stream.

    ``heads[base + i * stride]`` is the first byte of frame ``i``, and at least the bytes up to the main data follow.
    """

    stream: Stream
    start: int
    end: int
    count: int
    heads: Octets
    base: int
    stride: int
    lengths: int | array[int]
    """Bytes of every frame, or of each."""

    def column(self, offset: int) -> bytes:
        """The byte at ``offset`` of each frame; 0 where the last frame is shorter than that and nothing follows."""
        first = self.base + offset
        return bytes(self.heads[first : first + (self.count - 1) * self.stride + 1 : self.stride]).ljust(
            self.count, b"\0"
        )

    def head(self, index: int) -> bytes:
        """The first bytes of one frame, as many as are looked at."""
        first = self.base + index * self.stride
        return bytes(self.heads[first : first + LOOKED_AT])

    @property
    def starts(self) -> Iterator[int]:
        """Where each frame starts."""
        at = self.start
        for length in [self.lengths] * self.count if isinstance(self.lengths, int) else self.lengths:
            yield at
            at += length


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes ``[start, end)`` that are no frame. ``cut`` if a frame starts there that the end of the bytes cuts."""

    start: int
    end: int
    cut: bool = False
    gave_up: bool = False


class Search:
    """Looks for frames between other things; all searches of one walk share one allowance."""

    def __init__(self, data: Octets, end: int) -> None:
        self._data = data
        self._end = end
        self._left = MOST_LOOKS

    @property
    def spent(self) -> bool:
        """True if the allowance is used up."""
        return self._left <= 0

    def first(self, start: int, stop: int) -> tuple[int, Stream] | None:
        """The first place in ``[start, stop)`` where frames follow each other, and their stream."""
        at, stop = start, min(stop, self._end)
        while not self.spent:
            at = self._data.find(b"\xff", at, stop)
            if at < 0:
                return None
            stream = self.confirmed(at, SYNCHRONISED + 1)
            if stream is not None:
                return at, stream
            at += 1
        return None

    def confirmed(self, at: int, want: int) -> Stream | None:
        """The stream of which ``want`` frames (or all up to the end) stand at ``at``."""
        self._left -= 1
        stream = stream_at(self._data, at)
        if stream is not None and is_free_format(self._data, at):
            self._left -= FREE_FORMAT_LOOKS
            stream = _free_format(self._data, at, self._end, stream)
        if stream is None or chain(self._data, at, self._end, stream, want) < want:
            return None
        return stream


def _free_format(data: Octets, at: int, end: int, stream: Stream) -> Stream | None:
    """``stream`` with the frame length that the following headers show."""
    sync = bytes((0xFF, stream.second))
    following = at + HEADER
    for _ in range(SYNCHRONISED * 4):
        following = data.find(sync, following, min(end, at + MOST_FREE_SLOTS))
        if following < 0:
            return None
        padding = (data[at + 2] >> 1 & 1) * (4 if stream.layer == 1 else 1)
        candidate = Stream(stream.second, stream.rate_bits, stream.mono, following - at - padding)
        if following - at > stream.overhead and chain(data, at, end, candidate, SYNCHRONISED + 1) == SYNCHRONISED + 1:
            return candidate
        following += 1
    return None


def walk(data: Octets, start: int, end: int, stream: Stream) -> Iterator[Run | Gap]:
    """Every byte of ``[start, end)`` as runs and gaps, in order; ``stream`` is the one that starts at ``start``."""
    search = Search(data, end)
    at = start
    constant = True
    while at < end:
        run = _constant(data, at, end, stream) if constant else None
        if run is None:
            constant = False
            run = _variable(data, at, end, stream)
        if run is not None:
            yield run
            at = run.end
            continue
        gap, found = _resume(data, at, end, stream, search)
        if gap.end > gap.start:
            yield gap
        if found is None:
            return
        at, stream, constant = gap.end, found, True


def _constant(data: Octets, at: int, end: int, stream: Stream) -> Run | None:
    """A run of frames that are all as long as the one at ``at``; None if the next few are not."""
    if at + HEADER > end:
        return None
    length = stream.lengths[data[at + 2]]
    most = min(RUN, (end - at) // length) if length else 0
    count = 0
    for window in WINDOWS:
        asked = min(window, most)
        count = _alike(data, at, length, asked, stream.second)
        if count < min(WINDOWS[0], most) or not count:
            return None
        if count < asked or asked == most:
            break
    return Run(stream, at, at + count * length, count, data, at, length, length)


def _alike(data: Octets, at: int, length: int, most: int, second: int) -> int:
    """How many headers from ``at``, every ``length`` bytes, begin with the same three bytes; at most ``most``."""
    count = most
    for offset, wanted in enumerate((0xFF, second, data[at + 2])):
        column = data[at + offset : at + offset + (count - 1) * length + 1 : length] if count else b""
        count = len(column) - len(column.lstrip(bytes((wanted,))))
    return count


def _variable(data: Octets, at: int, end: int, stream: Stream) -> Run | None:
    """A run of frames, each of its own length."""
    second, lengths = stream.second, stream.lengths
    start, last = at, end - HEADER
    offsets: list[int] = []
    add = offsets.append
    for _ in range(RUN):
        if at > last or data[at] != 0xFF or data[at + 1] != second:
            break
        length = lengths[data[at + 2]]
        if not length or at + length > end:
            break
        add(at)
        at += length
    if not offsets:
        return None
    gathered = b"".join([data[offset : offset + LOOKED_AT] for offset in offsets])
    if len(gathered) != len(offsets) * LOOKED_AT:  # the last frame is shorter than that
        gathered = gathered.ljust(len(offsets) * LOOKED_AT, b"\0")
    offsets.append(at)
    each = array("I", [after - before for before, after in pairwise(offsets)])
    return Run(stream, start, at, len(each), gathered, 0, LOOKED_AT, each)


def _resume(data: Octets, at: int, end: int, stream: Stream, search: Search) -> tuple[Gap, Stream | None]:
    """The gap at ``at``, and the stream that starts where it ends, if any."""
    other = search.confirmed(at, SYNCHRONISED)
    if other is not None and other != stream:
        return Gap(at, at), other
    found = search.first(at + 1, end)
    if found is not None:
        return Gap(at, found[0]), found[1]
    return Gap(at, end, cut=_is_cut(data, at, end, stream), gave_up=search.spent), None


def _is_cut(data: Octets, at: int, end: int, stream: Stream) -> bool:
    """True if what is left from ``at`` is the beginning of a frame of ``stream``."""
    if end - at < HEADER:
        return bytes((0xFF, stream.second)).startswith(data[at : min(end, at + 2)])
    return same_stream(data, at, stream) and at + stream.lengths[data[at + 2]] > end

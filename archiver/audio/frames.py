"""The walk over MPEG frames: runs of frames that join up, and the gaps between them.

A run is at most ``RUN`` frames, so that a recording of any size is walked in bounded memory. Where the bitrate is
constant and no frame is padded, frames lie at a constant stride, and slices compare thousands of headers at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain as flattened

from archiver.audio.mpeg import HEADER, Stream, chain, is_free_format, same_stream, stream_at
from archiver.audio.octets import Octets, values

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
GROUP = 4
"""Frames of varying length that are found at once: more take longer to prepare for than they save."""
USUAL_BITRATE = 4
"""As an index: 32 kbit/s at the sampling rates of telephony. Its like are tried first."""


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
    thirds: bytes
    """The third header byte of each frame: it tells bitrate and length."""
    third_values: bytes
    """Those that occur, each once."""

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
        at, lengths = self.start, self.stream.lengths
        for third in self.thirds:
            yield at
            at += lengths[third]


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
    third = bytes((data[at + 2],))
    return Run(stream, at, at + count * length, count, data, at, length, third * count, third)


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
    gathered, at = (b"", at) if stream.free_slots else _in_groups(data, at, end, stream)
    heads: list[bytes | bytearray] = [gathered]
    for _ in range(RUN - len(gathered) // LOOKED_AT):
        if at > last or data[at] != 0xFF or data[at + 1] != second:
            break
        length = lengths[data[at + 2]]
        if not length or at + length > end:
            break
        heads.append(data[at : at + LOOKED_AT].ljust(LOOKED_AT, b"\0"))
        at += length
    if at == start:
        return None
    gathered = b"".join(heads)
    thirds = gathered[2::LOOKED_AT]
    return Run(stream, start, at, len(thirds), gathered, 0, LOOKED_AT, thirds, values(thirds))


def _in_groups(data: Octets, at: int, end: int, stream: Stream) -> tuple[bytes, int]:
    """The heads of frames from ``at``, as far as whole groups of them go on, and where the last of these ends."""
    groups, lengths = _groups(stream.second, stream.rate_bits), stream.lengths
    shortest = min(filter(None, lengths))
    heads: list[bytes] = []
    count, stop = 0, at
    while stop < end and count < RUN:
        stop = min(end, at + (RUN - count) * shortest)
        found = b"".join(flattened.from_iterable(groups.findall(data, at, stop)))
        if not found:
            break
        heads.append(found)
        thirds = found[2::LOOKED_AT]
        count += len(thirds)
        at += sum(thirds.count(third) * lengths[third] for third in values(thirds))
    return b"".join(heads), at


@lru_cache(maxsize=64)
def _groups(second: int, rate_bits: int) -> re.Pattern[bytes]:
    """Matches frames that join up, ``GROUP`` at a time, and takes their heads; elsewhere the rest, and takes nothing.

    A regular expression goes from frame to frame in half the time of a loop, because each match is a whole group.
    """
    lengths = Stream(second, rate_bits, mono=False).lengths
    thirds_of: dict[int, bytes] = {}
    for third in sorted(filter(lengths.__getitem__, range(256)), key=lambda third: abs((third >> 4) - USUAL_BITRATE)):
        thirds_of[lengths[third]] = thirds_of.get(lengths[third], b"") + b"\\x%02x" % third
    rests = b"|".join(b"[%s].{%d}" % (thirds, length - 3) for length, thirds in thirds_of.items())
    frame = b"(?=(.{%d}))\\xff\\x%02x(?:%s)" % (LOOKED_AT, second, rests)
    return re.compile(frame * GROUP + b"|.+", re.DOTALL)


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

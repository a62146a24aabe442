"""Runs of MPEG frames that join up, thousands at once.

A run is at most ``RUN`` frames, so that a recording of any size is walked in bounded memory. Where the bitrate is
constant and no frame is padded, frames lie at a constant stride, and slices compare thousands of headers at once. Where
some are padded, always the same ones of so many, one structure takes all of these; where the bitrate varies, a regular
expression goes from frame to frame.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from archiver.audio.mpeg import HEADER, PADDING, PRIVATE, Stream
from archiver.audio.octets import Octets, values

RUN = 16384
WINDOWS = (32, 512, RUN)
"""Frames compared at once, the more the longer they stay alike: what changes soon must not cost a look at all."""
LOOKED_AT = 44
"""Bytes of each frame that are looked at: header, CRC, the longest side information (38 in all), and a few more."""
PERIOD = 49
"""Frames after which padding repeats: 11,025 and its multiples are 225 times 49."""
PERIODS = (8, RUN // PERIOD)
"""Compared at once, as the windows above."""
GROUP = 8
"""Frames of varying length that are found at once: more take longer to prepare for than they save."""


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
    _columns: dict[int, bytes] = field(default_factory=dict, repr=False)

    def column(self, offset: int) -> bytes:
        """The byte at ``offset`` of each frame; 0 where the last frame is shorter than that and nothing follows."""
        column = self._columns.get(offset)
        if column is None:
            first = self.base + offset
            taken = self.heads[first : first + (self.count - 1) * self.stride + 1 : self.stride]
            column = self._columns[offset] = bytes(taken).ljust(self.count, b"\0")
        return column

    @property
    def starts(self) -> Iterator[int]:
        """Where each frame starts."""
        at, lengths = self.start, self.stream.lengths
        for third in self.thirds:
            yield at
            at += lengths[third]


def constant_run(data: Octets, at: int, end: int, stream: Stream) -> Run | None:
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
        if column != bytes((wanted,)) * count:
            count = len(column) - len(column.lstrip(bytes((wanted,))))
    return count


def variable_run(data: Octets, at: int, end: int, stream: Stream) -> Run | None:
    """A run of frames, each of its own length."""
    second, lengths = stream.second, stream.lengths
    start, last = at, end - HEADER
    if at > last:
        return None
    gathered, at = _in_periods(data, at, end, stream)
    if not gathered and not stream.free_slots:
        gathered, at = _in_groups(data, at, end, stream)
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


def _in_periods(data: Octets, at: int, end: int, stream: Stream) -> tuple[bytes, int]:
    """The heads of frames from ``at`` of one bitrate of which always the same ones are padded, and where they end.

    At 11,025 Hz and its multiples a frame would not be a whole number of bytes; encoders spread the rest evenly.
    """
    thirds = b""
    stop = at
    while len(thirds) < PERIOD and stop + HEADER <= end:
        thirds += bytes((data[stop + 2],))
        length = stream.lengths[thirds[-1]]
        if length < LOOKED_AT or (thirds[-1] ^ thirds[0]) & ~PADDING:
            return b"", at
        stop += length
    if len(thirds) < PERIOD or stop > end:
        return b"", at
    layout = _layout(thirds, stream)
    most = min(RUN // PERIOD, (end - at) // layout.size)
    heads, count = b"", 0
    for window in PERIODS:
        count = min(window, most)
        stop = at + count * layout.size
        # Period by period: what a join takes must still be in the processor's cache, and one tuple serves them all.
        heads = b"".join([b"".join(layout.unpack_from(data, place)) for place in range(at, stop, layout.size)])
        for offset, period in enumerate((b"\xff" * PERIOD, bytes((stream.second,)) * PERIOD, thirds)):
            if heads[offset::LOOKED_AT] != period * count:
                return b"", at
        if count == most:
            break
    return heads, stop


@lru_cache(maxsize=16)
def _layout(thirds: bytes, stream: Stream) -> struct.Struct:
    """Takes the heads of frames with these third bytes."""
    return struct.Struct("".join(f"{LOOKED_AT}s{stream.lengths[third] - LOOKED_AT}x" for third in thirds))


def _in_groups(data: Octets, at: int, end: int, stream: Stream) -> tuple[bytes, int]:
    """The heads of frames from ``at``, as far as whole groups of them go on, and where the last of these ends."""
    groups, lengths = _groups(stream.second, stream.rate_bits, data[at + 2] & PRIVATE), stream.lengths
    shortest = min(filter(None, lengths))
    heads: list[bytes] = []
    count, stop = 0, at
    while stop < end and count < RUN:
        stop = min(end, at + (RUN - count) * shortest)
        found = b"".join(map(b"".join, groups.findall(data, at, stop)))
        if not found:
            break
        heads.append(found)
        thirds = found[2::LOOKED_AT]
        count += len(thirds)
        at += sum(thirds.count(third) * lengths[third] for third in values(thirds))
    return b"".join(heads), at


@lru_cache(maxsize=128)
def _groups(second: int, rate_bits: int, private: int) -> re.Pattern[bytes]:
    """Matches frames that join up, ``GROUP`` at a time, and takes their heads; elsewhere the rest, and takes nothing.

    A regular expression goes from frame to frame in a third of the time of a loop, because each match is a whole
    group; faster over many single bytes than over few classes of them; and faster where it never has to come back
    to a number of bytes (``}+``).
    """
    lengths = Stream(second, rate_bits, mono=False).lengths
    thirds = [third for third in range(private, 256, 2) if lengths[third]]
    rests = [b"\\x%02x.{%d}+" % (third, lengths[third] - 3) for third in thirds]
    frame = b"(?=(.{%d}+))\\xff\\x%02x(?:%s)" % (LOOKED_AT, second, b"|".join(rests))
    return re.compile(frame * GROUP + b"|.+", re.DOTALL)

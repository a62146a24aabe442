"""MPEG audio frame headers (ISO 11172-3, 13818-3, and the unofficial MPEG 2.5), layers I to III."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

from archiver.audio.octets import Octets

# By the version bits of the second byte: 0 is MPEG 2.5, 2 is MPEG 2, 3 is MPEG 1; 1 is reserved.
_VERSIONS = {0: "2.5", 2: "2", 3: "1"}
_RATES = {0: (11025, 12000, 8000), 2: (22050, 24000, 16000), 3: (44100, 48000, 32000)}
_LAYERS = {1: 3, 2: 2, 3: 1}
_KBPS = {
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
HEADER = 4
PADDING, PRIVATE = 0x02, 0x01  # of the third header byte


@dataclass(frozen=True)
class Stream:
    """What every frame of one stream shares; two frames with equal streams belong together."""

    second: int
    """The second header byte: sync end, version, layer, protection."""
    rate_bits: int
    mono: bool
    free_slots: int = 0
    """Bytes of a free-format frame without padding; 0 for all others."""

    @cached_property
    def version(self) -> str:
        """``1``, ``2`` or ``2.5``."""
        return _VERSIONS[self.second >> 3 & 3]

    @cached_property
    def layer(self) -> int:
        """1, 2 or 3."""
        return _LAYERS[self.second >> 1 & 3]

    @cached_property
    def protected(self) -> bool:
        """True if a CRC-16 follows each header."""
        return not self.second & 1

    @cached_property
    def sample_rate(self) -> int:
        """Hz."""
        return _RATES[self.second >> 3 & 3][self.rate_bits]

    @cached_property
    def channels(self) -> int:
        """1 or 2."""
        return 1 if self.mono else 2

    @cached_property
    def samples(self) -> int:
        """Samples per channel in a frame."""
        if self.layer == 1:
            return 384
        return 576 if self.layer == 3 and self.version != "1" else 1152

    @cached_property
    def side_info(self) -> int:
        """Bytes of layer III side information."""
        if self.version == "1":
            return 17 if self.mono else 32
        return 9 if self.mono else 17

    @cached_property
    def overhead(self) -> int:
        """Bytes of a layer III frame before its main data."""
        return HEADER + (2 if self.protected else 0) + self.side_info

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """Frame length in bytes by the third header byte; 0 where that byte cannot belong to this stream."""
        return _lengths(self.second, self.rate_bits, self.free_slots)


@lru_cache(maxsize=64)
def _lengths(second: int, rate_bits: int, free_slots: int) -> tuple[int, ...]:
    version, layer = second >> 3 & 3, _LAYERS[second >> 1 & 3]
    rate = _RATES[version][rate_bits]
    table = _KBPS[version == 3, layer]
    slots = 72 if layer == 3 and version != 3 else 12 if layer == 1 else 144
    lengths = [0] * 256
    for third in range(256):
        index, padding = third >> 4, third >> 1 & 1
        if index == 15 or (third >> 2 & 3) != rate_bits or (index == 0) != bool(free_slots):
            continue
        unit = 4 if layer == 1 else 1
        lengths[third] = (
            free_slots + padding * unit if index == 0 else (slots * table[index] * 1000 // rate + padding) * unit
        )
    return tuple(lengths)


def stream_at(data: Octets, at: int) -> Stream | None:
    """The stream that a header at ``at`` announces, bitrate given or free; None if there is no header."""
    head = data[at : at + HEADER]
    if len(head) < HEADER or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    second, third, fourth = head[1], head[2], head[3]
    if second >> 3 & 3 == 1 or second >> 1 & 3 == 0 or third >> 4 == 15 or third >> 2 & 3 == 3 or fourth & 3 == 2:
        return None
    return _stream(second, third >> 2 & 3, fourth >> 6 == 3)


@lru_cache(maxsize=128)
def _stream(second: int, rate_bits: int, mono: bool) -> Stream:
    """The one of its kind: what it knows about itself is then worked out once, not once for each recording."""
    return Stream(second, rate_bits, mono)


def is_free_format(data: Octets, at: int) -> bool:
    """True if the header at ``at`` gives no bitrate."""
    return data[at + 2] >> 4 == 0


def same_stream(data: Octets, at: int, stream: Stream) -> bool:
    """True if a header of ``stream`` stands at ``at``."""
    head = data[at : at + HEADER]
    return (
        len(head) == HEADER
        and head[0] == 0xFF
        and head[1] == stream.second
        and stream.lengths[head[2]] > 0
        and (head[3] >> 6 == 3) == stream.mono
    )


def chain(data: Octets, at: int, end: int, stream: Stream, want: int) -> int:
    """How many frames of ``stream`` follow each other from ``at``, counted up to ``want``.

    Reaching ``end`` exactly counts as ``want``: nothing more can be asked of the last frames.
    """
    for count in range(want):
        if at == end and count:
            return want
        if at >= end or not same_stream(data, at, stream):
            return count
        at += stream.lengths[data[at + 2]]
    return want

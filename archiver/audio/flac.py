"""FLAC (RFC 9639): every frame by its header's CRC-8 and its own CRC-16; samples held against STREAMINFO.

Frames do not say how long they are. The next one is where a header stands whose CRC-8 holds and whose number follows;
the CRC-16 right before it then proves the frame.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastcrc import crc8, crc16

from archiver.audio import tags
from archiver.audio.notes import Notes, Shape
from archiver.audio.octets import Octets

MAGIC = b"fLaC"
MOST_BLOCKS = 1024
LOOKS = 200_000
BYTES_A_LOOK = 8
"""One walk may look at so many places for a frame, and at one more per so many bytes: bounds the time."""
LONGEST_HEADER = 16
_BLOCK_SIZES = {1: 192, **{code: 144 << code for code in range(2, 6)}, **{code: 1 << code for code in range(8, 16)}}


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """The first metadata block: rate in Hz, samples per channel (0 if unknown), MD5 of the decoded audio."""

    rate: int
    channels: int
    bits: int
    samples: int
    md5: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame header whose CRC-8 holds."""

    number: int
    """Of the frame, or of its first sample where the block size varies."""
    variable: bool
    block: int

    @property
    def following(self) -> int:
        """The number of the next frame."""
        return self.number + (self.block if self.variable else 1)


def probe(data: Octets, notes: Notes, *, full: bool) -> Shape:
    """Walk ``data``, FLAC by its sniff."""
    start = data.find(MAGIC, 0, tags.between(data).start + len(MAGIC) + 1)
    info, at = _metadata(data, max(start, 0) + len(MAGIC), notes)
    if info is None:
        notes.find("header_broken", "no stream information")
        return Shape()
    end = tags.between(data).end
    frames, samples, finish = _frames(data, at, end, notes, full=full)
    if info.samples == samples and samples:
        notes.prove("frame_count", f"{samples} samples")
    elif info.samples:
        code = "frames_missing" if info.samples > samples else "frames_extra"
        notes.find(code, f"the header says {info.samples} samples, there are {samples}")
    notes.details["stream"] = {"coding": "flac", "bits": info.bits, "md5": info.md5.hex()}
    length = samples / info.rate
    bitrate = round((finish - at) * 8 / length) if length else None
    return Shape(length, frames, info.rate, info.channels, bitrate, (at, finish))


def _metadata(data: Octets, at: int, notes: Notes) -> tuple[StreamInfo | None, int]:
    """STREAMINFO, and where the frames start."""
    info: StreamInfo | None = None
    for _ in range(MOST_BLOCKS):
        head = bytes(data[at : at + 4])
        if len(head) < 4:
            notes.find("data_missing", "the metadata are cut")
            break
        size = int.from_bytes(head[1:4], "big")
        if head[0] & 0x7F == 0 and info is None:
            info = _stream_info(bytes(data[at + 4 : at + 4 + min(size, 34)]))
        at += 4 + size
        if head[0] & 0x80:
            break
    return info, at


def _stream_info(body: bytes) -> StreamInfo | None:
    if len(body) < 34:
        return None
    packed = int.from_bytes(body[10:18], "big")
    rate = packed >> 44
    if not rate:
        return None
    return StreamInfo(rate, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & ((1 << 36) - 1), body[18:34])


def _frames(data: Octets, start: int, end: int, notes: Notes, *, full: bool) -> tuple[int, int, int]:
    """Frames, samples per channel, and where the last frame ends."""
    search = _Search(data, end)
    at, count, samples, broken = start, 0, 0, 0
    frame = _frame_at(data, at)
    if frame is None:
        notes.find("junk", f"no frame where the first should start, at byte {at}")
        at, frame = search.after(at + 1, None)
    elif frame.number:
        notes.find("frames_missing", f"the first frame there is has the number {frame.number}")
    while frame is not None:
        after, following = search.after(at + 5, frame)
        if full and crc16.umts(bytes(data[at : after - 2])) != int.from_bytes(data[after - 2 : after], "big"):
            code = "cut_frame" if following is None else "frame_crc_wrong"
            notes.find(code, f"frame {frame.number} at byte {at}")
            broken += 1
        if following is not None and following.number != frame.following:
            notes.find("page_sequence", f"frame {following.number} at byte {after} follows frame {frame.number}")
        count, samples = count + 1, samples + frame.block
        at, frame = after, following
    if search.spent:
        notes.find("walk_gave_up", f"at byte {at}")
    if full and count and not broken:
        notes.prove("flac_crc", f"{count} frames")
    return count, samples, min(at, end)


class _Search:
    """Looks for frame headers; all searches of one walk share one allowance."""

    def __init__(self, data: Octets, end: int) -> None:
        self._data = data
        self._end = end
        self._left = LOOKS + len(data) // BYTES_A_LOOK

    @property
    def spent(self) -> bool:
        """True if the allowance is used up."""
        return self._left <= 0

    def after(self, at: int, frame: Frame | None) -> tuple[int, Frame | None]:
        """The next header that follows ``frame`` (where that does not come, two that follow each other), or the end."""
        other: tuple[int, Frame] | None = None
        while not self.spent:
            at = self._data.find(b"\xff", at, self._end - 1)
            if at < 0:
                break
            self._left -= 1
            found = _frame_at(self._data, at) if self._data[at + 1] & 0xFE == 0xF8 else None
            if found is not None:
                if frame is None or (found.number == frame.following and found.variable == frame.variable):
                    return at, found
                if other is not None and found.number == other[1].following:
                    return other
                other = other or (at, found)
            at += 1
        return other or (self._end, None)


def _frame_at(data: Octets, at: int) -> Frame | None:
    """The header at ``at``, if one stands there and its CRC-8 holds (RFC 9639, 9.1)."""
    head = bytes(data[at : at + LONGEST_HEADER])
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xFE != 0xF8:
        return None
    block_code, rate_code = head[2] >> 4, head[2] & 15
    if block_code == 0 or rate_code == 15 or head[3] >> 4 > 10 or head[3] & 1:
        return None
    number, at_number = _coded_number(head, 4)
    if number is None:
        return None
    where = at_number
    block = _BLOCK_SIZES.get(block_code, 0)
    if block_code in (6, 7):
        width = block_code - 5
        block = int.from_bytes(head[where : where + width], "big") + 1
        where += width
    where += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if where >= len(head) or crc8.smbus(head[:where]) != head[where]:
        return None
    return Frame(number, bool(head[1] & 1), block)


def _coded_number(head: bytes, at: int) -> tuple[int | None, int]:
    """A number coded as UTF-8 codes characters, up to 36 bits, and where it ends."""
    first = head[at]
    if first < 0x80:
        return first, at + 1
    length = 8 - (first ^ 0xFF).bit_length()
    if length < 2 or length > 7 or at + length > len(head):
        return None, at
    number = first & (0x7F >> length)
    for byte in head[at + 1 : at + length]:
        if byte & 0xC0 != 0x80:
            return None, at
        number = number << 6 | byte & 0x3F
    return number, at + length

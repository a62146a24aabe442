"""The headers that encoders leave in the first frame: Xing/Info with LAME's or Lavc's extension, and VBRI.

Layouts: gabriel.mp3-tech.org/mp3infotag.html; libavformat ``mp3enc.c``; Fraunhofer VBRI as in the "MPEG Audio Frame
Header" article (codeproject 8295). libavformat computes the tag's own CRC over a fixed 190 bytes, LAME up to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastcrc import crc16

from archiver.audio.mpeg import HEADER, Stream
from archiver.audio.octets import Octets

XING_NAMES = (b"Xing", b"Info")
VBRI_OFFSET = 36
LAVF_CRC_SPAN = 190
"""The CRC itself may lie inside the span: it was still zero then. So is what lies behind a frame that is shorter."""
LAME_SIZE = 36


@dataclass(frozen=True, slots=True)
class EncoderHeader:
    """What the first frame says of all the others. None where it says nothing."""

    kind: str
    """``Xing``, ``Info`` or ``VBRI``."""
    frames: int | None
    """Audio frames, this header's own not counted."""
    size: int | None
    """Bytes from this header's frame to the end of the last."""
    encoder: str = ""
    delay: int = 0
    """Samples that the encoder put before the sound."""
    padding: int = 0
    """Samples that it put behind."""
    music_crc: int | None = None
    """CRC-16/ARC of everything behind this header's frame; trusted only where the tag's own CRC holds."""
    tag_crc_held: bool = False
    signed: bool = False
    """True if there are CRCs at all: early muxers leave both empty."""
    padded: bool = True
    """True if nothing but zeros follows the tag in its frame: neither CRC covers that."""


def header_in(data: Octets, at: int, length: int, stream: Stream) -> EncoderHeader | None:
    """The encoder's header in the frame at ``at``, ``length`` bytes long; None if that frame is plain audio."""
    if stream.layer != 3:
        return None
    frame = bytes(data[at : at + length])
    for offset in {stream.overhead, HEADER + stream.side_info}:  # some encoders leave no room for the CRC
        if frame[offset : offset + 4] in XING_NAMES:
            return _xing(frame, offset)
    if frame[VBRI_OFFSET : VBRI_OFFSET + 4] == b"VBRI":
        return _vbri(frame)
    return None


def _xing(frame: bytes, offset: int) -> EncoderHeader:
    kind = frame[offset : offset + 4].decode("ascii")
    flags = int.from_bytes(frame[offset + 4 : offset + 8], "big")
    at = offset + 8
    counts: list[int | None] = []
    for flag in (1, 2):
        counts.append(int.from_bytes(frame[at : at + 4], "big") if flags & flag and at + 4 <= len(frame) else None)
        at += 4 if flags & flag else 0
    at += (100 if flags & 4 else 0) + (4 if flags & 8 else 0)
    # A streaming encoder that could not seek back leaves zeros: they say nothing.
    frames, size = (count or None for count in counts)
    lame = frame[at : at + LAME_SIZE]
    if len(lame) < LAME_SIZE or not lame[:4].isalnum() or not lame[:4].isascii():
        return EncoderHeader(kind, frames, size)
    encoder = lame[:9].rstrip(b"\0 ").decode("ascii", "replace")
    gapless = int.from_bytes(lame[21:24], "big")
    stated = int.from_bytes(lame[34:36], "big")
    unsigned = (frame[: at + 34] + b"\0\0" + frame[at + 36 :]).ljust(LAVF_CRC_SPAN, b"\0")[:LAVF_CRC_SPAN]
    held = crc16.arc(frame[: at + 34]) == stated or crc16.arc(unsigned) == stated
    music = int.from_bytes(lame[32:34], "big") if held else None
    padded = not frame[at + LAME_SIZE :].strip(b"\0")
    return EncoderHeader(
        kind, frames, size, encoder, gapless >> 12, gapless & 0xFFF, music, held, any(lame[32:36]), padded
    )


def _vbri(frame: bytes) -> EncoderHeader | None:
    body = frame[VBRI_OFFSET : VBRI_OFFSET + 26]
    if len(body) < 26:
        return None
    size, frames = int.from_bytes(body[10:14], "big"), int.from_bytes(body[14:18], "big")
    return EncoderHeader("VBRI", frames or None, size or None)

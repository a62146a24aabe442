"""What surrounds the audio frames of an MP3: the `Info`/`Xing` frame with its LAME tag, and ID3 tags.

Layout: the Xing header of the LAME source (`VbrTag.c`) and the LAME tag specification, revision 1. Checksums are
CRC-16/ARC.
"""

from collections.abc import Sequence
from itertools import accumulate

import fastcrc

_XING_BYTES = 120
_ALL_FIELDS = 0x0F  # frames, bytes, table of contents, quality


def info_frame(
    start: bytes, length: int, frames: Sequence[bytes], music: bytes, *, vbr: bool, gaps: tuple[int, int]
) -> bytes:
    """Give the header frame of `length` bytes for `music`, which is `frames` joined.

    `start` is the frame's header and zeroed side information; `gaps` are the samples of silence an encoder adds at the
    beginning and at the end. The frame count leaves this frame out, the byte count has it in, as LAME writes them.
    """
    total = length + len(music)
    xing = (
        (b"Xing" if vbr else b"Info")
        + _ALL_FIELDS.to_bytes(4, "big")
        + len(frames).to_bytes(4, "big")
        + total.to_bytes(4, "big")
        + _contents(frames, length)
        + (57).to_bytes(4, "big")
    )
    delay, padding = gaps
    lame = (
        b"LAME3.100"
        + bytes([0x04 if vbr else 0x01, 34])  # tag revision 0 and method; lowpass 3,400 Hz in hundreds
        + bytes(8)  # peak and the two replay gains: unset
        + bytes([0x00, 32])  # encoder flags; bitrate, the least one for VBR
        + (delay << 12 | padding).to_bytes(3, "big")
        + bytes(4)  # source, gain, preset
        + total.to_bytes(4, "big")
        + fastcrc.crc16.arc(music).to_bytes(2, "big")
    )
    covered = start + xing + lame
    frame = covered + fastcrc.crc16.arc(covered).to_bytes(2, "big")
    return frame.ljust(length, b"\0")


def _contents(frames: Sequence[bytes], first: int) -> bytes:
    """The seek table: for each percent of the time, where in the stream it is, in 256ths."""
    ends = list(accumulate((len(frame) for frame in frames), initial=first))
    return bytes(min(255, ends[len(frames) * percent // 100] * 256 // ends[-1]) for percent in range(100))


def id3v2(title: str) -> bytes:
    """An ID3v2.3 tag with a title and the encoder's name."""
    frames = b"".join(
        name + (len(text) + 1).to_bytes(4, "big") + b"\0\0" + b"\0" + text
        for name, text in ((b"TIT2", title.encode("latin-1")), (b"TSSE", b"LAME 64bits version 3.100"))
    )
    size = len(frames)
    synchsafe = bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
    return b"ID3\x03\x00\x00" + synchsafe + frames


def id3v1(title: str) -> bytes:
    """The 128 bytes at the end of a file."""
    return b"TAG" + title.encode("latin-1")[:30].ljust(30, b"\0") + bytes(94) + b"\xff"

"""WAV: RIFF chunks, their sizes held against the bytes, the length from the data by its coding.

Understood: PCM, float, G.711, GSM 6.10, IMA and MS ADPCM, MP3 in WAV; RF64/BW64 (EBU Tech 3306); sizes that a streaming
writer never filled in (0, 0xFFFFFFFF, or anything close to 2 or 4 GiB). Codes: RFC 2361, Microsoft ``mmreg.h``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from archiver.audio import mp3, samples
from archiver.audio.notes import Notes, Shape
from archiver.audio.octets import Octets

MOST_CHUNKS = 4096
UNSET_FROM = 0x7FFF0000
"""Sizes from here on are what sox, ffmpeg and others write when they cannot seek back."""
EXTENSIBLE = 0xFFFE
PCM, MS_ADPCM, FLOAT, ALAW, MULAW, IMA, GSM, MPEG, MP3 = 1, 2, 3, 6, 7, 0x11, 0x31, 0x50, 0x55
NAMES = {
    PCM: "pcm", MS_ADPCM: "ms-adpcm", FLOAT: "float", ALAW: "alaw", MULAW: "mulaw",
    IMA: "ima-adpcm", GSM: "gsm", MPEG: "mpeg", MP3: "mp3",
}  # fmt: skip
SAMPLED = {PCM, FLOAT, ALAW, MULAW}
GSM_BLOCK = (65, 320)
IMA_STEPS = 88
MOST_RATE = 768_000


@dataclass(frozen=True, slots=True)
class Format:
    """The ``fmt `` chunk: rates in Hz and bytes a second, block in bytes, samples per block and channel."""

    tag: int
    channels: int
    rate: int
    byte_rate: int
    block: int
    bits: int
    per_block: int

    @property
    def coding(self) -> str:
        """Its name, or the code as hex."""
        return NAMES.get(self.tag, f"0x{self.tag:04x}")


@dataclass(slots=True)
class _Layout:
    """Where things lie."""

    fmt: Format | None = None
    fact: int | None = None
    data: tuple[int, int] | None = None
    data_size: int | None = None
    """As ds64 states it."""
    end: int = 0


def probe(data: Octets, notes: Notes, *, full: bool) -> Shape:
    """Walk ``data``, a WAV by its sniff."""
    layout = _Layout()
    _chunks(data, layout, notes)
    if layout.fmt is None or layout.data is None:
        notes.find("header_broken", "no fmt chunk" if layout.fmt is None else "no data chunk")
        return Shape()
    fmt = layout.fmt
    notes.details["stream"] = {"coding": fmt.coding, "bits": fmt.bits, "block": fmt.block}
    _riff_size(data, layout, notes)
    start, end = layout.data
    if fmt.tag in (MPEG, MP3):
        inner = mp3.probe(bytes(data[start:end]), notes, full=full)
        return replace(inner, audio=(start, end))
    if not _plausible(fmt):
        notes.find("header_broken", f"{fmt.channels} channels, {fmt.rate} Hz, blocks of {fmt.block} bytes")
        return Shape()
    return _measured(data, layout, fmt, notes, full=full)


def _chunks(data: Octets, layout: _Layout, notes: Notes) -> None:
    at = 12
    for _ in range(MOST_CHUNKS):
        if at + 8 > len(data):
            break
        name, size = bytes(data[at : at + 4]), int.from_bytes(data[at + 4 : at + 8], "little")
        body = at + 8
        if layout.data is not None and not _is_name(name):
            break
        if name == b"data" and layout.data is None:
            size = _data_size(data, body, size, layout, notes)
            layout.data = (body, body + size)
        elif name == b"fmt " and layout.fmt is None:
            layout.fmt = _format(bytes(data[body : body + min(size, 64)]))
        elif name == b"fact":
            layout.fact = int.from_bytes(data[body : body + 4], "little")
        elif name == b"ds64":
            layout.data_size = int.from_bytes(data[body + 8 : body + 16], "little")
        elif name == b"RIFF":
            notes.find("second_header", f"another WAV starts at byte {at}")
            break
        if body + size > len(data):
            notes.find(
                "data_missing", f"the {name.decode('latin-1')!r} chunk says {size} bytes, {len(data) - body} are there"
            )
            at = len(data)
            break
        at = body + size + _padding(data, body + size, size)
    layout.end = min(at, len(data))
    if layout.data is not None and layout.end < len(data):
        rest = bytes(data[layout.end : layout.end + 4096])
        code = "trailing_junk" if rest.strip(b"\0") or len(data) - layout.end > 4096 else "trailing_zeros"
        notes.find(code, f"{len(data) - layout.end} bytes from {layout.end}")


def _padding(data: Octets, end: int, size: int) -> int:
    """Bytes between a chunk that ends at ``end`` and the next: one behind odd sizes, but some writers forget it."""
    forgotten = bytes(data[end : end + 4]) in (b"data", b"fmt ", b"fact", b"LIST")
    return 0 if forgotten else size & 1


def _is_name(name: bytes) -> bool:
    return all(32 <= byte < 127 for byte in name)


def _data_size(data: Octets, body: int, size: int, layout: _Layout, notes: Notes) -> int:
    """Bytes of the data chunk at ``body``: as stated, or all there are if a streaming writer left it open."""
    rest = len(data) - body
    if layout.data_size is not None and size == 0xFFFFFFFF:
        size = layout.data_size
    if (size >= UNSET_FROM and size > rest) or (size == 0 and rest > 1):
        notes.find("sizes_unset", f"the data chunk says {size} bytes")
        return rest
    if size > rest:
        notes.find("data_missing", f"the data chunk says {size} bytes, {rest} are there")
        return rest
    notes.prove("data_size", str(size))
    return size


def _format(body: bytes) -> Format | None:
    if len(body) < 16:
        return None
    tag, channels = int.from_bytes(body[0:2], "little"), int.from_bytes(body[2:4], "little")
    rate, byte_rate = int.from_bytes(body[4:8], "little"), int.from_bytes(body[8:12], "little")
    block, bits = int.from_bytes(body[12:14], "little"), int.from_bytes(body[14:16], "little")
    extra = int.from_bytes(body[18:20], "little") if len(body) >= 20 else 0
    if tag == EXTENSIBLE and len(body) >= 26:
        tag, extra = int.from_bytes(body[24:26], "little"), 0
    if tag == GSM:
        extra = extra or GSM_BLOCK[1]
    elif tag == IMA and channels:
        extra = max(0, block - 4 * channels) * 2 // channels + 1
    elif tag in SAMPLED:
        extra = 1
    return Format(tag, channels, rate, byte_rate, block, bits, extra)


def _plausible(fmt: Format) -> bool:
    if not (1 <= fmt.channels <= 64 and 0 < fmt.rate <= MOST_RATE and fmt.block):
        return False
    if fmt.tag in SAMPLED:
        return fmt.bits in (8, 16, 24, 32, 64) and fmt.block == fmt.channels * fmt.bits // 8
    return fmt.tag != GSM or fmt.block == GSM_BLOCK[0]


def _riff_size(data: Octets, layout: _Layout, notes: Notes) -> None:
    stated = int.from_bytes(data[4:8], "little")
    if bytes(data[:4]) != b"RIFF" or stated == 0 or stated >= UNSET_FROM or notes.has("data_missing"):
        return
    # Writers differ by the pad byte of the last chunk, and some forget the eight bytes of the header.
    if stated - layout.end not in (-8, -9, -7, 0) and stated + 8 != len(data):
        notes.find("size_differs", f"RIFF says {stated + 8} bytes, there are {layout.end}")


def _measured(data: Octets, layout: _Layout, fmt: Format, notes: Notes, *, full: bool) -> Shape:
    start, end = layout.data or (0, 0)
    blocks, rest = divmod(end - start, fmt.block)
    if rest and not notes.has("sizes_unset") and (fmt.tag in SAMPLED or (fmt.tag == GSM and rest > 1)):  # sox pads GSM
        notes.find("cut_frame", f"{rest} bytes of the last block of {fmt.block}")
    count = blocks * fmt.per_block
    if not fmt.per_block:
        length = (end - start) / fmt.byte_rate if fmt.byte_rate else None
    else:
        stated = layout.fact
        if fmt.tag not in SAMPLED and stated is not None and count - fmt.per_block < stated <= count:
            count = stated
            notes.prove("fact_samples", str(stated))
        elif fmt.tag not in SAMPLED and stated and stated < UNSET_FROM and not notes.has("data_missing"):
            notes.find("timing_differs", f"the fact chunk says {stated} samples, there are {count}")
        length = count / fmt.rate
        # For the others writers disagree: ffmpeg states sample bits, sox bytes.
        if fmt.tag in SAMPLED and abs(fmt.byte_rate - fmt.rate * fmt.block / fmt.per_block) > 0.02 * fmt.byte_rate + 2:
            notes.find("timing_differs", f"{fmt.byte_rate} bytes a second do not go with {fmt.rate} Hz")
    if full:
        samples.examine(data, start, end, fmt, notes)
        if fmt.tag == IMA:
            _ima_blocks(data, start, end, fmt, notes)
    bitrate = round((end - start) * 8 / length) if length else None
    return Shape(length, blocks, fmt.rate, fmt.channels, bitrate, (start, end))


def _ima_blocks(data: Octets, start: int, end: int, fmt: Format, notes: Notes) -> None:
    """Each block starts with a sample, a step index of at most 88, and a zero, for each channel."""
    for channel in range(fmt.channels):
        steps = bytes(data[start + 4 * channel + 2 : end : fmt.block])
        zeros = bytes(data[start + 4 * channel + 3 : end : fmt.block])
        bad = sum(step > IMA_STEPS or zero != 0 for step, zero in zip(steps, zeros, strict=False))
        if bad:
            notes.find("frame_broken", f"{bad} of {len(steps)} blocks do not start as blocks do")

"""Ogg (RFC 3533): every page with its CRC and sequence number; the length from Opus, Vorbis, Speex or FLAC inside.

Page CRC: polynomial 0x04C11DB7, initial 0, not reflected, which is POSIX ``cksum`` without its final inversion.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fastcrc import crc32

from archiver.audio import opus
from archiver.audio.notes import Notes, Shape
from archiver.audio.octets import Octets

PAGE = 27
CONTINUED, FIRST, LAST = 1, 2, 4
NO_GRANULE = (1 << 64) - 1
OPUS_RATE = 48_000
MOST_STREAMS = 64
HEADER_PACKETS = {"opus": 2, "vorbis": 3, "speex": 2, "flac": 0}


@dataclass(frozen=True, slots=True)
class Page:
    """One page: where it lies, what its header says, and its segment lengths."""

    start: int
    end: int
    flags: int
    granule: int
    serial: int
    sequence: int
    laces: bytes
    crc_held: bool


@dataclass(slots=True)
class _Logical:
    """One logical stream as far as it was walked."""

    codec: str = "unknown"
    rate: int = 0
    channels: int = 0
    skip: int = 0
    """Samples at the start that are not played (Opus pre-skip)."""
    sequence: int = -1
    granule: int = 0
    first_granule: int | None = None
    samples: int = 0
    """Walked, where the packets tell."""
    packets: int = 0
    ended: bool = False
    start: int = 0
    open: bool = False
    pages: int = 0


def probe(data: Octets, notes: Notes, *, full: bool) -> Shape:
    """Walk ``data``, an Ogg by its sniff."""
    streams: dict[int, _Logical] = {}
    audio_end = 0
    for page in _pages(data, notes, full=full):
        audio_end = page.end
        if page.serial not in streams:
            if streams:
                notes.find("second_header", f"a further stream starts at byte {page.start}")
            if len(streams) >= MOST_STREAMS:
                continue
            streams[page.serial] = _Logical(start=page.start)
            if not page.flags & FIRST:
                notes.find("page_sequence", f"the first page there is ({page.sequence}) is not the first")
        elif page.flags & FIRST:
            notes.find("second_header", f"the stream starts again at byte {page.start}")
        _take(data, page, streams[page.serial], notes)
    if not streams:
        notes.find("no_frames", "no page")
        return Shape()
    for stream in streams.values():
        if not stream.ended:
            notes.find("end_not_marked", "the last page does not say that it is the last")
    if full and not any(notes.has(code) for code in ("page_crc_wrong", "page_sequence", "end_not_marked", "cut_frame")):
        notes.prove("page_crc", f"{sum(stream.pages for stream in streams.values())} pages, to the last")
    return _shape(list(streams.values()), audio_end, notes)


def _pages(data: Octets, notes: Notes, *, full: bool) -> Iterator[Page]:
    at, size = 0, len(data)
    while at < size:
        page = _page(data, at, full=full)
        if page is None or page.end > size:
            if page is not None or (size - at < PAGE and b"OggS".startswith(bytes(data[at : at + 4]))):
                after = data.find(b"OggS", at + 4)
                if after < 0:
                    notes.find("cut_frame", f"the last page starts at byte {at} and is cut")
                    return
            after = data.find(b"OggS", at + 1)
            stop = after if after >= 0 else size
            zeros = not bytes(data[at : min(stop, at + PAGE * 4)]).strip(b"\0")
            middle = "hole" if zeros else "junk"
            code = middle if after >= 0 else "trailing_zeros" if zeros else "trailing_junk"
            notes.find(code, f"{stop - at} bytes at {at} are no page")
            at = stop
            continue
        if not page.crc_held:
            notes.find("page_crc_wrong", f"page {page.sequence} at byte {at}")
        yield page
        at = page.end


def _page(data: Octets, at: int, *, full: bool) -> Page | None:
    head = bytes(data[at : at + PAGE])
    if len(head) < PAGE or head[:5] != b"OggS\0":
        return None
    laces = bytes(data[at + PAGE : at + PAGE + head[26]])
    body = at + PAGE + len(laces)
    end = body + sum(laces) if len(laces) == head[26] else len(data) + 1
    held = True
    if full and end <= len(data):
        whole = head[:22] + b"\0\0\0\0" + bytes(data[at + 26 : end])
        held = crc32.cksum(whole) ^ 0xFFFFFFFF == int.from_bytes(head[22:26], "little")
    numbers = (int.from_bytes(head[start:stop], "little") for start, stop in ((6, 14), (14, 18), (18, 22)))
    granule, serial, sequence = numbers
    return Page(at, end, head[5], granule, serial, sequence, laces, held)


def _take(data: Octets, page: Page, stream: _Logical, notes: Notes) -> None:
    if stream.sequence >= 0 and page.sequence != stream.sequence + 1:
        notes.find("page_sequence", f"page {page.sequence} at byte {page.start} follows page {stream.sequence}")
    if bool(page.flags & CONTINUED) != stream.open and stream.pages:
        notes.find("page_sequence", f"a packet is broken off before byte {page.start}")
        stream.open = bool(page.flags & CONTINUED)
    stream.sequence = page.sequence
    stream.pages += 1
    stream.ended = bool(page.flags & LAST)
    for packet in _packets(data, page, stream):
        _packet(packet, stream)
    stream.open = bool(page.laces) and page.laces[-1] == 255
    if page.granule != NO_GRANULE and stream.packets > HEADER_PACKETS.get(stream.codec, 0):
        if page.granule < stream.granule:
            notes.find("page_sequence", f"time runs backwards at byte {page.start}")
        if stream.first_granule is None:
            stream.first_granule = max(0, page.granule - stream.samples)
        stream.granule = page.granule


def _packets(data: Octets, page: Page, stream: _Logical) -> Iterator[bytes]:
    """The first bytes of each packet that starts in ``page``, at most 64."""
    at = page.start + PAGE + len(page.laces)
    begins, continued = at, bool(page.flags & CONTINUED)
    for lace in page.laces:
        at += lace
        if lace < 255:
            if not continued:
                yield bytes(data[begins : min(at, begins + 64)])
            begins, continued = at, False
    if begins < at and not continued:
        yield bytes(data[begins : min(at, begins + 64)])


def _packet(packet: bytes, stream: _Logical) -> None:
    stream.packets += 1
    if stream.packets == 1:
        _identify(packet, stream)
    elif stream.packets > HEADER_PACKETS.get(stream.codec, 0):
        stream.samples += opus.samples(packet) if stream.codec == "opus" else 0


def _identify(packet: bytes, stream: _Logical) -> None:
    def number(start: int, stop: int) -> int:
        return int.from_bytes(packet[start:stop], "little")

    if packet.startswith(b"OpusHead") and len(packet) >= 19:
        stream.codec, stream.rate, stream.channels, stream.skip = "opus", OPUS_RATE, packet[9], number(10, 12)
    elif packet.startswith(b"\x01vorbis") and len(packet) >= 16:
        stream.codec, stream.rate, stream.channels = "vorbis", number(12, 16), packet[11]
    elif packet.startswith(b"Speex   ") and len(packet) >= 64:
        stream.codec, stream.rate, stream.channels = "speex", number(36, 40), number(48, 52)
    elif packet.startswith(b"\x7fFLAC") and len(packet) >= 36:
        info = packet[17:]
        stream.codec, stream.rate = "flac", int.from_bytes(info[10:13], "big") >> 4
        stream.channels = (info[12] >> 1 & 7) + 1


def _shape(streams: list[_Logical], end: int, notes: Notes) -> Shape:
    first = streams[0]
    notes.details["stream"] = {"coding": first.codec, "pages": first.pages, "packets": first.packets}
    length = 0.0
    for stream in streams:
        if not stream.rate:
            notes.find("header_broken", "a stream of unknown coding")
            return Shape()
        played = stream.granule - (stream.first_granule or 0) if stream.codec == "opus" else stream.granule
        if stream.codec == "opus" and stream.samples and played > stream.samples + OPUS_RATE // 10:
            notes.find("timing_differs", f"pages count {played} samples, packets hold {stream.samples}")
            played = stream.samples
        length += max(0, played - stream.skip) / stream.rate
    rate, channels = first.rate, first.channels
    return Shape(
        length=round(length, 6),
        frames=sum(stream.packets for stream in streams),
        sample_rate=rate,
        channels=channels or None,
        bitrate=round(end * 8 / length) if length else None,
        audio=(0, end),
    )

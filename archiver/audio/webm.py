"""WebM and Matroska (RFC 8794, RFC 9559): elements tile the file; block times and CRC-32 elements hold."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from archiver.audio import opus
from archiver.audio.notes import Notes, Shape
from archiver.audio.octets import Octets, pieces

ELEMENTS = 10_000
BYTES_AN_ELEMENT = 16
"""One walk may read so many elements, and one more per so many bytes: bounds the time."""
EBML, SEGMENT, INFO, TRACKS, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
ENTRY, AUDIO, GROUP, SIMPLE, BLOCK = 0xAE, 0xE1, 0xA0, 0xA3, 0xA1
SCALE, DURATION, TIME, CODEC, RATE, CHANNELS, CRC, VOID = 0x2AD7B1, 0x4489, 0xE7, 0x86, 0xB5, 0x9F, 0xBF, 0xEC
CUES, TAGS, SEEK, CHAPTERS, ATTACHMENTS = 0x1C53BB6B, 0x1254C367, 0x114D9B74, 0x1043A770, 0x1941A469
INSIDE = frozenset({SEGMENT, INFO, TRACKS, CLUSTER, ENTRY, AUDIO, GROUP})
LEVEL_1 = frozenset({INFO, TRACKS, CLUSTER, CUES, TAGS, SEEK, CHAPTERS, ATTACHMENTS, VOID, CRC})
LEVEL_0 = frozenset({EBML, SEGMENT, VOID, CRC})
DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Element:
    """An element: its id, level, and body ``[start, end)``."""

    id: int
    level: int
    at: int
    start: int
    end: int
    cut: bool
    open: bool
    """True if its size was never filled in."""
    first: bool
    """True if it is the first of its parent."""
    parent_end: int


@dataclass(slots=True)
class _Seen:
    scale: int = 1_000_000
    duration: float | None = None
    codec: str = ""
    rate: float = 0.0
    channels: int = 1
    cluster: int = 0
    last: int = 0
    blocks: int = 0
    samples: int = 0
    media: int = 0
    first: int | None = None
    end: int = 0
    unset: bool = False
    clusters: int = 0
    in_cluster: bool = False
    cluster_crcs: int = 0


def probe(data: Octets, notes: Notes, *, full: bool) -> Shape:
    """Walk ``data``, WebM or Matroska by its sniff."""
    seen = _Seen()
    headers = 0
    for element in _elements(data, notes):
        headers += element.id == EBML
        if headers > 1:
            notes.find("second_header", f"another file starts at byte {element.at}")
            break
        if element.cut:
            notes.find("data_missing", f"element {element.id:x} at byte {element.at} is cut by the end")
        seen.unset |= element.open
        if element.level == 1:
            seen.in_cluster = element.id == CLUSTER
            seen.clusters += seen.in_cluster
        _read(data, element, seen, notes, full=full)
    if not seen.blocks:
        notes.find("no_frames", "no block")
        return Shape()
    return _shape(seen, notes)


def _elements(data: Octets, notes: Notes) -> Iterator[Element]:
    size = len(data)
    stack: list[tuple[int, int, int]] = [(0, size, 0)]
    at = 0
    for _ in range(ELEMENTS + size // BYTES_AN_ELEMENT):
        while len(stack) > 1 and at >= stack[-1][1]:
            stack.pop()
        if at >= size:
            return
        parent, end, level = stack[-1]
        element = _element(data, at, parent, end, level)
        # A master of unknown size ends where an element of an outer level starts.
        while (
            element is not None and len(stack) > 1 and element.id in (LEVEL_1 if level > 1 else LEVEL_0) - {VOID, CRC}
        ):
            if element.id in LEVEL_1 and level == 1:
                break
            stack.pop()
            parent, end, level = stack[-1]
            element = _element(data, at, parent, end, level)
        if element is None or (level == 0 and element.id not in LEVEL_0) or (level == 1 and element.id not in LEVEL_1):
            zeros = not bytes(data[at : at + 4096]).strip(b"\0")
            code = "hole" if level else "trailing_zeros" if zeros else "trailing_junk"
            notes.find("data_missing" if size - at < 8 and level else code, f"no element at byte {at}")
            return
        yield element
        if element.id in INSIDE and level < DEEPEST:
            stack.append((element.start, element.end, level + 1))
            at = element.start
        else:
            at = element.end
    notes.find("walk_gave_up", f"from byte {at}")


def _element(data: Octets, at: int, parent: int, end: int, level: int) -> Element | None:
    head = bytes(data[at : at + 12])
    if len(head) < 2 or not head[0]:
        return None
    id_width = 9 - head[0].bit_length()
    if id_width > 4 or len(head) <= id_width or not head[id_width]:
        return None
    width = 9 - head[id_width].bit_length()
    if len(head) < id_width + width:
        return None
    mask = (1 << 7 * width) - 1
    size = int.from_bytes(head[id_width : id_width + width], "big") & mask
    start = at + id_width + width
    is_open = size == mask
    stop = end if is_open else start + size
    name = int.from_bytes(head[:id_width], "big")
    if stop > end and end < len(data):
        return None  # larger than what it lies in
    return Element(name, level, at, start, min(stop, end), stop > end, is_open, at == parent, end)


def _read(data: Octets, element: Element, seen: _Seen, notes: Notes, *, full: bool) -> None:
    def number() -> int:
        return int.from_bytes(data[element.start : min(element.end, element.start + 8)], "big")

    match element.id:
        case _ if element.id == SCALE:
            seen.scale = number() or 1
        case 0x4489:
            seen.duration = _float(data, element)
        case 0x86:
            seen.codec = seen.codec or bytes(data[element.start : min(element.end, element.start + 32)]).decode(
                "latin-1"
            )
        case 0xB5:
            seen.rate = _float(data, element) or 0.0
        case 0x9F:
            seen.channels = number()
        case 0xE7:
            seen.cluster = number()
        case 0xBF if full and element.level and element.first and element.end - element.start == 4:
            _crc(data, element, seen, notes)
        case 0xA3 | 0xA1:
            _block(data, element, seen)


def _float(data: Octets, element: Element) -> float | None:
    body = bytes(data[element.start : element.end][:8])
    if len(body) not in (4, 8):
        return None
    value = struct.unpack(">f" if len(body) == 4 else ">d", body)[0]
    return float(value) if math.isfinite(value) and abs(value) < 1e15 else None


def _crc(data: Octets, element: Element, seen: _Seen, notes: Notes) -> None:
    """A CRC-32 element stands first in its master and covers the rest of it (RFC 8794, 11.3.1)."""
    value = 0
    for piece in pieces(data, element.end, element.parent_end):
        value = zlib.crc32(piece, value)
    held = value == int.from_bytes(data[element.start : element.end], "little")
    seen.cluster_crcs += held and seen.in_cluster
    if not held:
        notes.find("page_crc_wrong", f"CRC-32 element at byte {element.at}")


def _block(data: Octets, element: Element, seen: _Seen) -> None:
    head = bytes(data[element.start : min(element.end, element.start + 12)])
    width = 9 - head[0].bit_length() if head and head[0] else 1
    if len(head) < width + 3:
        return
    relative = int.from_bytes(head[width : width + 2], "big", signed=True)
    seen.blocks += 1
    seen.last = max(seen.last, seen.cluster + relative)
    seen.media += element.end - element.start
    seen.first = element.start if seen.first is None else seen.first
    seen.end = element.end
    if seen.codec == "A_OPUS" and not head[width + 2] & 0x06:
        seen.samples += opus.samples(
            bytes(data[element.start + width + 3 : min(element.end, element.start + width + 5)])
        )


def _shape(seen: _Seen, notes: Notes) -> Shape:
    walked = seen.samples / 48_000 if seen.samples else seen.last * seen.scale / 1e9
    if seen.duration is not None:
        stated = seen.duration * seen.scale / 1e9
        if abs(stated - walked) > 0.5:
            notes.find(
                "frames_missing" if stated > walked else "frames_extra", f"{stated:.3f} s stated, {walked:.3f} s there"
            )
        elif not seen.samples:
            walked = stated
    elif seen.unset:
        notes.find("sizes_unset", "a streaming writer left sizes or duration open")
    if seen.clusters and seen.cluster_crcs == seen.clusters:
        notes.prove("element_crc", f"{seen.clusters} clusters")
    notes.details["stream"] = {"coding": seen.codec, "blocks": seen.blocks}
    bitrate = round(seen.media * 8 / walked) if walked else None
    rate = int(seen.rate) if 0 < seen.rate < 1e6 else None
    return Shape(walked, seen.blocks, rate, seen.channels, bitrate, (seen.first or 0, seen.end))

"""Where tags lie: ID3v2, ID3v1, APE, Lyrics3. They are measured, never parsed: their content is nobody's proof.

Layouts: id3.org (ID3v2.4 structure, ID3v1, Lyrics3v2), Hydrogenaudio "APEv2 specification".
"""

from __future__ import annotations

from dataclasses import dataclass

from archiver.audio.octets import Octets, only

MOST_TAGS = 16
ID3V1 = 128
APE_FOOTER = 32
LYRICS_END = b"LYRICS200"
LYRICS_SIZE = 6
ZERO = b"\0"


@dataclass(frozen=True, slots=True)
class Tagged:
    """What lies between the tags: ``[start, end)``, and the names and sizes in bytes of the tags around it."""

    start: int
    end: int
    tags: tuple[tuple[str, int], ...]


def between(data: Octets) -> Tagged:
    """The bytes that are not tags. A tag that claims more than there is ends at the end."""
    tags: list[tuple[str, int]] = []
    start = _leading(data, tags)
    end = _trailing(data, start, tags)
    return Tagged(start, end, tuple(tags))


def id3v2_size(data: Octets, at: int) -> int | None:
    """Size in bytes of the ID3v2 tag at ``at``, header and footer included; None if there is none."""
    head = data[at : at + 10]
    if len(head) < 10 or head[:3] != b"ID3" or head[3] == 0xFF or head[4] == 0xFF or max(head[6:10]) > 0x7F:
        return None
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return size + (20 if head[5] & 0x10 else 10)


def _leading(data: Octets, tags: list[tuple[str, int]]) -> int:
    at = 0
    while len(tags) < MOST_TAGS and (size := id3v2_size(data, at)) is not None:
        size = min(size, len(data) - at)
        tags.append(("id3v2", size))
        at += size
    return at


def _trailing(data: Octets, start: int, tags: list[tuple[str, int]]) -> int:
    end = len(data)
    while len(tags) < MOST_TAGS:
        name, size = _last(data, start, end)
        if not size:
            break
        tags.append((name, size))
        end -= size
    return end


def _last(data: Octets, start: int, end: int) -> tuple[str, int]:
    """Name and size of the tag that ends at ``end``; size 0 if there is none."""
    if end - start >= ID3V1 and data[end - ID3V1 : end - ID3V1 + 3] == b"TAG":
        return "id3v1", ID3V1
    if data[end - APE_FOOTER : end - APE_FOOTER + 8] == b"APETAGEX":
        size = _ape_size(data, end)
        return ("ape", size) if size <= end - start else ("", 0)
    if data[end - len(LYRICS_END) : end] == LYRICS_END:
        size = _lyrics_size(data, end)
        return ("lyrics3", size) if size <= end - start else ("", 0)
    return "", 0


def _ape_size(data: Octets, end: int) -> int:
    footer = data[end - APE_FOOTER : end]
    size = int.from_bytes(footer[12:16], "little")
    has_header = bool(int.from_bytes(footer[20:24], "little") & 0x80000000)
    return size + (APE_FOOTER if has_header else 0)


def _lyrics_size(data: Octets, end: int) -> int:
    digits = data[end - len(LYRICS_END) - LYRICS_SIZE : end - len(LYRICS_END)]
    if len(digits) != LYRICS_SIZE or not digits.isdigit():
        return 0
    return int(digits) + LYRICS_SIZE + len(LYRICS_END)


def zeros(data: Octets, start: int, end: int) -> bool:
    """True if ``data[start:end]`` is padding: zeros and nothing else."""
    return only(data, start, end, ZERO)

"""What the bytes are, by the bytes alone: names, headers and content types lie."""

from __future__ import annotations

import re
from dataclasses import dataclass

from archiver.audio import mp3, tags
from archiver.audio.octets import Octets

HEAD = 4096
MPEG_LEAD = 256 * 1024
"""Bytes of other things that may stand before the first MPEG frame: a cut head leaves less than one frame."""
BASE64_LEAST = 64

_BASE64 = re.compile(rb"[A-Za-z0-9+/\-_\r\n]+={0,2}\s*")
_HTML = re.compile(rb"<(!doctype\s+html|html|head|body|title|script|div|p|h1)\b", re.IGNORECASE)
_TEXT_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b")) + b"\x7f"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Kind:
    """A container (or what stands in its place), the extension of its object key, and its media type."""

    container: str
    extension: str
    mediatype: str
    walked: bool = False
    """True if there is a walker for it."""


EMPTY = Kind("empty", "bin", "application/octet-stream")
ZEROS = Kind("zeros", "bin", "application/octet-stream")
UNKNOWN = Kind("unknown", "bin", "application/octet-stream")
HTML = Kind("html", "html", "text/html")
XML = Kind("xml", "xml", "application/xml")
JSON = Kind("json", "json", "application/json")
GZIP = Kind("gzip", "gz", "application/gzip")
BASE64 = Kind("base64", "txt", "text/plain")
TEXT = Kind("text", "txt", "text/plain")
TAG_ONLY = Kind("tag", "bin", "application/octet-stream")
ZIP = Kind("zip", "zip", "application/zip")
MP3 = Kind("mp3", "mp3", "audio/mpeg", walked=True)
WAV = Kind("wav", "wav", "audio/wav", walked=True)
OGG = Kind("ogg", "ogg", "audio/ogg", walked=True)
MP4 = Kind("mp4", "m4a", "audio/mp4", walked=True)
ADTS = Kind("adts", "aac", "audio/aac", walked=True)
AMR = Kind("amr", "amr", "audio/AMR", walked=True)
AMR_WB = Kind("amr-wb", "awb", "audio/AMR-WB", walked=True)
FLAC = Kind("flac", "flac", "audio/flac", walked=True)
WEBM = Kind("webm", "webm", "audio/webm", walked=True)
MATROSKA = Kind("matroska", "mka", "audio/x-matroska", walked=True)
AIFF = Kind("aiff", "aiff", "audio/aiff")
AU = Kind("au", "au", "audio/basic")
CAF = Kind("caf", "caf", "audio/x-caf")
ASF = Kind("asf", "wma", "audio/x-ms-wma")

AUDIO = (MP3, WAV, OGG, MP4, ADTS, AMR, AMR_WB, FLAC, WEBM, MATROSKA, AIFF, AU, CAF, ASF)

_MAGIC = (
    (b"OggS", OGG),
    (b"fLaC", FLAC),
    (b"#!AMR-WB\n", AMR_WB),
    (b"#!AMR\n", AMR),
    (b".snd", AU),
    (b"caff", CAF),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ASF),
    (b"\x1f\x8b\x08", GZIP),
    (b"PK\x03\x04", ZIP),
)


def sniff(data: Octets) -> Kind:
    """What ``data`` is."""
    if not len(data):
        return EMPTY
    head = bytes(data[:HEAD])
    if not head.strip(b"\0") and tags.zeros(data, 0, len(data)):
        return ZEROS
    return _by_magic(head) or _behind_tags(data) or _by_text(head) or _late_mpeg(data)


def _behind_tags(data: Octets) -> Kind | None:
    """Formats without a magic number at the start of the file: frames right behind the tags."""
    tagged = tags.between(data)
    if tagged.start and bytes(data[tagged.start : tagged.start + 4]) == b"fLaC":
        return FLAC
    if tagged.start >= tagged.end:
        return TAG_ONLY
    if _is_adts(data, tagged.start, tagged.end):
        return ADTS
    return MP3 if mp3.starts(data, tagged.start, tagged.end, 1) is not None else None


def _late_mpeg(data: Octets) -> Kind:
    """MPEG frames that start somewhere behind other bytes; else what is left to say."""
    tagged = tags.between(data)
    if mp3.starts(data, tagged.start, tagged.end, MPEG_LEAD) is not None:
        return MP3
    return TAG_ONLY if tagged.tags else UNKNOWN


def _by_magic(head: bytes) -> Kind | None:
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return WAV
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return AIFF
    if head[4:8] == b"ftyp":
        return MP4
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return WEBM if b"webm" in head[:64] else MATROSKA
    return None


def _is_adts(data: Octets, start: int, end: int) -> bool:
    """True if three ADTS headers follow each other at ``start``, or fewer up to the end."""
    at = start
    for count in range(3):
        if at == end and count:
            return True
        head = bytes(data[at : at + 7])
        if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
            return False
        length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        if length < 7:
            return False
        at += length
    return True


def _by_text(head: bytes) -> Kind | None:
    """What kind of text ``head`` starts, or None if it is none."""
    utf16 = head.startswith(_UTF16)
    words = head.replace(b"\0", b"")[2:] if utf16 else head.removeprefix(b"\xef\xbb\xbf")
    words = words.lstrip()
    if words[:1] == b"<":
        return HTML if _HTML.search(words[:1024]) else XML
    if not utf16 and any(byte in _TEXT_CONTROLS for byte in head):
        return None
    try:
        head.decode("utf-16" if utf16 else "utf-8")
    except UnicodeDecodeError as problem:
        if problem.start < len(head) - 4:
            return None
    if words[:1] in (b"{", b"[") and words.strip():
        return JSON
    if len(words) >= BASE64_LEAST and _BASE64.fullmatch(words[: HEAD - 8]):
        return BASE64
    return TEXT

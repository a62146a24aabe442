"""MP4/M4A: boxes tile the file, the sample table points into the media data, and its times make the length."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from archiver.audio import aac
from archiver.audio.boxes import Box, boxes
from archiver.audio.fragments import Fragments
from archiver.audio.notes import Notes, Shape
from archiver.audio.octets import Octets

KNOWN_TOP = frozenset(
    {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"meta", b"moof", b"mfra", b"sidx", b"styp",
     b"pdin", b"udta", b"emsg", b"prft", b"ssix"}
)  # fmt: skip


@dataclass(slots=True)
class Track:
    """What one ``trak`` says: counts as in its boxes, times in its own ``timescale`` a second."""

    handler: bytes = b""
    timescale: int = 0
    stated: int = 0
    coding: str = ""
    channels: int = 0
    rate: int = 0
    ticks: int = 0
    timed: int = 0
    """Samples that the time table counts."""
    fixed_size: int = 0
    count: int = 0
    sizes: tuple[int, int] = (0, 0)
    chunks: tuple[int, int, int] = (0, 0, 4)
    """Where the chunk offsets lie, how many, and bytes of each."""
    per_chunk: list[tuple[int, int]] = field(default_factory=list)
    edit: tuple[int, int] | None = None
    """Length in movie ticks and start in media ticks of the edit that is played."""


@dataclass(slots=True)
class _Movie:
    timescale: int = 0
    tracks: list[Track] = field(default_factory=list)
    media: list[tuple[int, int]] = field(default_factory=list)
    fragments: Fragments = field(default_factory=Fragments)


def probe(data: Octets, notes: Notes, *, full: bool) -> Shape:
    """Walk ``data``, MP4 by its sniff."""
    movie = _Movie()
    top: list[bytes] = []
    for box in boxes(data, 0, len(data)):
        if not box.path and not _top(box, top, len(data), notes):
            break
        if box.cut and box.path:
            notes.find("header_broken", f"box {box.name.decode('latin-1')!r} is larger than what it lies in")
        if box.sound:
            _read(data, box, movie)
    audio = next((track for track in movie.tracks if track.handler == b"soun"), None)
    notes.details["boxes"] = [name.decode("latin-1") for name in top[:16]]
    notes.details["video"] = any(track.handler == b"vide" for track in movie.tracks)
    if audio is None or not audio.timescale:
        notes.find(
            "no_frames" if b"moov" in top else "data_missing", "no audio track" if b"moov" in top else "no moov box"
        )
        return Shape()
    return _shape(data, movie, audio, notes, full=full)


def _top(box: Box, top: list[bytes], size: int, notes: Notes) -> bool:
    """Judge a box of the outermost level; False if the walk ends with it."""
    if not box.sound or (top and box.name not in KNOWN_TOP):
        code = "data_missing" if size - box.at < 8 else "trailing_junk" if b"moov" in top and b"mdat" in top else "junk"
        notes.find(code, f"{size - box.at} bytes at {box.at} are no box")
        return False
    if box.cut:
        notes.find("data_missing", f"box {box.name.decode('latin-1')!r} at byte {box.at} is cut by the end")
    if box.name == b"ftyp" and top:
        notes.find("second_header", f"another file starts at byte {box.at}")
        return False
    top.append(box.name)
    return True


def _read(data: Octets, box: Box, movie: _Movie) -> None:
    def number(offset: int, width: int = 4) -> int:
        return int.from_bytes(data[box.start + offset : min(box.end, box.start + offset + width)], "big")

    movie.fragments.take(data, box)
    version = data[box.start] if box.end > box.start else 0
    if box.name == b"trak":
        movie.tracks.append(Track())
    elif box.name == b"mdat" and not box.path:
        movie.media.append((box.start, box.end))
    elif box.name == b"mvhd":
        movie.timescale = number(20 if version else 12)
    elif movie.tracks and b"trak" in box.path:
        _read_track(data, box, movie.tracks[-1], version)


def _read_track(data: Octets, box: Box, track: Track, version: int) -> None:
    def number(offset: int, width: int = 4) -> int:
        return int.from_bytes(data[box.start + offset : min(box.end, box.start + offset + width)], "big")

    room = max(0, box.end - box.start - 8)
    match box.name:
        case b"hdlr":
            track.handler = bytes(data[box.start + 8 : box.start + 12])
        case b"mdhd":
            track.timescale = number(20 if version else 12)
            track.stated = number(24, 8) if version else number(16)
        case b"stsd":
            track.coding = bytes(data[box.start + 12 : box.start + 16]).decode("latin-1").strip()
            track.channels, track.rate = number(32, 2), number(40, 2)
        case b"stts":
            for entry in range(min(number(4), room // 8)):
                count, ticks = number(8 + 8 * entry), number(12 + 8 * entry)
                track.timed, track.ticks = track.timed + count, track.ticks + count * ticks
        case b"stsz":
            track.fixed_size, track.count = number(4), number(8)
            track.sizes = (box.start + 12, box.end)
        case b"stsc":
            entries = range(min(number(4), room // 12))
            track.per_chunk = [(number(8 + 12 * entry), number(12 + 12 * entry)) for entry in entries]
        case b"stco" | b"co64":
            track.chunks = (box.start + 8, number(4), 4 if box.name == b"stco" else 8)
        case b"elst" if number(4):
            start = number(16, 8) if version else number(12)
            track.edit = (number(8, 8) if version else number(8), start)


def _shape(data: Octets, movie: _Movie, track: Track, notes: Notes, *, full: bool) -> Shape:
    media = sum(end - start for start, end in movie.media)
    fragments = movie.fragments
    ticks, frames = track.ticks + fragments.ticks, track.count + fragments.samples
    if track.timed != track.count:
        notes.find("timing_differs", f"{track.timed} samples have a time, {track.count} a size")
    if track.stated and abs(track.stated - ticks) > track.timescale // 10:
        notes.find("timing_differs", f"the track says {track.stated} ticks, its samples {ticks}")
    _locate(data, movie, track, notes, full=full)
    length = ticks / track.timescale
    if track.edit is not None and movie.timescale and not fragments.samples:
        played, start = track.edit
        if played and start < 1 << 31 and 0 <= length - played / movie.timescale < 1:
            length = played / movie.timescale  # the edit list takes the coder's delay away
    notes.details["stream"] = {"coding": track.coding, "timescale": track.timescale}
    bitrate = round(media * 8 / length) if length else None
    region = (movie.media[0][0], movie.media[-1][1]) if movie.media else None
    return Shape(length, frames, track.rate or None, track.channels or None, bitrate, region)


def _locate(data: Octets, movie: _Movie, track: Track, notes: Notes, *, full: bool) -> None:
    """Every sample against where the media data lie, and how AAC access units begin and end."""
    outside = walked = 0
    ends = aac.Endings(track.channels)
    starts = [start for start, _ in movie.media]  # in the order of the file
    for start, size, count in chain(samples(data, track), _runs(movie.fragments)):
        walked += count
        media = bisect_right(starts, start) - 1
        if media < 0 or start + size > movie.media[media][1]:
            outside += count
        elif full and track.coding == "mp4a" and count == 1:
            ends.take(data, start, start + size)
    total = track.count + movie.fragments.samples
    if outside or walked != total:
        notes.find("samples_outside", f"{outside} of {total} samples lie outside the media data")
    elif walked:
        notes.prove("sample_table", f"{walked} samples")
    if full and track.coding == "mp4a":
        ends.close(notes)


def _runs(fragments: Fragments) -> Iterator[tuple[int, int, int]]:
    """The same of fragments as ``samples`` of tables."""
    for start, sizes in fragments.places:
        here = start
        for size in sizes:
            yield here, size, 1
            here += size


def samples(data: Octets, track: Track) -> Iterator[tuple[int, int, int]]:
    """Place, size in bytes and number of samples that lie together, by chunk (ISO 14496-12, 8.7.4 and 8.7.5).

    Samples of one fixed size come a chunk at a time, others one by one.
    """
    at, chunks, width = track.chunks
    sizes_at, sizes_end = track.sizes
    index, run = 0, 0
    count = track.count if track.fixed_size else min(track.count, max(0, sizes_end - sizes_at) // 4)
    for chunk in range(min(chunks, count, len(data) // width)):
        while run + 1 < len(track.per_chunk) and track.per_chunk[run + 1][0] <= chunk + 1:
            run += 1
        here = int.from_bytes(data[at + chunk * width : at + (chunk + 1) * width], "big")
        together = min(track.per_chunk[run][1] if track.per_chunk else 1, count - index)
        if track.fixed_size:
            yield here, together * track.fixed_size, together
            index += together
            continue
        for where in range(sizes_at + 4 * index, sizes_at + 4 * (index + together), 4):
            size = int.from_bytes(data[where : where + 4], "big")
            yield here, size, 1
            here += size
        index += together

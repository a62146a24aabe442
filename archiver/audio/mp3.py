"""MP3 (and its layers I and II): every byte accounted for, the encoder's header held against the walk."""

from __future__ import annotations

from dataclasses import dataclass, field

from archiver.audio import tags
from archiver.audio.continuity import Continuity
from archiver.audio.frames import SYNCHRONISED, Gap, Search, walk
from archiver.audio.lame import VBRI_OFFSET, EncoderHeader, header_in
from archiver.audio.mpeg import HEADER, Stream, is_free_format, stream_at
from archiver.audio.notes import Notes, Shape
from archiver.audio.octets import Octets, crc16_arc
from archiver.audio.repetition import Repetition
from archiver.audio.runs import Run

HEADER_NAMES = (b"Info", b"Xing", b"VBRI")


@dataclass(slots=True)
class _Tally:
    """Sums over the walk: bytes and seconds of frames, the streams met, and where the last frame ended."""

    end: int
    frames: int = 0
    size: int = 0
    seconds: float = 0.0
    streams: list[Stream] = field(default_factory=list)
    bitrates: set[int] = field(default_factory=set)

    def take(self, run: Run) -> None:
        self.frames += run.count
        self.size += run.end - run.start
        self.seconds += run.count * run.stream.samples / run.stream.sample_rate
        self.bitrates.update(third >> 4 for third in run.third_values)
        if not self.streams or self.streams[-1] != run.stream:
            self.streams.append(run.stream)
        self.end = run.end


def starts(data: Octets, start: int, end: int, limit: int) -> tuple[int, Stream] | None:
    """Where, from ``start`` and within ``limit`` bytes, MPEG frames begin to follow each other, and their stream."""
    search = Search(data, end)
    stream = search.confirmed(start, SYNCHRONISED)
    if stream is not None:
        return start, stream
    stream = stream_at(data, start)
    if stream is not None and not is_free_format(data, start):
        # A recording cut to a frame or two cannot show three headers, but it may still show its encoder's.
        length = stream.lengths[data[start + 2]]
        if header_in(data, start, min(length, end - start), stream) is not None:
            return start, stream
    return search.first(start + 1, start + limit)


def probe(data: Octets, notes: Notes, *, full: bool) -> Shape:
    """Walk ``data``, an MP3 by its sniff."""
    tagged = tags.between(data)
    if tagged.tags:
        notes.details["tags"] = [{"kind": kind, "size": size} for kind, size in tagged.tags]
    found = starts(data, tagged.start, tagged.end, len(data))
    if found is None:
        notes.find("no_frames", "tags, but no audio behind them")
        return Shape()
    first, stream = found
    if first > tagged.start:
        zeros = tags.zeros(data, tagged.start, first)
        notes.find("leading_zeros" if zeros else "leading_junk", f"{first - tagged.start} bytes before the first frame")
    length = stream.lengths[data[first + 2]]
    header = header_in(data, first, min(length, tagged.end - first), stream)
    music = min(first + length, tagged.end) if header else first
    proved = _music_crc(data, header, music, tagged.end, notes) if full else False
    watchers: list[Continuity | Repetition] = []
    if full:
        watchers.append(Continuity(notes, from_start=True))
        if not proved:
            watchers.append(Repetition(notes))
    tally = _go(data, (music, tagged.end), stream, notes, watchers)
    _hold_against(header, tally, first, len(data), notes)
    _describe(header, tally, stream, notes)
    return _shape(tally, stream, header, first)


def _go(
    data: Octets, span: tuple[int, int], stream: Stream, notes: Notes, watchers: list[Continuity | Repetition]
) -> _Tally:
    start, end = span
    tally = _Tally(start)
    for part in walk(data, start, end, stream):
        if isinstance(part, Gap):
            _note_gap(data, part, end, notes)
            for watcher in watchers:
                if isinstance(watcher, Continuity):
                    watcher.interrupt()
            continue
        if tally.streams and part.stream != tally.streams[-1]:
            notes.find("stream_change", f"another kind of frame from byte {part.start}")
        tally.take(part)
        _second_headers(part, notes)
        for watcher in watchers:
            watcher.take(part)
    for watcher in watchers:
        watcher.close()
    return tally


def _note_gap(data: Octets, gap: Gap, end: int, notes: Notes) -> None:
    size = gap.end - gap.start
    if gap.gave_up:
        notes.find("walk_gave_up", f"from byte {gap.start}")
    if gap.cut:
        notes.find("cut_frame", f"the last frame starts at byte {gap.start} and has only {size} bytes")
    elif tags.zeros(data, gap.start, gap.end):
        notes.find("trailing_zeros" if gap.end == end else "hole", f"{size} zero bytes at {gap.start}")
    elif gap.end == end:
        notes.find("trailing_junk", f"{size} bytes from {gap.start}")
    else:
        notes.find("junk", f"{size} bytes at {gap.start} are no frame")


def _music_crc(data: Octets, header: EncoderHeader | None, music: int, end: int, notes: Notes) -> bool:
    """True if the encoder's CRC of the audio holds."""
    if header is None or not header.signed:
        return False
    if not header.tag_crc_held:
        notes.find("header_crc_wrong", f"the {header.encoder} tag does not match its own CRC")
        return False
    notes.prove("tag_crc", header.encoder)
    if not header.padded:
        notes.find("header_padding", "something stands behind the tag in its frame")
    if not header.music_crc and music < end:
        return False  # an encoder that could not seek back leaves 0
    if crc16_arc(data, music, end) != header.music_crc:
        notes.find("music_crc_wrong", "the audio is not what the encoder wrote")
        return False
    notes.prove("music_crc", f"{end - music} bytes")
    return True


def _hold_against(header: EncoderHeader | None, tally: _Tally, first: int, size: int, notes: Notes) -> None:
    """Compare what the first frame says with what was walked."""
    if header is None:
        return
    spans = {tally.end - first, size - first, size}
    size_held = header.size is not None and header.size in spans
    if header.frames is not None:
        # Old Xing encoders count their own frame too; with a byte count that agrees, nothing is missing.
        if header.frames == tally.frames or (size_held and not header.encoder and header.frames == tally.frames + 1):
            notes.prove("frame_count", str(tally.frames))
        else:
            code = "frames_missing" if header.frames > tally.frames else "frames_extra"
            notes.find(code, f"the header says {header.frames}, there are {tally.frames}")
    if header.size is None:
        return
    if size_held:
        notes.prove("byte_count", str(header.size))
    else:
        # Some count tags that were rewritten since; while the frames agree, nothing is missing.
        code = "bytes_missing" if header.size > tally.end - first else "bytes_extra"
        code = "size_differs" if notes.proved("frame_count") else code
        notes.find(code, f"the header says {header.size}, there are {tally.end - first}")


def _second_headers(run: Run, notes: Notes) -> None:
    """An encoder's header in a later frame: two recordings in one file."""
    if run.stream.layer != 3:
        return
    for offset in {run.stream.overhead, HEADER + run.stream.side_info, VBRI_OFFSET}:
        initials = run.column(offset)
        for name in HEADER_NAMES:
            index = initials.find(name[0])
            while index >= 0:
                at = run.base + index * run.stride + offset
                if run.heads[at : at + len(name)] == name:
                    notes.find(
                        "second_header", f"a further {name.decode()} header {index} frames behind byte {run.start}"
                    )
                index = initials.find(name[0], index + 1)


def _describe(header: EncoderHeader | None, tally: _Tally, stream: Stream, notes: Notes) -> None:
    constant = "free" if stream.free_slots else "cbr"
    details = {"mpeg": stream.version, "layer": stream.layer, "mode": constant if len(tally.bitrates) < 2 else "vbr"}
    if header is not None:
        fields = {"kind": header.kind, "frames": header.frames, "bytes": header.size, "encoder": header.encoder}
        fields |= {"delay": header.delay, "padding": header.padding}
        notes.details["header"] = {name: value for name, value in fields.items() if value is not None and value != ""}
    notes.details["stream"] = details


def _shape(tally: _Tally, stream: Stream, header: EncoderHeader | None, first: int) -> Shape:
    if not tally.frames:
        return Shape(0.0, 0, stream.sample_rate, stream.channels)
    gapless = (header.delay + header.padding) / stream.sample_rate if header else 0.0
    return Shape(
        length=round(max(0.0, tally.seconds - gapless), 6),
        frames=tally.frames,
        sample_rate=stream.sample_rate,
        channels=stream.channels,
        bitrate=round(tally.size * 8 / tally.seconds),
        audio=(first, tally.end),  # an encoder's header is a frame, made of the audio: without tags this is all of it
    )

"""AMR and AMR-WB storage format (RFC 4867, 5): frames of 20 ms, each behind one byte that says how long it is."""

from __future__ import annotations

from archiver.audio.notes import Notes, Shape
from archiver.audio.octets import Octets

NARROW, WIDE = b"#!AMR\n", b"#!AMR-WB\n"
NO_DATA = 15
_NARROW_BYTES = (12, 13, 15, 17, 19, 20, 26, 31, 5, None, None, None, None, None, None, 0)
_WIDE_BYTES = (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, None, None, None, None, 0, 0)
PADDING_BITS = 0x83
QUALITY = 0x04
FRAMES_A_SECOND = 50
SYNCHRONISED = 6
"""Frames that must join up for the walk to go on behind junk: one byte in twenty looks like a frame's first."""
MOST_LOOKS = 300_000


def _steps(wide: bool) -> tuple[int, ...]:
    """Bytes from frame to frame by first byte; 0 where that byte starts none."""
    sizes = _WIDE_BYTES if wide else _NARROW_BYTES
    steps = [0] * 256
    for first in range(256):
        size = sizes[first >> 3 & 15]
        if not first & PADDING_BITS and size is not None:
            steps[first] = 1 + size
    return tuple(steps)


_STEPS = {False: _steps(wide=False), True: _steps(wide=True)}


def probe(data: Octets, notes: Notes, *, full: bool) -> Shape:
    """Walk ``data``, AMR by its sniff."""
    del full  # there is nothing but structure
    wide = bytes(data[: len(WIDE)]) == WIDE
    start = len(WIDE) if wide else len(NARROW)
    kinds = [0] * 256
    end = _walk(data, start, _STEPS[wide], kinds, notes)
    frames = sum(kinds)
    bad = sum(count for first, count in enumerate(kinds) if not first & QUALITY and first >> 3 != NO_DATA)
    if bad and bad < frames:
        notes.find("frames_marked_bad", f"{bad} of {frames} frames say that they are damaged")
    speech = sum(count for first, count in enumerate(kinds) if first >> 3 & 15 < (9 if wide else 8))
    notes.details["stream"] = {"coding": "amr-wb" if wide else "amr", "speech_frames": speech}
    if frames and not speech:
        notes.find("digital_silence", "no speech frame")
    length = frames / FRAMES_A_SECOND
    rate = 16_000 if wide else 8_000
    bitrate = round((end - start) * 8 / length) if length else None
    return Shape(length, frames, rate, 1, bitrate, (start, end))


def _walk(data: Octets, start: int, steps: tuple[int, ...], kinds: list[int], notes: Notes) -> int:
    """Count the frames by their first byte; where the last one ends."""
    at, size, looks = start, len(data), 0
    end = start
    while at < size:
        first = data[at]
        step = steps[first]
        if step and at + step <= size:
            kinds[first] += 1
            at += step
            end = at
            continue
        if step:
            notes.find("cut_frame", f"the last frame starts at byte {at} and has only {size - at} bytes")
            break
        after = at + 1
        while after < size and looks < MOST_LOOKS and not _joined(data, after, steps):
            after += 1
            looks += 1
        if looks >= MOST_LOOKS:
            notes.find("walk_gave_up", f"from byte {at}")
            break
        notes.find("trailing_junk" if after >= size else "junk", f"{after - at} bytes at {at} are no frame")
        at = after
    return end


def _joined(data: Octets, at: int, steps: tuple[int, ...]) -> bool:
    for _ in range(SYNCHRONISED):
        if at >= len(data):
            return at == len(data)
        step = steps[data[at]]
        if not step or not data[at] & QUALITY:
            return False
        at += step
    return True

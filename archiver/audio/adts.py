"""ADTS AAC (ISO 14496-3, 1.A.2.2): frame by frame, 1,024 samples each."""

from __future__ import annotations

from archiver.audio import aac, tags
from archiver.audio.notes import Notes, Shape
from archiver.audio.octets import Octets

RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
FIXED = (0xFF, 0xFF, 0xFD, 0xC0)
"""Bits of the first four bytes that are the same in every frame (all but private, copyright and length)."""
SAMPLES = 1024
SYNCHRONISED = 3
MOST_LOOKS = 100_000
LEAST = 7


def probe(data: Octets, notes: Notes, *, full: bool) -> Shape:
    """Walk ``data``, ADTS by its sniff."""
    tagged = tags.between(data)
    if tagged.tags:
        notes.details["tags"] = [{"kind": kind, "size": size} for kind, size in tagged.tags]
    first = bytes(data[tagged.start : tagged.start + LEAST])
    rate_index = first[2] >> 2 & 15
    if rate_index >= len(RATES):
        notes.find("header_broken", f"sampling frequency index {rate_index}")
        return Shape()
    rate, channels = RATES[rate_index], (first[2] & 1) << 2 | first[3] >> 6
    blocks = 0
    ends = aac.Endings(channels)
    at = end = tagged.start
    looks = 0
    while at < tagged.end:
        size = frame_size(data, at, first)
        if size and at + size <= tagged.end:
            blocks += (data[at + 6] & 3) + 1
            if full and not data[at + 6] & 3:
                ends.take(data, at + (7 if data[at + 1] & 1 else 9), at + size)
            at += size
            end = at
            continue
        if size or (tagged.end - at < LEAST and data[at] == 0xFF):
            notes.find("cut_frame", f"the last frame starts at byte {at} and has only {tagged.end - at} bytes")
            break
        after, looks = _resume(data, at + 1, tagged.end, first, looks)
        _note_gap(data, at, after, tagged.end, notes)
        at = after
    ends.close(notes)
    notes.details["stream"] = {"coding": "aac", "profile": first[2] >> 6}
    length = blocks * SAMPLES / rate
    bitrate = round((end - tagged.start) * 8 / length) if length else None
    return Shape(length, blocks, rate, channels or None, bitrate, (tagged.start, end))


def frame_size(data: Octets, at: int, first: bytes) -> int:
    """Bytes of the frame at ``at`` if its header goes with ``first``, the stream's first header; else 0."""
    head = bytes(data[at : at + LEAST])
    if len(head) < LEAST or any((one ^ other) & mask for one, other, mask in zip(head, first, FIXED, strict=False)):
        return 0
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return size if size > LEAST else 0


def _resume(data: Octets, at: int, end: int, first: bytes, looks: int) -> tuple[int, int]:
    """Where frames go on (``end`` if nowhere), and how many sync words were looked at so far."""
    while looks < MOST_LOOKS:
        at = data.find(first[:2], at, end)
        if at < 0:
            return end, looks
        looks += 1
        there = at
        for _ in range(SYNCHRONISED):
            size = frame_size(data, there, first)
            there += size
            if not size or there >= end:
                break
        if there == end or (size and there < end):
            return at, looks
        at += 1
    return end, looks


def _note_gap(data: Octets, start: int, stop: int, end: int, notes: Notes) -> None:
    zeros = tags.zeros(data, start, stop)
    if stop == end:
        notes.find("trailing_zeros" if zeros else "trailing_junk", f"{stop - start} bytes from {start}")
    else:
        notes.find("hole" if zeros else "junk", f"{stop - start} bytes at {start} are no frame")

"""Fragments of an MP4 (``moof``): where the samples of each run lie, and how long they sound (ISO 14496-12, 8.8)."""

from __future__ import annotations

from dataclasses import dataclass, field

from archiver.audio.boxes import Box
from archiver.audio.octets import Octets

BASE, DESCRIPTION, DURATION, SIZE, FLAGS = 0x1, 0x2, 0x8, 0x10, 0x20
RUN_OFFSET, RUN_FIRST_FLAGS = 0x1, 0x4
EACH = (0x100, 0x200, 0x400, 0x800)
"""Duration, size, flags and composition offset of each sample of a run."""


MOST_FIXED = 4096
"""Samples of a run that says nothing on each of them: it could claim any number in a few bytes."""


@dataclass(slots=True)
class Fragments:
    """Takes boxes in the order of the file; knows samples, ticks, and the place of every run."""

    samples: int = 0
    ticks: int = 0
    places: list[tuple[int, list[int]]] = field(default_factory=list)
    """Where each run starts, and the sizes of its samples in bytes."""
    _moof: int = 0
    _base: int = 0
    _next: int = 0
    _defaults: tuple[int, int] = (0, 0)
    """Ticks and bytes of samples that do not state their own: of the whole movie."""
    _here: tuple[int, int] = (0, 0)
    """The same for the fragment that is being read."""

    def take(self, data: Octets, box: Box) -> None:
        """Read ``box`` if it belongs to a fragment."""
        body = bytes(data[box.start : min(box.end, box.start + 40)])
        match box.name:
            case b"trex":
                self._defaults = (_number(body, 12), _number(body, 16))
            case b"moof":
                self._moof = self._next = box.at
            case b"tfhd":
                self._header(body)
            case b"trun":
                self._run(data, box)

    def _header(self, body: bytes) -> None:
        flags, at = _number(body, 0) & 0xFFFFFF, 8
        self._base = self._next = self._moof
        if flags & BASE:
            self._base = self._next = _number(body, at, 8)
            at += 8
        at += 4 if flags & DESCRIPTION else 0
        ticks, size = self._defaults
        if flags & DURATION:
            ticks, at = _number(body, at), at + 4
        if flags & SIZE:
            size = _number(body, at)
        self._here = (ticks, size)

    def _run(self, data: Octets, box: Box) -> None:
        head = bytes(data[box.start : min(box.end, box.start + 16)])
        flags, count, at = _number(head, 0) & 0xFFFFFF, _number(head, 4), box.start + 8
        start = self._next
        if flags & RUN_OFFSET:
            start = self._base + int.from_bytes(head[8:12], "big", signed=True)
            at += 4
        at += 4 if flags & RUN_FIRST_FLAGS else 0
        width = 4 * sum(1 for flag in EACH if flags & flag)
        room = max(0, box.end - at)
        count = min(count, room // width if width else MOST_FIXED)
        ticks, size = self._here
        body = bytes(data[at : at + count * width])
        if flags & EACH[0]:
            self.ticks += sum(_number(body, place) for place in range(0, len(body), width))
        else:
            self.ticks += count * ticks
        skip = 4 if flags & EACH[0] else 0
        if flags & EACH[1]:
            sizes = [_number(body, place + skip) for place in range(0, len(body), width)]
        else:
            sizes = [size] * count
        self.samples += count
        self.places.append((start, sizes))
        self._next = start + sum(sizes)


def _number(body: bytes, at: int, width: int = 4) -> int:
    return int.from_bytes(body[at : at + width], "big")

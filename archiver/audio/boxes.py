"""ISO base media boxes (ISO 14496-12): where each lies. Depth and number are bounded; nothing is read into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archiver.audio.octets import Octets

MOST_BOXES = 20_000
DEEPEST = 8
CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf", b"mvex"})


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its name, path of names, body ``[start, end)``, and whether the bytes end before it does."""

    name: bytes
    path: tuple[bytes, ...]
    at: int
    start: int
    end: int
    cut: bool
    sound: bool
    """False if its size makes no sense: nothing behind it can be trusted."""


def boxes(data: Octets, start: int, end: int) -> Iterator[Box]:
    """All boxes of ``[start, end)``, containers before what they contain."""
    stack: list[tuple[int, int, tuple[bytes, ...]]] = [(start, end, ())]
    seen = 0
    while stack:
        at, stop, path = stack.pop()
        if at + 8 > stop:
            if stop > at and not path:
                yield Box(b"", path, at, at, stop, cut=True, sound=False)
            continue
        seen += 1
        if seen > MOST_BOXES:
            return
        box = _box(data, at, stop, path)
        yield box
        if not box.sound:
            continue
        stack.append((box.end, stop, path))
        if box.name in CONTAINERS and len(path) < DEEPEST:
            stack.append((box.start, box.end, (*path, box.name)))


def _box(data: Octets, at: int, stop: int, path: tuple[bytes, ...]) -> Box:
    size, name, head = int.from_bytes(data[at : at + 4], "big"), bytes(data[at + 4 : at + 8]), 8
    if size == 1:
        size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
    elif size == 0 and not path:
        size = stop - at  # the last box may run to the end
    sound = size >= head and all(32 <= byte < 127 or byte == 0xA9 for byte in name)
    return Box(name, path, at, at + head, min(at + size, stop), cut=sound and at + size > stop, sound=sound)

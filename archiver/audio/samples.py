"""Content of sampled audio in WAV: idle bytes only, holes of zeros, stretches that occur twice.

A zero byte is the loudest sample there is in G.711 and no valid frame in GSM, so a stretch of them is a hole. In PCM it
is silence, unless the sound breaks off and comes back at full swing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Protocol

from archiver.audio.notes import Notes
from archiver.audio.octets import Octets, only

IDLE = {
    "pcm": (b"\0", b"\x80", b"\xff", b"\0\xff", b"\x80\x7f"),
    "mulaw": (b"\xff\x7f", b"\xff\xfe\x7f\x7e"),
    "alaw": (b"\xd5\x55", b"\xd5\xd4\x55\x54"),
}
"""Bytes of silence: recordings of nothing else hold no sound."""
HOLE = {"mulaw": 64, "alaw": 64, "gsm": 65, "pcm": 512}
"""Zero bytes in a row that make a hole."""
ABRUPT = 2048
"""Sample value (of 32,767) beside a hole of PCM that sound does not fall from to nothing in one step."""
LONE = 4096
"""Bytes from which a stretch of PCM zeros stands out that is the only one: a quarter of a second at 8 kHz."""
MOST_HOLES = 10_000
WINDOW = 4096


class Coded(Protocol):
    """What is needed of a WAV format."""

    @property
    def coding(self) -> str: ...
    @property
    def bits(self) -> int: ...
    @property
    def channels(self) -> int: ...


def examine(data: Octets, start: int, end: int, fmt: Coded, notes: Notes) -> None:
    """Note what the content of ``data[start:end]`` shows."""
    if end - start > WINDOW and _idle(data, start, end, fmt.coding):
        notes.find("digital_silence", f"{end - start} bytes hold no sound at all")
        return
    _holes(data, start, end, fmt, notes)
    _copies(data, start, end, notes)


def _idle(data: Octets, start: int, end: int, coding: str) -> bool:
    """True if there are only bytes of silence; nearly all recordings tell by their first few."""
    sets = [idle for idle in IDLE.get(coding, ()) if only(data, start, start + WINDOW, idle)]
    return any(only(data, start, end, idle) for idle in sets)


def _holes(data: Octets, start: int, end: int, fmt: Coded, notes: Notes) -> None:
    least = HOLE.get(fmt.coding)
    if least is None or (fmt.coding == "pcm" and (fmt.bits != 16 or fmt.channels != 1)):
        return
    stretches = list(islice(_zero_stretches(data, start, end, least), MOST_HOLES))
    for at, stop in stretches:
        # Recordings with digital silence have many stretches of it; a single one was rather never written.
        alone = len(stretches) == 1 and start < at and stop - at >= LONE
        if fmt.coding != "pcm":
            notes.find("hole", f"{stop - at} zero bytes at {at}")
        elif alone or _abrupt(data, start, at, stop, end):
            notes.find("silent_gap", f"the sound breaks off at byte {at} for {stop - at} bytes of zeros")


def _zero_stretches(data: Octets, start: int, end: int, least: int) -> Iterator[tuple[int, int]]:
    """Start and end of each stretch of at least ``least`` zeros."""
    at = data.find(bytes(least), start, end)
    while at >= 0:
        stop = _stretch_end(data, at, end)
        yield at, stop
        at = data.find(bytes(least), stop, end)


def _stretch_end(data: Octets, at: int, end: int) -> int:
    """Where the zeros that start at ``at`` end."""
    while at < end:
        piece = bytes(data[at : min(at + WINDOW, end)])
        rest = piece.lstrip(b"\0")
        at += len(piece) - len(rest)
        if rest:
            break
    return at


def _abrupt(data: Octets, start: int, at: int, stop: int, end: int) -> bool:
    """True if 16-bit sound stands at full swing right before the zeros of ``[at, stop)``, and right behind them."""
    before, behind = at - (at - start) % 2 - 2, stop + (stop - start) % 2
    edges = [data[before : before + 2]] if before >= start else []
    edges += [data[behind : behind + 2]] if behind + 2 <= end else []
    return bool(edges) and all(abs(int.from_bytes(edge, "little", signed=True)) >= ABRUPT for edge in edges)


def _copies(data: Octets, start: int, end: int, notes: Notes) -> None:
    """Note sound that was written twice over."""
    half, odd = divmod(end - start, 2)
    if not odd and half > WINDOW and data[start : start + WINDOW] == data[start + half : start + half + WINDOW]:
        notes.find("repeated_audio", f"the second half, from byte {start + half}, starts as the first")

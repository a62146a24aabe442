"""What only becomes visible from frame to frame: reservoir, silence, header bits that never change, frame CRCs."""

from __future__ import annotations

from functools import lru_cache

from fastcrc import crc16

from archiver.audio.mpeg import HEADER, PRIVATE
from archiver.audio.notes import Notes
from archiver.audio.octets import values
from archiver.audio.reservoir import side_info
from archiver.audio.runs import Run

COPYRIGHT_ORIGINAL_EMPHASIS = 0x0F  # of the fourth
ALL_BUT_MODE_EXTENSION = 0xCF
CRC_INITIAL = 0xFFFF
MOSTLY = 0.98
"""Share of silent frames from which a recording counts as silent: encoders start with one or two that are not."""


class Continuity:
    """Takes the runs of a walk in their order; ``close`` says what held over all of them."""

    def __init__(self, notes: Notes, *, from_start: bool) -> None:
        self._notes = notes
        self._room: int | None = 0 if from_start else None
        """Bytes that the frames so far leave to the next; None where that is not known."""
        self.silent = 0
        self._layer3 = 0
        self._unbroken = True
        self._frames = 0
        self._thirds: set[int] = set()
        self._fourths: set[int] = set()
        self._crc = [0, 0]

    def take(self, run: Run) -> None:
        """Read the next run, which joins the one before unless ``interrupt`` was called between."""
        self._frames += run.count
        self._thirds.update(byte & PRIVATE for byte in run.third_values)
        self._fourths.update(byte & ALL_BUT_MODE_EXTENSION for byte in values(run.column(3)))
        if run.stream.layer != 3:
            self._room = None
            return
        self._reservoir(run)
        if run.stream.protected:
            self._frame_crcs(run)

    def interrupt(self) -> None:
        """Frames are missing here: what the next one refers to cannot be known."""
        self._room = None

    def _reservoir(self, run: Run) -> None:
        side = side_info(run)
        self._layer3 += run.count
        self.silent += side.silent
        if self._room is not None and side.back_reference > self._room:
            code = "reservoir_head" if self._frames == run.count else "reservoir_broken"
            self._notes.find(
                code, f"the frame at byte {run.start} needs {side.back_reference} bytes, {self._room} are there"
            )
            self._unbroken = False
        if side.breaks:
            offsets = list(run.starts)
            for place in side.broken:
                self._notes.find("reservoir_broken", f"behind the frame at byte {offsets[place]}", times=0)
            self._notes.find("reservoir_broken", times=side.breaks)
            self._unbroken = False
        self._room = max(0, side.left)

    def _frame_crcs(self, run: Run) -> None:
        """CRC-16 over the last two header bytes and the side information (ISO 11172-3 2.4.3.1).

        What each covered byte adds to it depends on its place alone, so one byte of all frames is looked up at once.
        """
        overhead = run.stream.overhead
        covered = (HEADER - 2, HEADER - 1, *range(HEADER + 2, overhead))
        differing = 0
        for stated, tables in zip((HEADER, HEADER + 1), _crc_tables(len(covered)), strict=True):
            differs = int.from_bytes(run.column(stated), "little")
            for offset, table in zip(covered, tables, strict=True):
                differs ^= int.from_bytes(run.column(offset).translate(table), "little")
            differing |= differs
        right = differing.to_bytes(run.count, "little").count(0)
        self._crc[True] += right
        self._crc[False] += run.count - right

    def close(self) -> None:
        """Write down what can only be said at the end."""
        wrong, right = self._crc
        if right and not wrong:
            self._notes.prove("frame_header_crc", f"{right} frames")
        elif right > wrong:  # encoders that never compute it right prove nothing against the file
            self._notes.find("frame_crc_wrong", f"{wrong} of {wrong + right} frames")
        if len(self._thirds) > 1 or self._fixed_bits_vary():
            self._notes.find("header_bits_differ", "bits that are the same in every frame of a stream change")
        if self._layer3 and self._unbroken:
            self._notes.prove("reservoir", f"{self._layer3} frames")
        if self._layer3 and self.silent >= MOSTLY * self._layer3:
            self._notes.find("digital_silence", f"{self.silent} of {self._layer3} frames hold no sound at all")

    def _fixed_bits_vary(self) -> bool:
        if len({byte & COPYRIGHT_ORIGINAL_EMPHASIS for byte in self._fourths}) > 1:
            return True
        # stereo and joint stereo (0, 1) alternate in good files; dual channel (2) and mono (3) do not
        modes = {byte >> 6 for byte in self._fourths}
        return len(modes) > 1 and bool(modes & {2, 3})


@lru_cache(maxsize=8)
def _crc_tables(size: int) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """For high and low byte of the CRC of ``size`` bytes: by the value of each of these, what it adds (XOR).

    The first byte's tables contain what the initial value adds.
    """
    columns = []
    for place in range(size):
        initial = 0 if place else crc16.cms(bytes(size), CRC_INITIAL)
        columns.append([crc16.cms(bytes((value,)).ljust(size - place, b"\0"), 0) ^ initial for value in range(256)])
    high = tuple(bytes(added >> 8 for added in column) for column in columns)
    low = tuple(bytes(added & 0xFF for added in column) for column in columns)
    return high, low

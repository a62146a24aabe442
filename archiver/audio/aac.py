"""What can be seen of AAC without decoding it: how its access units begin and end.

A raw data block ends with the element ID_END, three ones, and zeros up to the byte (ISO 14496-3, 4.4.2.1). One in ten
random access units begins and ends like that by chance, so a damaged stretch of some frames shows.
"""

from __future__ import annotations

from archiver.audio.notes import Notes
from archiver.audio.octets import Octets

ID_END = 7
LEAST_GOOD = 0.3
"""Share of good units from which the others count as damage; below, this coder does it differently."""
MOST_PLACES = 4


def ends_well(last: bytes) -> bool:
    """True if ``last``, the final bytes of an access unit, ends with ID_END and less than a byte of zeros."""
    number = int.from_bytes(last[-2:], "big")
    zeros = (number & -number).bit_length() - 1
    return bool(number) and zeros < 8 and number >> zeros & ID_END == ID_END


class Endings:
    """Takes access units; ``close`` says whether some of them end wrong."""

    def __init__(self, channels: int) -> None:
        self._starts = {1: (0, 6, 4), 2: (1, 6, 4, 0)}.get(channels, tuple(range(8)))
        """Elements a unit may start with: SCE or CPE by the channels, or fill or data before them."""
        self._good = 0
        self._bad = 0
        self._places: list[int] = []

    def take(self, data: Octets, start: int, end: int) -> None:
        """Look at the access unit ``data[start:end]``."""
        if end > start and data[start] >> 5 in self._starts and ends_well(bytes(data[max(start, end - 2) : end])):
            self._good += 1
            return
        self._bad += 1
        if len(self._places) < MOST_PLACES:
            self._places.append(start)

    def close(self, notes: Notes) -> None:
        """Note ``frame_broken`` where a few units are not as the others."""
        total = self._good + self._bad
        if not self._bad and total:
            notes.prove("frame_ends", f"{total} frames")
        elif self._good > LEAST_GOOD * total:
            words = ", ".join(map(str, self._places))
            notes.find("frame_broken", f"{self._bad} of {total} frames do not end as frames do, at byte {words}")

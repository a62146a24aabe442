"""The walk over MPEG frames: runs of frames that join up, and the gaps between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archiver.audio.mpeg import HEADER, Stream, chain, is_free_format, same_stream, stream_at
from archiver.audio.octets import Octets, let_go
from archiver.audio.runs import Run, constant_run, variable_run

SYNCHRONISED = 3
"""Consecutive headers that make a sync: one sync word turns up in noise every few kilobytes."""
MOST_LOOKS = 100_000
"""Sync words looked at between frames before a walk gives up: bounds the time on hostile input."""
FREE_FORMAT_LOOKS = 16
"""What a free-format header costs of them: its frame length must be searched."""
MOST_FREE_SLOTS = 8192


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes ``[start, end)`` that are no frame. ``cut`` if a frame starts there that the end of the bytes cuts."""

    start: int
    end: int
    cut: bool = False
    gave_up: bool = False


class Search:
    """Looks for frames between other things; all searches of one walk share one allowance."""

    def __init__(self, data: Octets, end: int) -> None:
        self._data = data
        self._end = end
        self._left = MOST_LOOKS

    @property
    def spent(self) -> bool:
        """True if the allowance is used up."""
        return self._left <= 0

    def first(self, start: int, stop: int) -> tuple[int, Stream] | None:
        """The first place in ``[start, stop)`` where frames follow each other, and their stream."""
        at, stop = start, min(stop, self._end)
        while not self.spent:
            at = self._data.find(b"\xff", at, stop)
            if at < 0:
                return None
            stream = self.confirmed(at, SYNCHRONISED + 1)
            if stream is not None:
                return at, stream
            at += 1
        return None

    def confirmed(self, at: int, want: int) -> Stream | None:
        """The stream of which ``want`` frames (or all up to the end) stand at ``at``."""
        self._left -= 1
        stream = stream_at(self._data, at)
        if stream is not None and is_free_format(self._data, at):
            self._left -= FREE_FORMAT_LOOKS
            stream = _free_format(self._data, at, self._end, stream)
        if stream is None or chain(self._data, at, self._end, stream, want) < want:
            return None
        return stream


def _free_format(data: Octets, at: int, end: int, stream: Stream) -> Stream | None:
    """``stream`` with the frame length that the following headers show."""
    sync = bytes((0xFF, stream.second))
    following = at + HEADER
    for _ in range(SYNCHRONISED * 4):
        following = data.find(sync, following, min(end, at + MOST_FREE_SLOTS))
        if following < 0:
            return None
        padding = (data[at + 2] >> 1 & 1) * (4 if stream.layer == 1 else 1)
        candidate = Stream(stream.second, stream.rate_bits, stream.mono, following - at - padding)
        if following - at > stream.overhead and chain(data, at, end, candidate, SYNCHRONISED + 1) == SYNCHRONISED + 1:
            return candidate
        following += 1
    return None


def walk(data: Octets, start: int, end: int, stream: Stream) -> Iterator[Run | Gap]:
    """Every byte of ``[start, end)`` as runs and gaps, in order; ``stream`` is the one that starts at ``start``."""
    search = Search(data, end)
    at = start
    constant = True
    while at < end:
        run = constant_run(data, at, end, stream) if constant else None
        if run is None:
            constant = False
            run = variable_run(data, at, end, stream)
        if run is not None:
            yield run
            let_go(data, at, run.end)
            at = run.end
            continue
        gap, found = _resume(data, at, end, stream, search)
        if gap.end > gap.start:
            yield gap
        if found is None:
            return
        at, stream, constant = gap.end, found, True


def _resume(data: Octets, at: int, end: int, stream: Stream, search: Search) -> tuple[Gap, Stream | None]:
    """The gap at ``at``, and the stream that starts where it ends, if any."""
    other = search.confirmed(at, SYNCHRONISED)
    if other is not None and other != stream:
        return Gap(at, at), other
    found = search.first(at + 1, end)
    if found is not None:
        return Gap(at, found[0]), found[1]
    return Gap(at, end, cut=_is_cut(data, at, end, stream), gave_up=search.spent), None


def _is_cut(data: Octets, at: int, end: int, stream: Stream) -> bool:
    """True if what is left from ``at`` is the beginning of a frame of ``stream``."""
    if end - at < HEADER:
        return bytes((0xFF, stream.second)).startswith(data[at : min(end, at + 2)])
    return same_stream(data, at, stream) and at + stream.lengths[data[at + 2]] > end

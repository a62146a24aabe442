"""mutagen as a second opinion: evidence in the details, never a reason.

It believes headers (a recording cut to 1 % keeps its length), and on hostile input it raises anything, loops or swells.
So it is called by type after the sniff, only its stream parser of MPEG, never for tags.
"""

from __future__ import annotations

from mutagen.mp3 import MPEGInfo

from archiver.audio.notes import Notes
from archiver.audio.octets import Octets, Reader

PARSERS = {"mp3": MPEGInfo}


def second_opinion(data: Octets, container: str, notes: Notes) -> None:
    """Put mutagen's length in seconds into ``details["mutagen"]``, or the name of what it raised."""
    parser = PARSERS.get(container)
    free_format = notes.details.get("stream", {}).get("mode") == "free"  # it would search all of it for another header
    if parser is None or free_format:
        return
    try:
        info = parser(Reader(data))
        notes.details["mutagen"] = {"length": round(float(info.length), 3), "bitrate": int(info.bitrate)}
    except Exception as problem:
        notes.details["mutagen"] = {"error": type(problem).__name__}

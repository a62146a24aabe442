"""From bytes to facts: sniff, the one matching walker, the digest of the bare audio, mutagen as a second opinion."""

from __future__ import annotations

from mmap import mmap
from typing import Protocol

from archiver.audio import adts, amr, flac, mp3, mp4, ogg, wav, webm
from archiver.audio.notes import Notes, Shape
from archiver.audio.octets import Octets, octets, sha256
from archiver.audio.opinion import second_opinion
from archiver.audio.sniff import Kind, sniff
from archiver.model import AudioFacts, Digest
from archiver.rules.verdict import Level


class Walker(Protocol):
    """Goes over every byte of one kind of container; ``full`` asks for checksums and content too."""

    def __call__(self, data: Octets, notes: Notes, *, full: bool) -> Shape: ...


WALKERS: dict[str, Walker] = {
    "mp3": mp3.probe,
    "wav": wav.probe,
    "ogg": ogg.probe,
    "mp4": mp4.probe,
    "adts": adts.probe,
    "amr": amr.probe,
    "amr-wb": amr.probe,
    "flac": flac.probe,
    "webm": webm.probe,
    "matroska": webm.probe,
}


def probe(
    data: bytes | bytearray | memoryview | mmap, *, level: Level = Level.FULL, whole: Digest | None = None
) -> AudioFacts:
    """The facts about ``data``, as far as ``level`` asks for them. Never raises, whatever the bytes.

    ``whole`` is the SHA-256 of all of it, if that is known: audio without tags is not hashed again.
    Time is linear in the size and memory bounded (a memory map is read in pieces); CPU only, so call it in a thread.
    """
    notes = Notes()
    size = len(data)
    try:
        held = octets(data)
        kind = sniff(held)
    except Exception as problem:  # a bug must cost one recording its grade, not the run
        notes.find("probe_failed", type(problem).__name__)
        return AudioFacts("unknown", "bin", "application/octet-stream", size, findings=notes.findings)
    if level is Level.TRANSPORT or kind.container not in WALKERS:
        return AudioFacts(kind.container, kind.extension, kind.mediatype, size)
    return _walked(held, kind, notes, full=level is Level.FULL, whole=whole)


def _walked(data: Octets, kind: Kind, notes: Notes, *, full: bool, whole: Digest | None) -> AudioFacts:
    shape, digest = Shape(), None
    try:
        shape = WALKERS[kind.container](data, notes, full=full)
        if full:
            if shape.audio is not None and shape.audio[1] > shape.audio[0]:
                digest = whole if whole and shape.audio == (0, len(data)) else sha256(data, *shape.audio)
            second_opinion(data, kind.container, notes)
    except Exception as problem:  # see above
        notes.find("probe_failed", type(problem).__name__)
    extension, mediatype = ("mp4", "video/mp4") if notes.details.get("video") else (kind.extension, kind.mediatype)
    return AudioFacts(
        kind.container,
        extension,
        mediatype,
        len(data),
        length=shape.length,
        frames=shape.frames,
        sample_rate=shape.sample_rate,
        channels=shape.channels,
        bitrate=shape.bitrate,
        findings=notes.findings,
        proofs=notes.proofs,
        audio_digest=digest,
        details=notes.details,
    )

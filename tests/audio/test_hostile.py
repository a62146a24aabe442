"""Hostile input: no exception, no hang, no swelling, whatever the bytes."""

from __future__ import annotations

import random
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from archiver.audio import probe
from archiver.model import Grade
from archiver.rules.verdict import Expectation, judge

from . import build


def compressed_frame(size: int) -> bytes:
    """An ID3v2.4 frame whose content inflates to ``size`` bytes of zeros."""
    body = struct.pack(">I", size & 0x7F) + zlib.compress(bytes(size), 9)
    return b"TXXX" + synchsafe(len(body)) + b"\x00\x09" + body


def synchsafe(size: int) -> bytes:
    return bytes((size >> 21 & 0x7F, size >> 14 & 0x7F, size >> 7 & 0x7F, size & 0x7F))


def id3(body: bytes) -> bytes:
    return b"ID3\x04\0\0" + synchsafe(len(body)) + body


def nested(depth: int) -> bytes:
    """``moov`` in ``moov`` in ``moov`` …"""
    body = b""
    for _ in range(depth):
        body = build.box(b"moov", body)
    return build.box(b"ftyp", b"M4A \0\0\0\0") + body


def flac_flood(size: int) -> bytes:
    """Headers that all say they are frame 0."""
    good = build.flac(1)
    frame = good[42:]
    return good[:42] + frame[:6] * (size // 6)


def crc_flood(size: int) -> bytes:
    """A Segment full of CRC-32 elements, each of which would cover all that follow."""
    return (
        build.webm(1)[:16]
        + b"\x18\x53\x80\x67\x01"
        + b"\xff" * 7
        + b"\x15\x49\xa9\x66\x01"
        + (size).to_bytes(7, "big")
        + b"\xbf\x84abcd" * (size // 6)
    )


def free_flood(size: int) -> bytes:
    """Free-format headers whose length has to be searched."""
    return b"\xff\xfb\x00\xc4" * (size // 4)


SIZE = 1 << 18
rng = random.Random(11)

HOSTILE: dict[str, Callable[[], bytes]] = {
    "a loop for Musepack SV8 parsers": lambda: b"MPCK" + b"XX\x00" + bytes(16),
    "Musepack SV7": lambda: b"MP+\x07" + bytes(19),
    "zlib bombs in ID3": lambda: id3(compressed_frame(20_000_000) * 6) + build.mp3(),
    "a huge picture in ID3": lambda: id3(b"APIC" + synchsafe(400_000) + b"\0\0" + bytes(400_000)) + build.mp3(),
    "a tag larger than the file": lambda: b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + build.mp3(),
    "tags in tags": lambda: id3(b"") * 5000 + build.mp3(),
    "trailing tags without end": lambda: build.mp3() + (b"TAG" + bytes(125)) * 5000,
    "nested moov": lambda: nested(5000),
    "many boxes": lambda: build.box(b"ftyp", b"M4A ") + build.box(b"free", b"") * 100_000,
    "box of no size": lambda: build.box(b"ftyp", b"M4A ") + b"\0\0\0\1moov" + bytes(8) + b"\xff" * 100,
    "four billion samples": lambda: build.m4a().replace(b"stsz" + bytes(8), b"stsz" + bytes(7) + b"\1"),
    "four billion ticks": lambda: build.m4a().replace(struct.pack(">II", 40, 1024), b"\xff" * 8),
    "sync words": lambda: b"\xff" * SIZE,
    "more sync words": lambda: b"\xff\xe3" * (SIZE // 2),
    "headers without frames": lambda: b"\xff\xe3\x28\xc4" * (SIZE // 4),
    "free format everywhere": lambda: free_flood(SIZE),
    "frames and junk in turn": lambda: (build.mp3(seconds=0.4) + b"\xff\xe3\x28junk") * 600,
    "OggS": lambda: b"OggS" * (SIZE // 4),
    "empty pages": lambda: build.ogg_page([], 0, 0) * 20_000,
    "FLAC headers": lambda: flac_flood(SIZE),
    "ADTS headers": lambda: build.adts(3) + b"\xff\xf1\x6c\x40" * (SIZE // 4),
    "AMR without data": lambda: b"#!AMR\n" + b"\x7c" * SIZE,
    "AMR junk": lambda: b"#!AMR\n" + b"\x3d" * SIZE,
    "EBML voids": lambda: build.webm(1) + b"\xec\x80" * (SIZE // 2),
    "EBML checksums": lambda: crc_flood(SIZE),
    "RIFF chunks": lambda: b"RIFF\0\0\0\0WAVE" + b"abcd\0\0\0\0" * (SIZE // 8),
    "a WAV of silence between spikes": lambda: build.pcm_wav((b"\xff\x7f" + bytes(600) + b"\xff\x7f") * 1700),
    "noise": lambda: rng.randbytes(SIZE),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_costs_little(name: str) -> None:
    data = HOSTILE[name]()
    tracemalloc.start()
    begun = time.process_time()
    facts = probe(data)
    spent = time.process_time() - begun
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert judge(facts, Expectation(4)).grade is not Grade.VERIFIED
    assert "probe_failed" not in {found.code for found in facts.findings}
    assert spent < 10  # tracing makes everything several times slower
    assert peak < 4 * 2**20 + 4 * len(data)
    assert sum(len(str(found)) for found in facts.findings) < 20_000


def test_a_bomb_in_a_tag_is_not_even_opened() -> None:
    data = HOSTILE["zlib bombs in ID3"]()
    begun = time.process_time()
    facts = probe(data)
    assert time.process_time() - begun < 0.5
    assert facts.length == pytest.approx(4.032)
    assert facts.findings == ()


def test_a_bug_costs_one_recording_its_grade_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    from archiver.audio import probing

    def broken(*_: object, **__: object) -> None:
        raise RecursionError

    monkeypatch.setitem(probing.WALKERS, "mp3", broken)  # type: ignore[arg-type]
    facts = probe(build.mp3())
    assert [str(found) for found in facts.findings] == ["probe_failed: RecursionError"]
    assert judge(facts, Expectation(4)).grade is Grade.REJECTED

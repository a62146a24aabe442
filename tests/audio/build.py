"""Small good files of every container, made byte by byte, so that the tests need no encoder."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable

from fastcrc import crc8, crc16, crc32

from archiver.sandbox.mp3 import Mp3Form, render

SECONDS = 4.0
HEADERED = Mp3Form(8_000, 16, vbr=True, info=True)
NAKED = Mp3Form(8_000, 16)


def mp3(form: Mp3Form = NAKED, seconds: float = SECONDS, seed: int = 1) -> bytes:
    """An MP3 of the sandbox."""
    return render(form, seconds, seed)


def reservoir_mp3(frames: int = 120, seed: int = 1) -> bytes:
    """MPEG-2.5 at 8 kHz, mono, 16 kbit/s: 144 bytes a frame, main data running over from frame to frame."""
    rng = random.Random(seed)
    out, kept = [], 0
    for _ in range(frames):
        room = kept + 144 - 4 - 9
        used = rng.randint(max(1, room - 200), room)
        side = (kept << 64 | 0 << 63 | used * 8 << 51).to_bytes(9, "big")
        out.append(b"\xff\xe3\x28\xc4" + side + rng.randbytes(131).replace(b"\xff", b"\x7f"))
        kept = room - used
    return b"".join(out)


def free_format_mp3(frames: int = 60, size: int = 200) -> bytes:
    """MPEG-1 at 44.1 kHz, mono, of a bitrate that no table has."""
    rng = random.Random(5)
    return b"".join(
        b"\xff\xfb\x00\xc4" + (800 << 106).to_bytes(17, "big") + rng.randbytes(size - 21).replace(b"\xff", b"\x7f")
        for _ in range(frames)
    )


def vbri_mp3(seconds: float = SECONDS) -> bytes:
    """A plain stream behind a frame with Fraunhofer's header."""
    naked = mp3(NAKED, seconds)
    frames = len(naked) // 144
    body = b"VBRI\0\1\0\0\0\x4b" + struct.pack(">II", 144 + len(naked), frames) + bytes(8)
    return (naked[:4] + bytes(32) + body).ljust(144, b"\0") + naked


def sound(size: int, seed: int = 1) -> bytes:
    """Bytes without the patterns that mean something."""
    return random.Random(seed).randbytes(size).replace(b"\0", b"\1")


def wav(
    tag: int = 7,
    body: bytes | None = None,
    *,
    rate: int = 8000,
    block: int = 1,
    bits: int = 8,
    byte_rate: int = 8000,
    extra: bytes = b"",
    fact: int | None = None,
    sizes: tuple[int, int] | None = None,
    magic: bytes = b"RIFF",
    before: bytes = b"",
) -> bytes:
    """A WAV of one channel; G.711 µ-law unless asked for something else."""
    body = sound(int(SECONDS * 8000)) if body is None else body
    fmt = struct.pack("<HHIIHH", tag, 1, rate, byte_rate, block, bits) + extra
    parts = before + b"fmt " + struct.pack("<I", len(fmt)) + fmt
    if fact is not None:
        parts += b"fact" + struct.pack("<II", 4, fact)
    whole = 4 + len(parts) + 8 + len(body) + (len(body) & 1)
    riff, data = sizes or (whole, len(body))
    return (
        magic
        + struct.pack("<I", riff)
        + b"WAVE"
        + parts
        + b"data"
        + struct.pack("<I", data)
        + body
        + b"\0" * (len(body) & 1)
    )


def gsm_wav(blocks: int = 100) -> bytes:
    """GSM 6.10: 65 bytes are 320 samples."""
    return wav(
        0x31, sound(65 * blocks), block=65, bits=0, byte_rate=1625, extra=struct.pack("<HH", 2, 320), fact=320 * blocks
    )


def ima_wav(blocks: int = 63) -> bytes:
    """IMA ADPCM: 256 bytes are 505 samples."""
    body = b"".join(b"\x10\x00\x05\x00" + sound(252, seed) for seed in range(blocks))
    return wav(0x11, body, block=256, bits=4, byte_rate=4055, extra=struct.pack("<HH", 2, 505), fact=505 * blocks)


def pcm_wav(body: bytes | None = None) -> bytes:
    """16 bits at 8 kHz."""
    body = sound(int(SECONDS * 16000)) if body is None else body
    return wav(1, body, block=2, bits=16, byte_rate=16000)


def ogg_page(body: Iterable[bytes], sequence: int, granule: int, flags: int = 0, serial: int = 7) -> bytes:
    """One page of whole packets."""
    packets = list(body)
    laces = b"".join(b"\xff" * (len(packet) // 255) + bytes((len(packet) % 255,)) for packet in packets)
    head = b"OggS\0" + struct.pack("<BQII", flags, granule, serial, sequence)
    tail = bytes((len(laces),)) + laces + b"".join(packets)
    crc = crc32.cksum(head + bytes(4) + tail) ^ 0xFFFFFFFF
    return head + struct.pack("<I", crc) + tail


def opus_ogg(pages: int = 20, serial: int = 7) -> bytes:
    """Ten packets of 20 ms a page."""
    head = b"OpusHead\1\1" + struct.pack("<HIhB", 312, 8000, 0, 0)
    out = [ogg_page([head], 0, 0, 2, serial), ogg_page([b"OpusTags" + bytes(8)], 1, 0, 0, serial)]
    for page in range(pages):
        packets = [b"\x08" + sound(40, page * 10 + each) for each in range(10)]
        out.append(ogg_page(packets, page + 2, 9600 * (page + 1), 4 * (page == pages - 1), serial))
    return b"".join(out)


def speex_ogg(pages: int = 20) -> bytes:
    """Ten packets of 160 samples a page."""
    head = (
        b"Speex   "
        + b"1.2".ljust(20, b"\0")
        + struct.pack("<iiiiiiiiiiiii", 1, 80, 8000, 0, 4, 1, -1, 160, 0, 1, 0, 0, 0)
    )
    out = [ogg_page([head], 0, 0, 2), ogg_page([bytes(8)], 1, 0)]
    for page in range(pages):
        packets = [sound(30, page * 10 + each) for each in range(10)]
        out.append(ogg_page(packets, page + 2, 1600 * (page + 1), 4 * (page == pages - 1)))
    return b"".join(out)


def vorbis_ogg(pages: int = 20) -> bytes:
    """Granules alone tell the time."""
    head = b"\x01vorbis" + struct.pack("<IBI", 0, 1, 8000) + bytes(13)
    out = [ogg_page([head], 0, 0, 2), ogg_page([b"\x03vorbis", b"\x05vorbis"], 1, 0)]
    out += [ogg_page([sound(300, page)], page + 2, 1600 * (page + 1), 4 * (page == pages - 1)) for page in range(pages)]
    return b"".join(out)


def box(name: bytes, body: bytes) -> bytes:
    """An ISO box."""
    return struct.pack(">I", 8 + len(body)) + name + body


def access_unit(seed: int, size: int = 120) -> bytes:
    """Something that begins and ends as an AAC access unit of one channel does."""
    return b"\x01" + sound(size - 2, seed) + b"\x07"


def m4a(count: int = 40) -> bytes:
    """AAC at 8 kHz, 1,024 ticks each, all in one chunk."""
    units = [access_unit(seed) for seed in range(count)]
    ftyp = box(b"ftyp", b"M4A \0\0\0\0")
    stsd = bytes(4) + struct.pack(">I", 1) + box(b"mp4a", bytes(16) + struct.pack(">HHIHH", 1, 16, 0, 8000, 0))
    tables = box(b"stsd", stsd) + box(b"stts", struct.pack(">IIII", 0, 1, count, 1024))
    tables += box(b"stsc", struct.pack(">IIIII", 0, 1, 1, count, 1))
    tables += box(b"stsz", struct.pack(">III", 0, 0, count) + b"".join(struct.pack(">I", len(unit)) for unit in units))
    tables += box(b"stco", struct.pack(">III", 0, 1, len(ftyp) + 8))
    mdhd = box(b"mdhd", struct.pack(">IIIIII", 0, 0, 0, 8000, 1024 * count, 0))
    hdlr = box(b"hdlr", struct.pack(">II", 0, 0) + b"soun" + bytes(13))
    trak = box(b"trak", box(b"mdia", mdhd + hdlr + box(b"minf", box(b"stbl", tables))))
    mvhd = box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, 128 * count) + bytes(80))
    return ftyp + box(b"mdat", b"".join(units)) + box(b"moov", mvhd + trak)


def adts(count: int = 40) -> bytes:
    """AAC at 8 kHz, one channel."""
    frames = []
    for seed in range(count):
        unit = access_unit(seed)
        size = len(unit) + 7
        head = bytes((0xFF, 0xF1, 0x40 | 11 << 2, 0x40 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F, 0xFC))
        frames.append(head + unit)
    return b"".join(frames)


def amr(count: int = 200) -> bytes:
    """12.2 kbit/s."""
    return b"#!AMR\n" + b"".join(b"\x3c" + sound(31, seed) for seed in range(count))


def awb(count: int = 200) -> bytes:
    """23.85 kbit/s."""
    return b"#!AMR-WB\n" + b"".join(b"\x44" + sound(60, seed) for seed in range(count))


def flac(count: int = 8) -> bytes:
    """Frames of 4,096 samples at 8 kHz, each of one constant."""
    info = (
        struct.pack(">HH", 4096, 4096) + bytes(6) + (8000 << 44 | 0 << 41 | 15 << 36 | 4096 * count).to_bytes(8, "big")
    )
    out = [b"fLaC\x80\0\0\x22" + info + bytes(16)]
    for number in range(count):
        head = bytes((0xFF, 0xF8, 0xC4, 0x08, number))
        frame = head + bytes((crc8.smbus(head),)) + b"\0" + struct.pack(">h", 100 + number)
        out.append(frame + struct.pack(">H", crc16.umts(frame)))
    return b"".join(out)


def element(name: int, body: bytes) -> bytes:
    """An EBML element with an eight-byte size."""
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + (1 << 56 | len(body)).to_bytes(8, "big") + body


def webm(clusters: int = 4) -> bytes:
    """Opus, fifty blocks of 20 ms a cluster."""
    head = element(0x1A45DFA3, element(0x4282, b"webm"))
    info = element(
        0x1549A966,
        element(0x2AD7B1, (1_000_000).to_bytes(3, "big")) + element(0x4489, struct.pack(">d", clusters * 1000)),
    )
    audio = element(0xE1, element(0xB5, struct.pack(">d", 48000)) + element(0x9F, b"\1"))
    tracks = element(0x1654AE6B, element(0xAE, element(0xD7, b"\1") + element(0x86, b"A_OPUS") + audio))
    body = b""
    for cluster in range(clusters):
        blocks = b"".join(
            element(0xA3, b"\x81" + struct.pack(">h", 20 * each) + b"\x80\x08" + sound(40, cluster * 50 + each))
            for each in range(50)
        )
        body += element(0x1F43B675, element(0xE7, (1000 * cluster).to_bytes(2, "big")) + blocks)
    return head + element(0x18538067, info + tracks + body)


GOOD: dict[str, tuple[bytes, float]] = {
    "mp3 plain": (mp3(), 4.032),
    "mp3 plain vbr": (mp3(Mp3Form(8_000, 16, vbr=True)), 4.032),
    "mp3 headed": (mp3(HEADERED), 4.0),
    "mp3 headed cbr": (mp3(Mp3Form(16_000, 32, info=True)), 4.0),
    "mp3 tagged": (mp3(Mp3Form(8_000, 16, info=True, vbr=True, id3v2=True, id3v1=True)), 4.0),
    "mp3 44.1 stereo": (mp3(Mp3Form(44_100, 64, channels=2)), 4.022857),
    "mp3 11.025 padded": (mp3(Mp3Form(11_025, 24)), 4.022857),
    "mp3 reservoir": (reservoir_mp3(), 8.64),
    "mp3 free format": (free_format_mp3(), 1.567347),
    "mp3 vbri": (vbri_mp3(), 4.032),
    "wav mu-law": (wav(), 4.0),
    "wav a-law": (wav(6), 4.0),
    "wav pcm": (pcm_wav(), 4.0),
    "wav gsm": (gsm_wav(), 4.0),
    "wav ima": (ima_wav(), 505 * 63 / 8000),
    "ogg opus": (opus_ogg(), 3.9935),
    "ogg speex": (speex_ogg(), 4.0),
    "ogg vorbis": (vorbis_ogg(), 4.0),
    "m4a": (m4a(), 5.12),
    "adts": (adts(), 5.12),
    "amr": (amr(), 4.0),
    "amr-wb": (awb(), 4.0),
    "flac": (flac(), 4.096),
    "webm": (webm(), 4.0),
}
"""Good files with their length in seconds."""

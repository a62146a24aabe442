"""Encoders: programs of the system and wheels of the index, whichever are there. Each makes bytes from a WAV."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one good file is made: a name that says it, the extension, and WAV bytes to its bytes."""

    name: str
    extension: str
    encode: Callable[[bytes], bytes]
    weight: int = 1
    """How many good files to make by it."""


def recipes() -> Iterator[Recipe]:
    """All recipes that can be cooked on this machine."""
    if shutil.which("lame"):
        yield from _lame()
    if importlib.util.find_spec("lameenc"):
        yield from _lameenc()
    if shutil.which("ffmpeg"):
        yield from _ffmpeg()
    elif importlib.util.find_spec("av"):
        yield from _av()
    if shutil.which("sox"):
        yield from _sox()
    if shutil.which("opusenc"):
        yield _program("opusenc", "opus", ["opusenc", "--quiet", "--bitrate", "16", "{in}", "{out}"], weight=2)
    if shutil.which("oggenc"):
        yield _program("oggenc", "ogg", ["oggenc", "-Q", "-q", "1", "-o", "{out}", "{in}"], weight=2)
    if shutil.which("speexenc"):
        yield _program("speexenc", "spx", ["speexenc", "{in}", "{out}"], weight=2)
    yield Recipe("python-wave", "wav", bytes, 2)


def _program(name: str, extension: str, command: list[str], weight: int = 1) -> Recipe:
    def encode(sound: bytes) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "in.wav"), Path(folder, f"out.{extension}")
            source.write_bytes(sound)
            filled = [part.replace("{in}", str(source)).replace("{out}", str(target)) for part in command]
            subprocess.run(filled, check=True, capture_output=True, timeout=TIMEOUT)  # noqa: S603 - our own tables
            return target.read_bytes()

    return Recipe(name, extension, encode, weight)


LAME = """
cbr8: -b 8
cbr16: -b 16
cbr24: -b 24
cbr32: -b 32
cbr64: -b 64 --resample 16
cbr32-11k: -b 32 --resample 11.025
cbr32-16k: -b 32 --resample 16
cbr48-22k: -b 48 --resample 22.05
cbr64-44k: -b 64 --resample 44.1
cbr128-48k: -b 128 --resample 48
abr16: --abr 16
abr40-16k: --abr 40 --resample 16
vbr2: -V 2
vbr5: -V 5
vbr9: -V 9
vbr4-16k: -V 4 --resample 16
vbr5-44k: -V 5 --resample 44.1
naked-cbr16: -t -b 16
naked-cbr32: -t -b 32
naked-cbr32-22k: -t -b 32 --resample 22.05
naked-vbr5: -t -V 5
naked-abr24: -t --abr 24
naked-vbr-44k: -t -V 6 --resample 44.1
protected: -p -b 32
protected-naked: -p -t -b 32
id3v2: -b 32 --tt call --ta agent --add-id3v2 --id3v2-only
id3v1: -b 24 --tt call --id3v1-only
id3-both-vbr: -V 6 --tt call --add-id3v2
free: --freeformat -b 40
no-reservoir: --nores -b 32
joint44: -m j -b 96 --resample 44.1
stereo32k: -m s -V 5 --resample 32
"""
FFMPEG = """
mp3-cbr16.mp3: -c:a libmp3lame -b:a 16k
mp3-cbr32.mp3: -c:a libmp3lame -b:a 32k
mp3-vbr.mp3: -c:a libmp3lame -q:a 6
mp3-noxing.mp3: -c:a libmp3lame -b:a 24k -write_xing 0
mp3-vbr-44k.mp3: -ar 44100 -c:a libmp3lame -q:a 4
mp3-id3v1.mp3: -c:a libmp3lame -b:a 16k -write_id3v1 1 -metadata title=x
aac.m4a: -c:a aac -b:a 24k
aac-fast.m4a: -c:a aac -b:a 32k -movflags +faststart
aac-frag.m4a: -c:a aac -b:a 32k -movflags +frag_keyframe+empty_moov
adts.aac: -c:a aac -b:a 24k
opus.ogg: -c:a libopus -b:a 16k
vorbis.ogg: -ar 16000 -c:a libvorbis -q:a 1
opus-webm.webm: -c:a libopus -b:a 16k
vorbis-webm.webm: -ar 16000 -c:a libvorbis
opus-mka.mka: -c:a libopus -b:a 16k
flac.flac: -c:a flac
flac-ogg.ogg: -c:a flac
pcm.wav: -c:a pcm_s16le
mulaw.wav: -c:a pcm_mulaw
alaw.wav: -c:a pcm_alaw
ima.wav: -c:a adpcm_ima_wav
msadpcm.wav: -c:a adpcm_ms
rf64.wav: -c:a pcm_s16le -rf64 always
"""
SOX = """
gsm.wav: -e gsm-full-rate
mulaw.wav: -e mu-law
alaw.wav: -e a-law
ima.wav: -e ima-adpcm
flac.flac:
vorbis.ogg:
mp3.mp3: -C 24
amr.amr: -c 1 -t amr-nb
awb.awb: -c 1 -r 16000 -t amr-wb
"""
"""Name and options of each; ``name.extension`` where the program makes several formats."""


def _lines(table: str) -> Iterator[tuple[str, list[str]]]:
    for line in table.strip().splitlines():
        name, _, options = line.partition(":")
        yield name, options.split()


def _lame() -> Iterator[Recipe]:
    for name, options in _lines(LAME):
        yield _program(f"lame-{name}", "mp3", ["lame", "--quiet", *options, "{in}", "{out}"], weight=2)
    yield Recipe("lame-apev2", "mp3", lambda sound: _lame_bytes(sound) + _ape())
    yield Recipe("lame-vbri", "mp3", lambda sound: _with_vbri(_lame_bytes(sound, "-t", "-V", "6")), 2)


def _lame_bytes(sound: bytes, *options: str) -> bytes:
    return _program("lame", "mp3", ["lame", "--quiet", *(options or ("-b", "16")), "{in}", "{out}"]).encode(sound)


def _ape() -> bytes:
    item = b"\x05\0\0\0\0\0\0\0Title\0hello"
    footer = b"APETAGEX" + (2000).to_bytes(4, "little") + (len(item) + 32).to_bytes(4, "little")
    return item + footer + (1).to_bytes(4, "little") + bytes(12)


def _with_vbri(naked: bytes) -> bytes:
    """``naked`` behind a frame as Fraunhofer's encoder writes it; there is no free encoder that does."""
    from archiver.audio.mpeg import stream_at  # noqa: PLC0415

    stream = stream_at(naked, 0)
    if stream is None:
        raise ValueError("not an MP3")
    count, at = 0, 0
    while at < len(naked):
        at += stream.lengths[naked[at + 2]]
        count += 1
    third = max(range(256), key=lambda value: stream.lengths[value] if value >> 4 == 8 and not value & 3 else 0)
    length = stream.lengths[third]
    head = naked[:2] + bytes((third,)) + naked[3:4] + bytes(32)
    body = b"VBRI\0\1\0\0\0\x4b" + (length + len(naked)).to_bytes(4, "big") + count.to_bytes(4, "big") + bytes(8)
    return (head + body).ljust(length, b"\0") + naked


def _lameenc() -> Iterator[Recipe]:
    for kbps, rate in ((16, 8000), (24, 16000), (32, 22050), (64, 44100)):
        yield Recipe(f"lameenc-{kbps}-{rate}", "mp3", partial(_by_lameenc, kbps=kbps, rate=rate), 3)


def _by_lameenc(sound: bytes, kbps: int, rate: int) -> bytes:
    lameenc: Any = importlib.import_module("lameenc")
    with wave.open(BytesIO(sound)) as file:
        channels, frames, given = file.getnchannels(), file.readframes(file.getnframes()), file.getframerate()
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(kbps)
    encoder.set_in_sample_rate(given)
    encoder.set_out_sample_rate(rate)
    encoder.set_channels(channels)
    encoder.set_quality(5)
    encoder.silence()
    return bytes(encoder.encode(frames) + encoder.flush())


def _ffmpeg() -> Iterator[Recipe]:
    for full, options in _lines(FFMPEG):
        name, _, extension = full.partition(".")
        command = ["ffmpeg", "-v", "error", "-y", "-i", "{in}", *options, "{out}"]
        yield _program(f"ffmpeg-{name}", extension, command, weight=2)
    pipe = ["sh", "-c", "ffmpeg -v error -i {in} -c:a pcm_mulaw -f wav - > {out}"]
    yield _program("ffmpeg-wav-pipe", "wav", pipe, weight=2)


def _sox() -> Iterator[Recipe]:
    for full, options in _lines(SOX):
        name, _, extension = full.partition(".")
        yield _program(f"sox-{name}", extension, ["sox", "{in}", *options, "{out}"], weight=2)
    yield _program("sox-wav-pipe", "wav", ["sh", "-c", "sox {in} -t wav - > {out}"])


AV = """
mp3-16.mp3: libmp3lame 16000 8000
mp3-32.mp3: libmp3lame 32000 16000
aac.m4a: aac 24000 16000
adts.aac: aac 24000 16000
opus.ogg: libopus 16000 48000
webm.webm: libopus 16000 48000
flac.flac: flac 0 8000
mulaw.wav: pcm_mulaw 0 8000
alaw.wav: pcm_alaw 0 8000
ima.wav: adpcm_ima_wav 0 8000
"""


def _av() -> Iterator[Recipe]:
    for full, (codec, bitrate, rate) in _lines(AV):
        name, _, extension = full.partition(".")
        encode = partial(_by_av, extension=extension, codec=codec, bitrate=int(bitrate), rate=int(rate))
        yield Recipe(f"av-{name}", extension, encode, 9)


def _by_av(sound: bytes, extension: str, codec: str, bitrate: int, rate: int) -> bytes:
    av: Any = importlib.import_module("av")
    names = {"m4a": "mp4", "aac": "adts"}
    target = BytesIO()
    with av.open(BytesIO(sound)) as source, av.open(target, "w", format=names.get(extension, extension)) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono" if source.streams.audio[0].channels == 1 else "stereo")
        if bitrate:
            stream.bit_rate = bitrate
        for frame in source.decode(audio=0):
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return target.getvalue()

"""Every class of damage, by the code of the finding it leaves."""

from __future__ import annotations

import base64
import gzip
import random
from collections.abc import Callable

import pytest

from archiver.audio import probe
from archiver.model import Grade, Verdict
from archiver.rules.verdict import Expectation, judge
from archiver.sandbox.mp3 import Mp3Form

from . import build

HEADED = build.mp3(build.HEADERED)
NAKED = build.mp3(seconds=8)
RESERVOIR = build.reservoir_mp3()


def verdict(data: bytes, duration: float = 4.0) -> Verdict:
    return judge(probe(data), Expectation(duration))


def codes(data: bytes, duration: float = 4.0) -> set[str]:
    return {reason.code for reason in verdict(data, duration).reasons}


NOT_AUDIO = {
    "empty": b"",
    "zeros": bytes(5000),
    "html": b"\n <!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
    "xml": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "json": b' {"status": "ERROR"}',
    "gzip": gzip.compress(HEADED),
    "base64": base64.encodebytes(HEADED),
    "text": b"Not Found",
    "tag": b"ID3\x04\0\0\0\0\x07\x76" + bytes(1014),
    "unknown": random.Random(4).randbytes(9000),
    "zip": b"PK\x03\x04" + bytes(60),
}


@pytest.mark.parametrize("kind", NOT_AUDIO)
def test_what_is_no_audio_is_rejected(kind: str) -> None:
    judged = verdict(NOT_AUDIO[kind])
    assert judged.grade is Grade.REJECTED
    assert judged.reasons[0].code == f"not_audio_{kind}"


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", [name for name in build.GOOD if name != "flac"])
def test_truncation_is_rejected(name: str, share: float) -> None:
    data, length = build.GOOD[name]
    judged = verdict(data[: int(len(data) * share) - 3], length)  # not between two frames
    assert judged.grade is Grade.REJECTED


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.99])
def test_truncation_of_a_headed_mp3_is_known_without_any_reference(share: float) -> None:
    data = HEADED[: int(len(HEADED) * share)]
    found = {each.code for each in probe(data).findings}
    assert found & {"frames_missing", "cut_frame", "no_frames"}


Change = Callable[[bytes], bytes]
HALF = len(HEADED) // 2

MP3_DAMAGE: dict[str, tuple[Change, str]] = {
    "a byte short": (lambda data: data[:-1], "cut_frame"),
    "head missing": (lambda data: data[777:], "leading_junk"),
    "hole removed": (lambda data: data[:2000] + data[3111:], "junk"),
    "hole zeroed": (lambda data: data[:2000] + bytes(1000) + data[3000:], "junk"),
    "tail zeroed": (lambda data: data[:4000] + bytes(len(data) - 4000), "trailing_zeros"),
    "whole frames zeroed": (lambda data: data[: 144 * 10] + bytes(144 * 5) + data[144 * 15 :], "hole"),
    "block twice": (lambda data: data[:3000] + data[2000:3000] + data[3000:], "junk"),
    "frames twice": (lambda data: data[: 144 * 50] + data[144 * 20 :], "repeated_audio"),
    "noise block": (lambda data: data[:2000] + random.Random(3).randbytes(900) + data[2900:], "junk"),
    "doubled": (lambda data: data + data, "repeated_audio"),
    "leading garbage": (lambda data: random.Random(3).randbytes(500) + data, "leading_junk"),
    "response header": (lambda data: b"HTTP/1.1 200 OK\r\n\r\n" + data, "leading_junk"),
    "trailing garbage": (lambda data: data + b"more", "trailing_junk"),
    "trailing zeros": (lambda data: data + bytes(512), "trailing_zeros"),
    "another format follows": (lambda data: data + build.mp3(Mp3Form(16_000, 32)), "stream_change"),
    "chunk framing": (lambda data: b"400\r\n" + data[:1024] + b"\r\n400\r\n" + data[1024:], "junk"),
    "a private bit": (lambda data: data[:146] + bytes((data[146] ^ 1,)) + data[147:], "header_bits_differ"),
    "an original bit": (lambda data: data[:147] + bytes((data[147] ^ 4,)) + data[148:], "header_bits_differ"),
}


@pytest.mark.parametrize("name", MP3_DAMAGE)
def test_damage_of_an_mp3_without_header(name: str) -> None:
    change, code = MP3_DAMAGE[name]
    judged = verdict(change(NAKED), 8)
    assert code in {reason.code for reason in judged.reasons}
    assert judged.grade in (Grade.SUSPECT, Grade.REJECTED)


@pytest.mark.parametrize("name", MP3_DAMAGE)
def test_damage_of_an_mp3_with_header_is_never_clean(name: str) -> None:
    change, _ = MP3_DAMAGE[name]
    data = change(build.mp3(Mp3Form(8_000, 24, vbr=True, info=True), 8))
    assert verdict(data, 8).grade in (Grade.SUSPECT, Grade.REJECTED)


def test_every_single_bit_flip_behind_a_lame_header_is_caught() -> None:
    rng = random.Random(9)
    start = 216  # behind the header's own frame
    for _ in range(200):
        changed = bytearray(HEADED)
        changed[rng.randrange(start, len(changed))] ^= 1 << rng.randrange(8)
        assert verdict(bytes(changed)).grade is Grade.REJECTED


def test_concatenation_shows_by_the_second_header() -> None:
    other = build.mp3(build.HEADERED, seed=2)
    assert "second_header" in codes(HEADED + other, 8)
    assert verdict(HEADED + other, 8).grade is Grade.REJECTED


def test_frames_taken_out_break_the_reservoir() -> None:
    removed = (RESERVOIR[: 144 * at] + RESERVOIR[144 * (at + 7) :] for at in range(10, 100))
    broken = sum("reservoir_broken" in codes(data, 8.64 - 0.5) for data in removed)
    assert broken >= 30  # it shows unless the frame behind the gap happens to need no more than is left over


def test_a_missing_head_shows_in_the_reservoir() -> None:
    cut = next(RESERVOIR[144 * at :] for at in range(1, 50) if RESERVOIR[144 * at + 4])
    assert "reservoir_head" in codes(cut, 8.5)


def test_an_altered_lame_header_is_suspect() -> None:
    at = HEADED.index(b"LAME") if b"LAME" in HEADED else HEADED.index(b"Xing") + 120
    changed = HEADED[: at + 11] + b"\x55\x55" + HEADED[at + 13 :]
    assert "header_crc_wrong" in codes(changed)


def test_digital_silence_is_flagged() -> None:
    frame = b"\xff\xe3\x28\xc4" + bytes(140)
    assert codes(frame * 100, 7.2) == {"digital_silence"}
    assert "digital_silence" in codes(build.wav(body=b"\xff" * 32000))
    assert "digital_silence" in codes(build.wav(6, body=b"\xd5" * 32000))
    assert "digital_silence" in codes(build.pcm_wav(bytes(64000)))


WAV_DAMAGE: dict[str, tuple[bytes, str]] = {
    "hole in mu-law": (build.wav(body=build.sound(9000) + bytes(500) + build.sound(22500)), "hole"),
    "hole in gsm": (build.gsm_wav()[:1000] + bytes(650) + build.gsm_wav()[1650:], "hole"),
    "hole in pcm": (build.pcm_wav(b"\x00\x40" * 16000 + bytes(3000) + b"\x00\x40" * 14500), "silent_gap"),
    "short": (build.wav()[:-100], "data_missing"),
    "longer": (build.wav() + build.sound(100), "trailing_junk"),
    "two": (build.wav() + build.wav(), "second_header"),
    "half a sample": (build.pcm_wav(build.sound(63999)), "cut_frame"),
    "no data": (build.wav()[:36], "header_broken"),
    "a wrong rate": (build.wav(rate=16000), "timing_differs"),
    "a wrong fact": (
        build.wav(0x31, build.sound(6500), block=65, bits=0, byte_rate=1625, fact=900000),
        "timing_differs",
    ),
    "no block": (build.wav(block=0), "header_broken"),
}


@pytest.mark.parametrize("name", WAV_DAMAGE)
def test_damage_of_a_wav(name: str) -> None:
    data, code = WAV_DAMAGE[name]
    judged = verdict(data)
    assert code in {reason.code for reason in judged.reasons}
    assert judged.grade in (Grade.SUSPECT, Grade.REJECTED)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 0x10,)) + data[at + 1 :]


OPUS = build.opus_ogg()
PAGE = len(OPUS) - OPUS.rindex(b"OggS")
THIRD = OPUS.index(b"OggS", 1000)
FLAC = build.flac()
ADTS = build.adts()
AMR = build.amr()
M4A = build.m4a()
WEBM = build.webm()
STCO = b"stco" + bytes(7) + b"\x01" + bytes(3)

OTHER_DAMAGE: dict[str, tuple[bytes, str]] = {
    "ogg: a bit": (flipped(OPUS, len(OPUS) // 2), "page_crc_wrong"),
    "ogg: a page lost": (OPUS[:THIRD] + OPUS[OPUS.index(b"OggS", THIRD + 4) :], "page_sequence"),
    "ogg: the last page lost": (OPUS[:-PAGE], "end_not_marked"),
    "ogg: cut": (OPUS[:-10], "cut_frame"),
    "ogg: junk": (OPUS[:-PAGE] + b"junk" + OPUS[-PAGE:], "junk"),
    "ogg: hole": (OPUS[:-PAGE] + bytes(300) + OPUS[-PAGE:], "hole"),
    "ogg: two": (OPUS + build.opus_ogg(serial=9), "second_header"),
    "ogg: head missing": (OPUS[THIRD:], "page_sequence"),
    "ogg: garbage behind": (OPUS + b"x" * 50, "trailing_junk"),
    "flac: a bit": (flipped(FLAC, len(FLAC) - 4), "cut_frame"),
    "flac: a bit in the middle": (flipped(FLAC, 42 + 11 * 3 + 8), "frame_crc_wrong"),
    "flac: a frame lost": (FLAC[: 42 + 11 * 3] + FLAC[42 + 11 * 4 :], "frames_missing"),
    "flac: cut": (FLAC[:-11], "frames_missing"),
    "adts: junk": (ADTS[: 127 * 5] + b"junk" + ADTS[127 * 5 :], "junk"),
    "adts: hole": (ADTS[: 127 * 5] + bytes(127 * 3) + ADTS[127 * 8 :], "hole"),
    "adts: a zeroed middle": (ADTS[: 127 * 5 + 10] + bytes(117) + ADTS[127 * 6 :], "frame_broken"),
    "adts: cut": (ADTS[:-1], "cut_frame"),
    "amr: junk": (AMR[: 6 + 32 * 9] + b"\xff\xff\xff" + AMR[6 + 32 * 9 :], "junk"),
    "amr: a block lost": (AMR[: 6 + 32 * 9 + 4] + AMR[6 + 32 * 12 + 9 :], "junk"),
    "amr: cut": (AMR[:-3], "cut_frame"),
    "amr: marked bad": (AMR[: 6 + 32 * 9] + b"\x38" + AMR[7 + 32 * 9 :], "frames_marked_bad"),
    "m4a: cut": (M4A[:-7], "data_missing"),
    "m4a: media cut": (M4A[:3000], "data_missing"),
    "m4a: a block lost": (M4A[:3000] + M4A[3500:], "data_missing"),
    "m4a: a hole": (M4A[:1000] + bytes(600) + M4A[1600:], "frame_broken"),
    "m4a: no moov": (M4A[: M4A.index(b"moov") - 4], "data_missing"),
    "m4a: the table points elsewhere": (M4A.replace(STCO, STCO[:-1] + b"\1"), "samples_outside"),
    "webm: cut": (WEBM[:-9], "data_missing"),
    "webm: a hole": (WEBM[:3000] + bytes(500) + WEBM[3500:], "hole"),
    "webm: garbage behind": (WEBM + b"\x01garbage", "trailing_junk"),
    "webm: two": (WEBM + WEBM, "second_header"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER_DAMAGE)
def test_damage_of_other_containers(name: str) -> None:
    data, code = OTHER_DAMAGE[name]
    judged = verdict(data)
    assert judged.grade in (Grade.SUSPECT, Grade.REJECTED)
    assert code in {finding.code for finding in probe(data).findings}

"""The audio is real MP3: every byte belongs to a frame, the headers tell the truth, the checksums hold."""

import io
import time
from itertools import pairwise
from typing import Any

import fastcrc
import pytest
from mutagen.mp3 import MPEGInfo

from archiver.sandbox.mp3 import PLAIN, Mp3Form, frame_count, render, seconds_for

FORMS = [
    PLAIN,
    Mp3Form(8_000, 16),
    Mp3Form(8_000, 8, info=True),
    Mp3Form(11_025, 24),
    Mp3Form(22_050, 32, channels=2, info=True),
    Mp3Form(24_000, 8, channels=2),
    Mp3Form(44_100, 64, info=True, id3v2=True, id3v1=True),
    Mp3Form(48_000, 96, channels=2),
    Mp3Form(vbr=True),
    Mp3Form(vbr=True, info=True),
]
# Written down once more, from the standard: the test must not believe the generator's tables.
RATES = {0b00: (11025, 12000, 8000), 0b10: (22050, 24000, 16000), 0b11: (44100, 48000, 32000)}
KBPS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def walk(data: bytes) -> list[bytes]:
    """Cut a stream into frames, and fail on anything that is none."""
    if data[:3] == b"ID3":
        size = data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]
        data = data[10 + size :]
    if data[-128:-125] == b"TAG":
        data = data[:-128]
    frames, at = [], 0
    while at < len(data):
        head = int.from_bytes(data[at : at + 4], "big")
        assert head >> 21 == 0x7FF, f"no frame at {at}"
        version = head >> 19 & 3
        assert head >> 17 & 3 == 1
        rate = RATES[version][head >> 10 & 3]
        kbps = KBPS[version == 3][head >> 12 & 15]
        samples = 1152 if version == 3 else 576
        length = samples // 8 * kbps * 1000 // rate + (head >> 9 & 1)
        frames.append(data[at : at + length])
        assert len(frames[-1]) == length, "last frame cut"
        at += length
    return frames


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_byte_belongs_to_a_frame(form: Mp3Form) -> None:
    frames = walk(render(form, 9.4, seed=3))
    assert len(frames) == frame_count(form, 9.4) + form.info
    played = frame_count(form, 9.4) * form.samples_per_frame / form.sample_rate
    assert 0 <= played - 9.4 < 0.3


@pytest.mark.parametrize("form", [form for form in FORMS if not form.vbr or form.info], ids=str)
def test_mutagen_agrees_on_the_length(form: Mp3Form) -> None:
    data = io.BytesIO(render(form, 47.3, seed=3))
    info: Any = MPEGInfo(data, offset=None)
    assert info.length == pytest.approx(47.3, abs=0.0005 if form.info else 0.08)
    assert (info.sample_rate, info.channels) == (form.sample_rate, form.channels)


@pytest.mark.parametrize("form", [form for form in FORMS if form.info], ids=str)
def test_the_info_frame_counts_and_checksums_are_true(form: Mp3Form) -> None:
    head, *frames = walk(render(form, 20, seed=8))
    at = 4 + form.side_info_bytes
    assert head[at : at + 4] == (b"Xing" if form.vbr else b"Info")
    assert int.from_bytes(head[at + 8 : at + 12], "big") == len(frames)
    music = b"".join(frames)
    assert int.from_bytes(head[at + 12 : at + 16], "big") == len(head) + len(music)
    lame = head[at + 120 :]
    assert lame.startswith(b"LAME")
    assert int.from_bytes(lame[28:32], "big") == len(head) + len(music)
    assert int.from_bytes(lame[32:34], "big") == fastcrc.crc16.arc(music)
    assert int.from_bytes(lame[34:36], "big") == fastcrc.crc16.arc(head[: at + 154])


def test_nothing_inside_a_frame_looks_like_another() -> None:
    data = render(PLAIN, 60, seed=1)
    syncs = [i for i, (a, b) in enumerate(pairwise(data)) if a == 0xFF and b >= 0xE0]
    assert syncs == list(range(0, len(data), 144))


def test_frames_carry_sound_and_need_no_reservoir() -> None:
    for frame in walk(render(PLAIN, 5, seed=1)):
        side = int.from_bytes(frame[4:13], "big")
        assert side >> 64 == 0  # main_data_begin
        assert 100 < side >> 51 & 0xFFF <= 131 * 8  # part2_3_length
        assert side >> 42 & 0x1FF == 0  # big_values


def test_another_seed_is_another_recording_and_none_repeats_itself() -> None:
    first, again, other = (render(PLAIN, 60, seed) for seed in (1, 1, 2))
    assert first == again != other
    frames = walk(first)
    stretches = [b"".join(frames[i : i + 8]) for i in range(len(frames) - 8)]
    assert len(set(stretches)) == len(stretches)


def test_variable_rate_takes_fewer_bits_for_pauses() -> None:
    lengths = {len(frame) for frame in walk(render(Mp3Form(vbr=True), 30, seed=1))}
    assert len(lengths) > 3
    assert max(lengths) == 144


def test_two_megabytes_take_milliseconds() -> None:
    render(PLAIN, 1, seed=1)
    began = time.process_time()
    data = render(PLAIN, seconds_for(PLAIN, 2_000_000), seed=5)
    assert abs(len(data) - 2_000_000) < 150
    assert time.process_time() - began < 0.25, "of processor time; 20 ms are usual"


def test_impossible_forms_are_refused() -> None:
    with pytest.raises(ValueError, match="sampling rate"):
        Mp3Form(9_000)
    with pytest.raises(ValueError, match="bitrate"):
        Mp3Form(16_000, 320)
    with pytest.raises(ValueError, match="channel"):
        Mp3Form(channels=3)

"""Thousands of frames are read at once: each test reads them one by one, and wants the same."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from fastcrc import crc16

from archiver.audio import probe
from archiver.audio.frames import walk
from archiver.audio.mpeg import Stream, stream_at
from archiver.audio.repetition import longest_copy
from archiver.audio.reservoir import side_info
from archiver.audio.runs import LOOKED_AT, RUN, Run
from archiver.sandbox.mp3 import Mp3Form, render

from . import build

CHANGING = {
    "variable bitrate": Mp3Form(16_000, 32, vbr=True),
    "padded": Mp3Form(22_050, 32),
    "stereo": Mp3Form(44_100, 128, channels=2),
    "short frames": Mp3Form(24_000, 32, vbr=True),
}
LAYOUTS = {
    "MPEG-1 mono": b"\xff\xfb\x90\xc4",
    "MPEG-1 stereo": b"\xff\xfb\x90\x04",
    "MPEG-1 stereo, protected": b"\xff\xfa\x90\x04",
    "MPEG-2.5 mono": b"\xff\xe3\x48\xc4",
    "MPEG-2 stereo": b"\xff\xf3\x48\x04",
}


def one_by_one(data: bytes, at: int, end: int, stream: Stream) -> list[int]:
    """Where frames of ``stream`` start that join up from ``at``."""
    starts: list[int] = []
    while len(starts) < RUN and end - at >= 4 and data[at] == 0xFF and data[at + 1] == stream.second:
        length = stream.lengths[data[at + 2]]
        if not length or at + length > end:
            break
        starts.append(at)
        at += length
    return starts


def runs(data: bytes, end: int | None = None) -> Iterator[Run]:
    stream = stream_at(data, 0)
    assert stream is not None
    return (part for part in walk(data, 0, len(data) if end is None else end, stream) if isinstance(part, Run))


@pytest.mark.parametrize("form", CHANGING.values(), ids=CHANGING.keys())
@pytest.mark.parametrize("behind", [0, 3, 200])
def test_frames_of_changing_length_lie_where_each_header_says(form: Mp3Form, behind: int) -> None:
    rng = random.Random(behind)
    for _ in range(12):
        data = bytearray(render(form, rng.uniform(0.2, 20), rng.getrandbits(30)))
        for _ in range(rng.randrange(4)):
            place = rng.randrange(400, len(data)) if len(data) > 400 else 0
            data[place : place + rng.randrange(3)] = rng.randbytes(rng.randrange(60))
        whole = bytes(data)
        for run in runs(whole, len(whole) - behind):
            starts = one_by_one(whole, run.start, len(whole) - behind, run.stream)
            assert list(run.starts) == starts[: run.count]
            # A run of frames of one length ends where another length begins.
            assert run.count == len(starts) or len(run.third_values) == 1
            for offset in (0, 3, LOOKED_AT - 1):
                assert (
                    run.column(offset)
                    == bytes(whole[at + offset] if at + offset < len(whole) else 0 for at in starts)[: run.count]
                )


def test_a_run_holds_so_many_frames_and_the_next_goes_on() -> None:
    data = build.mp3(Mp3Form(24_000, 16, vbr=True), (RUN + 1000) * 0.024)
    first, second = runs(data)
    assert first.count == RUN
    assert list(first.starts) == one_by_one(data, 0, len(data), first.stream)
    assert (second.start, second.end) == (first.end, len(data))


def number(side: bytes, bit: int, width: int) -> int:
    return int.from_bytes(side, "big") >> len(side) * 8 - bit - width & (1 << width) - 1


@pytest.mark.parametrize("header", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_side_information_is_what_its_bits_say(header: bytes) -> None:
    stream = stream_at(header, 0)
    assert stream is not None
    first, lead, step = (9, {1: 9, 2: 11}, 59) if stream.version == "1" else (8, {1: 1, 2: 2}, 63)
    parts = stream.channels * (2 if stream.version == "1" else 1)
    rng = random.Random(stream.second)
    length = stream.lengths[header[2]]
    for count in (1, 2, 3, 50, 400):
        sides = [rng.choice((rng.randbytes(stream.side_info), bytes(stream.side_info))) for _ in range(count)]
        check = b"\0\0" if stream.protected else b""
        data = b"".join((header + check + side).ljust(length, b"\x55") for side in sides)
        run = next(runs(data))
        begins = [number(side, 0, first) for side in sides]
        bits = [
            sum(number(side, first + lead[stream.channels] + step * part, 12) for part in range(parts))
            for side in sides
        ]
        left = [begin + length - stream.overhead - -(-used // 8) for begin, used in zip(begins, bits, strict=True)]
        broken = [place for place in range(count - 1) if left[place] < begins[place + 1]] + [count - 1] * (left[-1] < 0)
        said = side_info(run)
        assert said.silent == bits.count(0)
        assert (said.back_reference, said.left) == (begins[0], left[-1])
        assert (said.breaks, said.broken) == (len(broken), tuple(broken[:8]))


@pytest.mark.parametrize("header", [b"\xff\xfa\x90\x04", b"\xff\xe2\x48\xc4"], ids=["MPEG-1 stereo", "MPEG-2.5 mono"])
@pytest.mark.parametrize("wrong", [0, 1, 20])
def test_the_crc_of_each_frame_is_made_of_its_header_and_side_information(header: bytes, wrong: int) -> None:
    stream = stream_at(header, 0)
    assert stream is not None
    rng = random.Random(wrong)
    length = stream.lengths[header[2]]
    frames = []
    for number in range(60):
        side = bytes(9) + rng.randbytes(stream.side_info - 9)
        stated = crc16.cms(header[2:] + side, 0xFFFF) ^ (1 << rng.randrange(16) if number < wrong else 0)
        frames.append((header + stated.to_bytes(2, "big") + side).ljust(length, b"\x55"))
    facts = probe(b"".join(frames))
    told = [(found.code, found.detail) for found in (*facts.proofs, *facts.findings) if "crc" in found.code]
    assert told == ([("frame_crc_wrong", f"{wrong} of 60 frames")] if wrong else [("frame_header_crc", "60 frames")])


@pytest.mark.parametrize("behind", range(8, 14))
@pytest.mark.parametrize("start", range(3))
def test_six_frames_that_occur_twice_are_found_wherever_they_lie(start: int, behind: int) -> None:
    rng = random.Random(start)
    header, side = b"\xff\xe3\x28\xc4", (800 << 51).to_bytes(9, "big")
    frames = [header + side + rng.randbytes(131).replace(b"\xff", b"\x7f") for _ in range(40)]
    for length, found in ((5, []), (6, [f"6 frames are the same at bytes {144 * start} and {144 * (start + behind)}"])):
        copied = list(frames)
        copied[start + behind : start + behind + length] = frames[start : start + length]
        facts = probe(b"".join(copied))
        assert [finding.detail for finding in facts.findings if finding.code == "repeated_audio"] == found


def test_a_copy_is_found_among_silence_and_tones_and_they_are_none() -> None:
    rng = random.Random(7)
    header, side = b"\xff\xe3\x28\xc4", (800 << 51).to_bytes(9, "big")
    frames = [header + side + bytes((key,)) * 131 for key in range(128)]
    found = 0
    for _ in range(400):
        keys: list[int] = []
        while len(keys) < 60:
            tone = [rng.randrange(128) for _ in range(rng.choice((1, 1, 2, 3, 4)))]
            keys += tone * rng.choice((1, 1, 2, 5)) if rng.random() < 0.5 else rng.sample(range(128), 4)
            if rng.random() < 0.1:
                start = rng.randrange(len(keys))
                keys += keys[start : start + rng.choice((5, 6, 7))]
        start, again, length = longest_copy(keys)
        facts = probe(b"".join(frames[key] for key in keys))
        told = [finding.detail for finding in facts.findings if finding.code == "repeated_audio"]
        assert told == (
            [f"{length} frames are the same at bytes {144 * start} and {144 * again}"] if length >= 6 else []
        )
        found += len(told)
    assert 20 < found < 380

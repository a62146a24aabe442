"""Good files of every container: known for what they are, measured right, nothing to say against them."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest

from archiver.audio import probe
from archiver.model import Grade
from archiver.rules.verdict import Expectation, Level, judge

from . import build

PROVED = {"mp3 headed", "mp3 headed cbr", "mp3 tagged", "ogg opus", "ogg speex", "ogg vorbis", "flac"}


@pytest.mark.parametrize("name", build.GOOD)
def test_a_good_file_is_known_and_measured(name: str) -> None:
    data, length = build.GOOD[name]
    facts = probe(data)
    verdict = judge(facts, Expectation(duration=round(length)))
    assert facts.findings == ()
    assert facts.length == pytest.approx(length, abs=0.001)
    assert verdict.grade is (Grade.VERIFIED if name in PROVED else Grade.CONSISTENT)
    assert facts.sample_rate is not None
    assert facts.channels in (1, 2)
    assert facts.bitrate is not None
    assert facts.size == len(data)
    assert facts.audio_digest is not None


@pytest.mark.parametrize("name", build.GOOD)
def test_every_kind_of_buffer_gives_the_same_facts(name: str, tmp_path: Path) -> None:
    data, _ = build.GOOD[name]
    facts = probe(data)
    assert probe(bytearray(data)) == facts
    assert probe(memoryview(data)) == facts
    path = tmp_path / "audio"
    path.write_bytes(data)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert probe(mapped) == facts


@pytest.mark.parametrize("name", build.GOOD)
def test_the_levels_include_each_other(name: str) -> None:
    data, length = build.GOOD[name]
    transport, structure, full = (probe(data, level=level) for level in Level)
    assert transport.container == structure.container == full.container
    assert transport.length is None
    assert structure.length == full.length
    assert structure.audio_digest is None
    expectation = Expectation(duration=length, level=Level.TRANSPORT)
    assert judge(transport, expectation).grade is Grade.CONSISTENT


@pytest.mark.parametrize(
    ("name", "extension", "mediatype"),
    [
        ("mp3 plain", "mp3", "audio/mpeg"),
        ("wav mu-law", "wav", "audio/wav"),
        ("ogg opus", "ogg", "audio/ogg"),
        ("m4a", "m4a", "audio/mp4"),
        ("adts", "aac", "audio/aac"),
        ("amr", "amr", "audio/AMR"),
        ("amr-wb", "awb", "audio/AMR-WB"),
        ("flac", "flac", "audio/flac"),
        ("webm", "webm", "audio/webm"),
    ],
)
def test_the_bytes_decide_the_extension(name: str, extension: str, mediatype: str) -> None:
    facts = probe(build.GOOD[name][0])
    assert (facts.extension, facts.mediatype) == (extension, mediatype)


def test_streaming_wav_sizes_are_understood() -> None:
    for sizes in ((0, 0), (0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFFFFF, 0x7FFFFFDB)):
        facts = probe(build.wav(sizes=sizes))
        assert facts.length == pytest.approx(4.0)
        assert judge(facts, Expectation(4)).grade is Grade.CONSISTENT
        assert [found.code for found in facts.findings] == ["sizes_unset"]


def test_rf64_takes_its_size_from_ds64() -> None:
    body = build.sound(32000)
    ds64 = b"ds64" + (28).to_bytes(4, "little") + bytes(8) + len(body).to_bytes(8, "little") + bytes(12)
    facts = probe(build.wav(body=body, magic=b"RF64", before=ds64, sizes=(0xFFFFFFFF, 0xFFFFFFFF)))
    assert (facts.length, facts.findings) == (4.0, ())


def test_an_mp3_in_a_wav_is_walked() -> None:
    facts = probe(build.wav(0x55, build.mp3(build.HEADERED), block=1, bits=0, byte_rate=2000))
    assert facts.container == "wav"
    assert facts.length == pytest.approx(4.0)
    assert "music_crc" in [proof.code for proof in facts.proofs]


def test_tags_do_not_change_the_audio_digest() -> None:
    plain = build.mp3()
    tagged = b"ID3\x04\0\0\0\0\x02\0" + bytes(256) + plain + b"TAG" + bytes(125)
    assert probe(plain).audio_digest == probe(tagged).audio_digest


def test_mutagen_is_evidence_only() -> None:
    data = build.mp3(build.HEADERED)
    facts = probe(data[: len(data) // 2])
    assert facts.details["mutagen"]["length"] == pytest.approx(4.0, abs=0.1)  # it believes the header
    assert facts.length is not None
    assert facts.length < 3


def test_a_wav_whose_writer_forgot_a_pad_byte_is_read() -> None:
    facts = probe(build.wav(before=b"LIST\x05\0\0\0INFO?"))
    assert (facts.length, facts.findings) == (4.0, ())


def test_a_header_without_any_checksum_is_no_altered_header() -> None:
    data = build.mp3(build.HEADERED)
    at = data.index(b"Xing") + 120 + 32
    facts = probe(data[:at] + bytes(4) + data[at + 4 :])
    assert judge(facts, Expectation(4)).grade is Grade.CONSISTENT
    assert facts.findings == ()


def test_a_byte_count_that_differs_alone_is_flagged_only() -> None:
    data = build.vbri_mp3()
    at = data.index(b"VBRI") + 10
    judged = judge(probe(data[:at] + (99_999).to_bytes(4, "big") + data[at + 4 :]), Expectation(4))
    assert judged.grade is Grade.SUSPECT
    assert [reason.code for reason in judged.reasons] == ["size_differs"]


def test_an_mp4_with_pictures_is_named_so() -> None:
    movie = build.m4a()
    video = build.box(b"trak", build.box(b"mdia", build.box(b"hdlr", bytes(8) + b"vide" + bytes(13))))
    at = movie.index(b"moov") - 4
    size = int.from_bytes(movie[at : at + 4], "big") + len(video)
    facts = probe(movie[:at] + size.to_bytes(4, "big") + movie[at + 4 :] + video)
    assert (facts.extension, facts.mediatype, facts.findings) == ("mp4", "video/mp4", ())


def test_fragments_are_walked() -> None:
    head = build.m4a(0)
    units = [build.access_unit(seed) for seed in range(30)]
    tfhd = build.box(b"tfhd", (0x020008).to_bytes(4, "big") + (1).to_bytes(4, "big") + (1024).to_bytes(4, "big"))
    sizes = b"".join(len(unit).to_bytes(4, "big") for unit in units)
    offset = 8 + 8 + len(tfhd) + 8 + 12 + len(sizes) + 8
    trun = build.box(b"trun", (0x201).to_bytes(4, "big") + (30).to_bytes(4, "big") + offset.to_bytes(4, "big") + sizes)
    moof = build.box(b"moof", build.box(b"traf", tfhd + trun))
    fragment = moof + build.box(b"mdat", b"".join(units))
    facts = probe(head + fragment)
    assert (facts.length, facts.frames, facts.findings) == (3.84, 30, ())
    holed = fragment[:1000] + bytes(500) + fragment[1500:]
    assert "frame_broken" in [found.code for found in probe(head + holed).findings]

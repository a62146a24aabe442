"""Facts and expectation in, grade and reasons out."""

from __future__ import annotations

import pytest

from archiver.model import AudioFacts, Completeness, Digest, Finding, Grade, TransferFacts
from archiver.rules.verdict import EVIDENCE, NOT_AUDIO, PROVES, REJECTS, WARNS, Expectation, Level, judge


def facts(
    length: float | None = 93.0, *, found: tuple[str, ...] = (), proved: tuple[str, ...] = (), container: str = "mp3"
) -> AudioFacts:
    findings = tuple(Finding(code) for code in found)
    proofs = tuple(Finding(code) for code in proved)
    return AudioFacts(container, "mp3", "audio/mpeg", 1000, length, findings=findings, proofs=proofs)


def transfer(
    *, received: int = 1000, announced: int | None = 1000, how: Completeness = Completeness.LENGTH, md5: str = ""
) -> TransferFacts:
    digests = (Digest("md5", md5),) if md5 else ()
    return TransferFacts(received, announced, how, "audio/mpeg", digests)


def codes(verdict_reasons: tuple[Finding, ...]) -> list[str]:
    return [reason.code for reason in verdict_reasons]


def test_clean_and_proved_is_verified() -> None:
    judged = judge(facts(proved=("music_crc", "reservoir")), Expectation(93))
    assert (judged.grade, codes(judged.reasons), judged.delta) == (Grade.VERIFIED, ["music_crc"], 0.0)


def test_clean_and_unproved_is_consistent() -> None:
    judged = judge(facts(proved=("reservoir", "frame_count")), Expectation(93))
    assert (judged.grade, judged.reasons) == (Grade.CONSISTENT, ())


def test_a_digest_of_the_origin_proves() -> None:
    judged = judge(facts(), Expectation(93), transfer(md5="00" * 16))
    assert judged.grade is Grade.VERIFIED
    assert codes(judged.reasons) == ["origin_digest"]


@pytest.mark.parametrize("delta", [-1.1, -1.0, 0.0, 0.206, 1.0, 1.5])
def test_whole_seconds_may_be_floored_rounded_or_ceiled(delta: float) -> None:
    judged = judge(facts(93 + delta), Expectation(93))
    assert judged.grade is Grade.CONSISTENT
    assert judged.delta == pytest.approx(delta)


def test_the_difference_is_told_in_milliseconds() -> None:
    assert judge(facts(93.12345), Expectation(93)).delta == 0.123


def test_half_a_second_is_audio() -> None:
    assert judge(facts(0.5), Expectation(1)).grade is Grade.CONSISTENT
    assert codes(judge(facts(0.0), Expectation(1)).reasons) == ["no_audio"]


def test_short_is_rejected_however_long_the_recording() -> None:
    judged = judge(facts(3600 - 1.2), Expectation(3600))  # a percentage would let it pass
    assert (judged.grade, codes(judged.reasons)) == (Grade.REJECTED, ["too_short"])


def test_long_is_archived_and_flagged() -> None:
    judged = judge(facts(95), Expectation(93))
    assert (judged.grade, codes(judged.reasons), judged.accepted) == (Grade.SUSPECT, ["too_long"], True)


def test_long_under_a_shared_link_is_the_other_recording() -> None:
    judged = judge(facts(95), Expectation(93, link_shared=True))
    assert (judged.grade, codes(judged.reasons)) == (Grade.REJECTED, ["too_long_shared_link"])


def test_a_shared_link_alone_says_nothing() -> None:
    assert judge(facts(), Expectation(93, link_shared=True)).grade is Grade.CONSISTENT


@pytest.mark.parametrize("duration", [None, 0.0])
def test_no_reference_is_never_a_pass(duration: float | None) -> None:
    judged = judge(facts(proved=("music_crc",)), Expectation(duration))
    assert (judged.grade, judged.delta) == (Grade.SUSPECT, None)
    assert judged.reasons[0].code == "no_reference"


def test_a_person_may_ask_without_a_reference() -> None:
    assert judge(facts(), Expectation(None, reference_needed=False)).grade is Grade.CONSISTENT


def test_the_tolerance_can_be_set() -> None:
    assert judge(facts(90), Expectation(93, tolerance=(-5, 5))).grade is Grade.CONSISTENT
    assert judge(facts(93.2), Expectation(93, tolerance=(-0.1, 0.1))).grade is Grade.SUSPECT


@pytest.mark.parametrize("container", NOT_AUDIO)
def test_what_is_no_audio_is_rejected(container: str) -> None:
    judged = judge(facts(None, container=container), Expectation(93))
    assert judged.grade is Grade.REJECTED
    assert judged.reasons[0].code == f"not_audio_{container}"


@pytest.mark.parametrize("code", sorted(REJECTS))
def test_rejecting_findings_reject(code: str) -> None:
    judged = judge(facts(found=("trailing_junk", code), proved=("music_crc",)), Expectation(93))
    assert judged.grade is Grade.REJECTED
    assert judged.reasons[0].code == code


@pytest.mark.parametrize("code", sorted(WARNS))
def test_warning_findings_flag(code: str) -> None:
    judged = judge(facts(found=(code,)), Expectation(93))
    assert (judged.grade, codes(judged.reasons)) == (Grade.SUSPECT, [code])


def test_other_findings_are_evidence() -> None:
    assert judge(facts(found=tuple(EVIDENCE)), Expectation(93)).grade is Grade.CONSISTENT


def test_the_tables_do_not_overlap() -> None:
    tables = (REJECTS, WARNS, EVIDENCE, PROVES)
    assert len(frozenset().union(*tables)) == sum(map(len, tables))


def test_a_body_ended_by_the_connection_alone_is_flagged() -> None:
    judged = judge(facts(), Expectation(93), transfer(announced=None, how=Completeness.CLOSE))
    assert (judged.grade, codes(judged.reasons)) == (Grade.SUSPECT, ["completeness_unproven"])


def test_a_checksum_inside_proves_such_a_body_whole() -> None:
    judged = judge(facts(proved=("music_crc",)), Expectation(93), transfer(announced=None, how=Completeness.CLOSE))
    assert judged.grade is Grade.VERIFIED


@pytest.mark.parametrize("sizes", [(999, 1000), (1000, 999)])
def test_byte_counts_that_differ_reject(sizes: tuple[int, int]) -> None:
    received, announced = sizes
    assert judge(facts(), Expectation(93), transfer(received=received, announced=announced)).grade is Grade.REJECTED


def test_an_unmeasurable_length_is_flagged() -> None:
    judged = judge(facts(None, container="aiff"), Expectation(93))
    assert (judged.grade, codes(judged.reasons)) == (Grade.SUSPECT, ["no_length"])


def test_a_length_of_zero_is_rejected() -> None:
    assert codes(judge(facts(0.0), Expectation(93)).reasons) == ["no_audio"]


def test_the_transport_level_asks_for_no_length() -> None:
    assert judge(facts(None), Expectation(93, level=Level.TRANSPORT)).grade is Grade.CONSISTENT
    assert judge(facts(None, container="html"), Expectation(93, level=Level.TRANSPORT)).grade is Grade.REJECTED


@pytest.mark.parametrize(("extension", "flagged"), [("mp3", False), ("mpga", False), ("wav", True), (None, False)])
def test_a_file_named_otherwise_is_flagged(extension: str | None, flagged: bool) -> None:
    judged = judge(facts(), Expectation(93, extension=extension))
    assert (judged.grade is Grade.SUSPECT) == flagged


def test_the_same_facts_give_the_same_verdict() -> None:
    one = judge(facts(found=("junk",)), Expectation(93))
    assert one == judge(facts(found=("junk",)), Expectation(93))


@pytest.mark.parametrize(
    ("probed", "expected", "moved", "grade", "said", "delta"),
    [
        (
            facts(),
            Expectation(93, same_audio_as=("a", "b")),
            transfer(md5="00"),
            Grade.SUSPECT,
            ["same_audio: also archived as a, b", "origin_digest: md5:00"],
            0.0,
        ),
        (
            facts(92.0),
            Expectation(93),
            transfer(received=999),
            Grade.REJECTED,
            [
                "length_differs: 999 bytes arrived, 1000 were announced",
                "size_probed_differs: 1000 bytes probed, 999 arrived",
            ],
            -1.0,
        ),
        (
            facts(),
            Expectation(93),
            TransferFacts(1000, 1000, Completeness.LENGTH, None, etag_differs=True),
            Grade.SUSPECT,
            ["etag_differs: the origin's ETag looks like an MD5 and is not that of the bytes"],
            0.0,
        ),
        (
            facts(),
            Expectation(93),
            transfer(announced=None, how=Completeness.CLOSE),
            Grade.SUSPECT,
            ["completeness_unproven: only the closing connection ended the body"],
            0.0,
        ),
        (
            facts(None),
            Expectation(93),
            None,
            Grade.SUSPECT,
            ["no_length: the length of mp3 cannot be told"],
            None,
        ),
        (facts(0.0), Expectation(93), None, Grade.REJECTED, ["no_audio: a length of zero"], -93.0),
        (
            facts(),
            Expectation(None),
            None,
            Grade.SUSPECT,
            ["no_reference: no reported duration to hold the length against"],
            None,
        ),
        (
            facts(90.0),
            Expectation(93),
            None,
            Grade.REJECTED,
            ["too_short: 90.000 s of audio, 93 s reported"],
            -3.0,
        ),
        (
            facts(95.0),
            Expectation(93),
            None,
            Grade.SUSPECT,
            ["too_long: 95.000 s of audio, 93 s reported"],
            2.0,
        ),
        (
            facts(95.0),
            Expectation(93, link_shared=True),
            None,
            Grade.REJECTED,
            ["too_long_shared_link: 95.000 s of audio, 93 s reported; its link is also another recording's"],
            2.0,
        ),
        (
            facts(),
            Expectation(93, extension="wav"),
            None,
            Grade.SUSPECT,
            ["extension_differs: named .wav, is .mp3"],
            0.0,
        ),
        (
            facts(container="html"),
            Expectation(93),
            None,
            Grade.REJECTED,
            ["not_audio_html: a web page in place of audio"],
            0.0,
        ),
    ],
    ids=lambda value: value[0].partition(":")[0] if isinstance(value, list) else "",
)
def test_what_is_said_word_for_word(
    probed: AudioFacts,
    expected: Expectation,
    moved: TransferFacts | None,
    grade: Grade,
    said: list[str],
    delta: float | None,
) -> None:
    """Reasons stand in sidecars for as long as the recordings do."""
    judged = judge(probed, expected, moved)
    assert (judged.grade, [str(reason) for reason in judged.reasons], judged.delta) == (grade, said, delta)


@pytest.mark.parametrize(
    ("length", "grade"),
    [(91.9, Grade.CONSISTENT), (91.899, Grade.REJECTED), (94.5, Grade.CONSISTENT), (94.501, Grade.SUSPECT)],
)
def test_the_bounds_of_the_tolerance_are_within(length: float, grade: Grade) -> None:
    assert judge(facts(length), Expectation(93)).grade is grade

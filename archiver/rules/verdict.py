"""Accept or reject: audio facts held against what the source said of the recording.

Every finding of a probe has one place in the two tables below; a code that stands in neither is evidence and nothing
more. The grades follow from them:

* **rejected**: a finding of ``REJECTS``, or audio too short, or too long under a link that another recording shares;
* **suspect**: a finding of ``WARNS``, audio too long, or nothing to hold its length against;
* **verified**: neither, and a digest of the origin or an embedded check of ``PROVES`` held;
* **consistent**: neither, and there was nothing to prove it by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from archiver.model import AudioFacts, Completeness, Finding, Grade, TransferFacts, Verdict


class Level(StrEnum):
    """How far a recording is verified; each includes the ones before."""

    TRANSPORT = "transport"
    STRUCTURE = "structure"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the source said of the recording, and how strictly to take it."""

    duration: float | None
    """Reported seconds; None where missing, unparsable or zero: then there is no reference, never a pass."""
    tolerance: tuple[float, float] = (-1.1, 1.5)
    """Least and greatest accepted walked-minus-reported, in seconds."""
    level: Level = Level.FULL
    link_shared: bool = False
    """True if the source gave the same audio path for another recording."""
    same_audio_as: tuple[str, ...] = ()
    """Other recordings with the very same audio, tags left out."""
    reference_needed: bool = True
    """False where a person asks about a file whose length nobody reported; a source always has to report one."""
    extension: str | None = None
    """That a file on disk carries, lower case and without dot; None where the name says nothing, as that of a link."""


NOT_AUDIO = {
    "empty": "no bytes at all",
    "zeros": "nothing but zero bytes",
    "html": "a web page in place of audio",
    "xml": "an XML document in place of audio",
    "json": "a JSON document in place of audio",
    "gzip": "compressed bytes in place of audio",
    "zip": "a ZIP archive in place of audio",
    "base64": "base64 text in place of audio",
    "text": "text in place of audio",
    "tag": "a tag without audio",
    "unknown": "no audio format that is known",
}
"""Containers that are none; the reason's code is ``not_audio_`` and the name."""

REJECTS = frozenset(
    {
        "no_frames",  # a container without audio
        "cut_frame",  # the last frame, page or box is cut by the end
        "hole",  # zeros between frames
        "junk",  # other bytes between frames
        "walk_gave_up",  # more junk than can be searched
        "frames_missing",  # fewer frames than the encoder counted
        "frames_extra",  # more
        "bytes_missing",  # fewer bytes than the encoder counted
        "music_crc_wrong",  # LAME's or Lavc's CRC of the audio
        "second_header",  # a second encoder header: two recordings in one file
        "reservoir_broken",  # main data of neighbouring frames overlap: frames were lost or put in
        "frame_broken",  # AAC: some access units do not begin or end as all others do
        "frame_crc_wrong",  # CRC of a frame (MPEG, FLAC, ADTS)
        "data_missing",  # WAV, MP4, AMR: less data than the header promises
        "header_broken",  # a header that contradicts itself or cannot be read
        "page_crc_wrong",  # Ogg
        "page_sequence",  # Ogg: pages lost, doubled or out of order
        "samples_outside",  # MP4: the sample table points outside the media data
        "decode_failed",  # the decoder refused, crashed or ran out of its limits
        "probe_failed",  # our parser met something it cannot read
    }
)

WARNS = frozenset(
    {
        "leading_zeros",
        "leading_junk",
        "trailing_zeros",
        "trailing_junk",
        "bytes_extra",  # more bytes than the encoder counted, frames agree
        "header_crc_wrong",  # the encoder's header was altered: its counts and CRC prove nothing
        "header_padding",  # something in the encoder's header frame where zeros belong
        "header_bits_differ",  # header bits change that never change within a stream
        "reservoir_head",  # the first frame needs data of one that is not there: the head is missing
        "stream_change",  # another kind of frame from here on
        "size_differs",  # a header states another size than there is, nothing is missing
        "end_not_marked",  # Ogg: the last page does not say that it is the last
        "timing_differs",  # two statements of the container about its length contradict each other
        "digital_silence",
        "frames_marked_bad",  # AMR: frames that their encoder or network marked as damaged
        "silent_gap",  # PCM: the sound breaks off at full swing, and comes back so
        "repeated_audio",  # the same stretch of frames twice
    }
)

EVIDENCE = frozenset({"sizes_unset"})
"""Findings that change no grade: a streaming writer could not fill in the sizes of its header."""

PROVES = frozenset({"music_crc", "page_crc", "flac_crc", "element_crc"})
"""Embedded checks over all of the audio, which make a recording verified. Others are evidence: counts that agree prove
that nothing is missing, not that every bit is right."""


def judge(facts: AudioFacts, expectation: Expectation, transfer: TransferFacts | None = None) -> Verdict:
    """The verdict on probed audio. Pure: the same facts always give the same verdict.

    Reasons come hardest first; an accepted recording carries its proofs as reasons as well.
    """
    delta = _delta(facts, expectation)
    rejects = [*_not_audio(facts), *_transfer_rejects(facts, transfer)]
    rejects += [found for found in facts.findings if found.code in REJECTS]
    warnings = [found for found in facts.findings if found.code in WARNS]
    proofs = [*_origin_proofs(transfer), *(proof for proof in facts.proofs if proof.code in PROVES)]
    if facts.container not in NOT_AUDIO and expectation.level is not Level.TRANSPORT:
        for reason, rejecting in _length_reasons(facts, expectation, delta):
            (rejects if rejecting else warnings).append(reason)
    if not rejects:
        warnings += _transfer_warnings(transfer, proofs) + _name_warnings(facts, expectation)
        if expectation.same_audio_as:
            warnings.append(Finding("same_audio", f"also archived as {', '.join(expectation.same_audio_as)}"))
    if rejects:
        return Verdict(Grade.REJECTED, tuple(rejects + warnings), delta)
    if warnings:
        return Verdict(Grade.SUSPECT, tuple(warnings + proofs), delta)
    return Verdict(Grade.VERIFIED if proofs else Grade.CONSISTENT, tuple(proofs), delta)


def _delta(facts: AudioFacts, expectation: Expectation) -> float | None:
    if facts.length is None or not expectation.duration:
        return None
    return round(facts.length - expectation.duration, 3)


def _not_audio(facts: AudioFacts) -> list[Finding]:
    words = NOT_AUDIO.get(facts.container)
    return [Finding(f"not_audio_{facts.container}", words)] if words else []


def _transfer_rejects(facts: AudioFacts, transfer: TransferFacts | None) -> list[Finding]:
    if transfer is None:
        return []
    reasons = []
    if transfer.content_length is not None and transfer.content_length != transfer.received:
        said = f"{transfer.received} bytes arrived, {transfer.content_length} were announced"
        reasons.append(Finding("length_differs", said))
    if transfer.received != facts.size:
        reasons.append(Finding("size_probed_differs", f"{facts.size} bytes probed, {transfer.received} arrived"))
    return reasons


def _origin_proofs(transfer: TransferFacts | None) -> list[Finding]:
    """Digests that the origin stated. That they agree was seen to by the transfer, which refuses others."""
    if transfer is None:
        return []
    return [Finding("origin_digest", str(digest)) for digest in transfer.origin_digests]


def _transfer_warnings(transfer: TransferFacts | None, proofs: list[Finding]) -> list[Finding]:
    """A body that only the closing connection ended is whole if something inside it or of the origin says so."""
    warnings = []
    if transfer is not None and transfer.etag_differs:
        warnings.append(Finding("etag_differs", "the origin's ETag looks like an MD5 and is not that of the bytes"))
    if transfer is not None and transfer.completeness is Completeness.CLOSE and not proofs:
        warnings.append(Finding("completeness_unproven", "only the closing connection ended the body"))
    return warnings


def _name_warnings(facts: AudioFacts, expectation: Expectation) -> list[Finding]:
    if expectation.extension is None or _same_kind(expectation.extension, facts.extension):
        return []
    return [Finding("extension_differs", f"named .{expectation.extension}, is .{facts.extension}")]


SYNONYMS = (
    frozenset({"ogg", "oga", "opus", "spx"}),
    frozenset({"m4a", "mp4", "3gp", "m4b", "mov", "3ga"}),
    frozenset({"wav", "wave"}),
    frozenset({"amr", "awb"}),
    frozenset({"aac", "adts"}),
    frozenset({"webm", "mka", "mkv", "weba"}),
    frozenset({"aif", "aiff", "aifc"}),
    frozenset({"mp3", "mp2", "mpga", "mpeg"}),
)
"""Extensions that name the same containers."""


def _same_kind(one: str, other: str) -> bool:
    return one == other or any(one in names and other in names for names in SYNONYMS)


def _length_reasons(facts: AudioFacts, expectation: Expectation, delta: float | None) -> Iterator[tuple[Finding, bool]]:
    """What the length says, each with True if it rejects."""
    if facts.length is None:
        yield Finding("no_length", f"the length of {facts.container} cannot be told"), False
        return
    if facts.length <= 0:
        yield Finding("no_audio", "a length of zero"), True
        return
    if delta is None and not expectation.reference_needed:
        return
    if delta is None:
        yield Finding("no_reference", "no reported duration to hold the length against"), False
        return
    least, greatest = expectation.tolerance
    said = f"{facts.length:.3f} s of audio, {expectation.duration:g} s reported"
    if delta < least:
        yield Finding("too_short", said), True
    elif delta > greatest:
        if expectation.link_shared:
            yield Finding("too_long_shared_link", f"{said}; its link is also another recording's"), True
        else:
            yield Finding("too_long", said), False

"""What stands in the manifest, in words for somebody who knows no code."""

from __future__ import annotations

from dataclasses import dataclass

from archiver.errors import ExitCode
from archiver.report.facts import DayStatus
from archiver.rules.lifecycle import State

STATES = {
    State.ARCHIVED: "Checked, and kept in the archive with its record",
    State.DISCOVERED: "Named by the source; to be fetched by the next runs",
    State.STORED: "In the archive; its record is still to be written",
    State.QUARANTINED: "What the source served was not an intact recording; kept apart, with the reasons",
    State.UNAVAILABLE: "Named by the source, which no longer has its audio",
    State.FAILED: "Given up after too many failed attempts",
    State.SKIPPED: "Left out by a rule",
    State.EXPIRED: "Deleted when its retention was over, by an approved plan",
}

STATUSES = {
    DayStatus.COMPLETE: ("✓", "Complete", "closed; everything the source named is archived"),
    DayStatus.EMPTY: ("–", "Empty", "closed; the source named no recording"),
    DayStatus.WAITING: ("…", "Not closed yet", "all settled so far; late recordings may still come"),
    DayStatus.OPEN: ("○", "Open", "some recordings are still to be fetched"),
    DayStatus.PERSON: ("!", "Exceptions", "something waits for a person's decision"),
    DayStatus.DOUBT: ("?", "In doubt", "the source's list could not be relied on; it is asked again"),
    DayStatus.UNLISTED: ("", "Not listed", "the source was never asked for this day"),
}

GRADES = {
    "verified": "Intact by a checksum over all of the audio, and as long as reported",
    "consistent": "Nothing wrong, and as long as reported; nothing in the file to prove every bit by",
    "suspect": "Archived, with a warning",
    "rejected": "Not accepted; kept apart",
}

EXITS = {
    ExitCode.COMPLETE: "everything listed is archived",
    ExitCode.BUG: "an unexpected error",
    ExitCode.INCOMPLETE: "something is still to be done; the next run goes on",
    ExitCode.NEEDS_A_PERSON: "done; something waits for a person",
    ExitCode.INTEGRITY: "the archive held other bytes than were to be put; nothing was overwritten",
    ExitCode.DESTINATION: "the archive could not be written",
    ExitCode.CREDENTIALS: "the source refused the credentials",
    ExitCode.BUDGET: "stopped at its budget; what was done is done",
    ExitCode.SIGINT: "interrupted; the next run goes on",
    ExitCode.SIGTERM: "told to stop; the next run goes on",
}

_NOT_THE_AUDIO = "Something other than audio was served in its place"
_END_MISSING = "The end of the recording is missing"
_PIECES = "Pieces of the recording are lost, doubled or out of order"
_CHECKSUM = "A checksum inside the file does not match its audio"
_UNREADABLE = "The file cannot be read as audio"
_BETWEEN = "Foreign bytes stand within the audio"
REASONS = {
    "no_frames": "There is no audio in the file",
    "no_audio": "There is no audio in the file",
    "too_short": "There is less audio than the source reported",
    "too_long_shared_link": "The source served another recording's audio",
    **dict.fromkeys(("cut_frame", "data_missing", "bytes_missing", "frames_missing"), _END_MISSING),
    **dict.fromkeys(("frames_extra", "second_header"), "There is more than one recording in the file"),
    **dict.fromkeys(("hole", "junk", "walk_gave_up"), _BETWEEN),
    **dict.fromkeys(("reservoir_broken", "frame_broken", "page_sequence", "samples_outside"), _PIECES),
    **dict.fromkeys(("music_crc_wrong", "frame_crc_wrong", "page_crc_wrong"), _CHECKSUM),
    **dict.fromkeys(("header_broken", "decode_failed", "probe_failed"), _UNREADABLE),
    **dict.fromkeys(("length_differs", "size_probed_differs"), "Bytes were lost on the way"),
}
"""Of what rejects a recording, by the code of the reason (docs/verification.md)."""


@dataclass(frozen=True, slots=True)
class Why:
    """Why a recording is an exception."""

    plain: str
    """Sentences, without a full stop at the end."""
    exact: str
    """The manifest's own words."""


def why(state: State, reason: str) -> Why:
    """In plain words, and in the manifest's own."""
    codes = [part.strip().partition(":")[0] for part in reason.split(";")]
    known = [REASONS.get(code) or (_NOT_THE_AUDIO if code.startswith("not_audio_") else "") for code in codes]
    plain = list(dict.fromkeys(filter(None, known))) or [STATES[state]]
    return Why("; ".join([plain[0], *(each[:1].lower() + each[1:] for each in plain[1:])]), reason)


def seconds(span: float) -> str:
    """A length of time, as people say it: two units at most."""
    for name, length, lower, least in (("day", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if span >= length:
            whole, rest = divmod(int(span), length)
            unit = "days" if name == "day" and whole != 1 else name
            return f"{whole} {unit} {rest // least} {lower}" if rest >= least else f"{whole} {unit}"
    return f"{span:.1f} s" if span < 10 else f"{span:.0f} s"


def visible(text: str) -> str:
    """``text`` with what cannot be seen, or would reorder it, escaped."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def size(count: float) -> str:
    """Bytes, as people say it."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"

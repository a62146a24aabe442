"""The manifest's tables, column by column. ``migrations`` builds them; a test holds the two to each other.

Nothing here is particular to one database. Times are UTC; sizes are bytes; a JSON column holds plain JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    or_,
)

from archiver.rules.lifecycle import Event, Observation, State

REVISION = "0001"
"""The schema this program reads and writes: the head of ``migrations``. Kept here so that opening an up-to-date
manifest does not have to import Alembic to learn that there is nothing to do."""


class Moment(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC; a naive one is a ValueError."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without an offset: {value.isoformat()}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From UTC, which SQLite does not say."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Identifier(TypeDecorator[str]):
    """Any string a source may use as an id, without loss.

    A JSON document can name lone surrogates and NUL, which no database stores as text: such an id, and one with a
    backslash, is kept as a backslash and its ``unicode_escape`` form.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Escape what needs it."""
        if value is None or (value.isascii() and value.isprintable() and "\\" not in value):
            return value
        return "\\" + value.encode("unicode_escape").decode("ascii")

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Undo the escape."""
        if value is None or not value.startswith("\\"):
            return value
        return value[1:].encode("ascii").decode("unicode_escape")


class Words(TypeDecorator[str]):
    """Words for people: what cannot be stored as text is shown escaped."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Make it storable."""
        if value is None or value.isascii():
            return value if value is None else value.replace("\0", "\\x00")
        return value.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def to_json(value: Any) -> str:
    """JSON in ASCII: a lone surrogate in a source's row stays the escape that it came as."""
    return json.dumps(value, separators=(",", ":"), default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"not JSON: {type(value).__name__}")


def _one_of(column: str, *words: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(word.value) for each in words for word in each)})"


SERIAL = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

recordings = Table(
    "recordings",
    metadata,
    Column("id", Identifier, primary_key=True, comment="the source's recording id"),
    Column("created_at", Moment, nullable=False, comment="source time as first listed; object keys are made of it"),
    Column("day", Date, nullable=False, comment="UTC day of created_at: the dt of its object keys"),
    Column("duration", Float, comment="seconds as the source reports them; null where it does not"),
    Column("state", Text, nullable=False, comment="where it stands (rules/lifecycle.py)"),
    Column("attempts", Integer, nullable=False, comment="failed attempts since listed or requeued"),
    Column("reason", Words, nullable=False, comment="words of the last event or attempt; empty where all is well"),
    Column("grade", Text, comment="the verdict's grade, where there was a verdict"),
    Column("audio_key", Text, comment="object key of the audio, in recordings/ or quarantine/"),
    Column("audio_size", BigInteger, comment="bytes of the audio"),
    Column("audio_digest", Text, comment="algorithm:hex of the audio, SHA-256"),
    Column("audio_version", Text, comment="version id of the audio, where the bucket keeps versions"),
    Column("sha512", Text, comment="algorithm:hex of the audio, SHA-512"),
    Column("length", Float, comment="seconds of audio as measured, where there was a verdict"),
    Column("content", Text, comment="algorithm:hex of the audio without tags: equal for the same audio, SHA-256"),
    Column("sidecar_key", Text, comment="object key of the sidecar"),
    Column("sidecar_size", BigInteger, comment="bytes of the sidecar"),
    Column("sidecar_digest", Text, comment="algorithm:hex of the sidecar, SHA-256"),
    Column("sidecar_version", Text, comment="version id of the sidecar, where the bucket keeps versions"),
    Column("retention_class", Text, comment="class that the retention policy chose; null where there is no policy"),
    Column("retention_mode", Text, comment="Object Lock mode of audio and sidecar; null where nothing holds them"),
    Column("retain_until", Moment, comment="until when audio and sidecar are locked, as last read back"),
    Column("matters", JSON(none_as_null=True), comment="legal holds on it, as a list of matters; null: none"),
    Column("draft", LargeBinary, comment="sidecar still to be written; only while stored"),
    Column("archived_at", Moment, comment="when it was last sealed; null where restored from its sidecar"),
    Column("archived_run", Text, comment="run whose transfer led to the last seal; null where adopted or restored"),
    Column("source_row", JSON(none_as_null=True), comment="the source's row as last received, links cut to the path"),
    Column("row_changed_at", Moment, comment="when the source last said something else than before"),
    Column("first_listed_at", Moment, comment="when the source first named it; null where restored, not listed since"),
    Column("last_listed_at", Moment, comment="when the source last named it"),
    Column("last_listed_run", Text, comment="the run that saw it then"),
    Column(
        "listed_day", Date, comment="UTC day of its source time as last named; null where restored, not listed since"
    ),
    Column("late", Boolean, nullable=False, comment="whether its day had been listed whole before it was first named"),
    Column("vanished_at", Moment, comment="when an agreed listing of its day did not name it; null while it is named"),
    Column("doubt", Words, comment="what the source has said since that speaks against archived audio"),
    CheckConstraint(_one_of("state", State), name="ck_recordings_state"),
    CheckConstraint("attempts >= 0", name="ck_recordings_attempts"),
    CheckConstraint("(retention_mode IS NULL) = (retain_until IS NULL)", name="ck_recordings_retention"),
    CheckConstraint("draft IS NULL OR state = 'stored'", name="ck_recordings_draft"),
    comment="one row per recording the source has named",
)

IS_OPEN = recordings.c.state.in_([state.value for state in State if state.is_open])
IS_UNFINISHED = recordings.c.state.in_([state.value for state in State if state.is_open or state is State.FAILED])
"""What keeps its window from being closed."""

Index(
    "ix_recordings_run",  # counts of a run, from the index alone
    recordings.c.last_listed_run,
    recordings.c.state,
    recordings.c.archived_run,
)
Index("ix_recordings_day", recordings.c.day, recordings.c.state)  # counts per day, from the index alone
Index("ix_recordings_id", recordings.c.day, recordings.c.id)  # streams of a day by id, page by page
HAS_AUDIO = recordings.c.audio_key.is_not(None)
Index(
    "ix_recordings_key",  # streams of a day by object key, page by page
    recordings.c.day,
    recordings.c.audio_key,
    recordings.c.id,
    sqlite_where=HAS_AUDIO,
    postgresql_where=HAS_AUDIO,
)
Index(
    "ix_recordings_state", recordings.c.state, recordings.c.created_at, recordings.c.id
)  # streams by state, what is open, what is unfinished in a window
IS_FLAGGED = or_(recordings.c.vanished_at.is_not(None), recordings.c.doubt.is_not(None))
Index(
    "ix_recordings_flagged",  # the few that status names
    recordings.c.created_at,
    sqlite_where=IS_FLAGGED,
    postgresql_where=IS_FLAGGED,
)
Index(
    "ix_recordings_content",  # the same audio under other ids, oldest first: there may be thousands (silence)
    recordings.c.content,
    recordings.c.created_at,
    recordings.c.id,
    recordings.c.state,
)

events = Table(
    "events",
    metadata,
    Column("id", SERIAL, primary_key=True, comment="order of events"),
    Column("recording_id", Identifier, ForeignKey("recordings.id", name="fk_events_recording"), nullable=False,
           comment="whose event"),
    Column("at", Moment, nullable=False, comment="when"),
    Column("run_id", Text, comment="in which run; null for an operator's command"),
    Column("event", Text, nullable=False, comment="what happened (rules/lifecycle.py)"),
    Column("from_state", Text, comment="state before; null for the first"),
    Column("to_state", Text, nullable=False, comment="state after"),
    Column("reason", Words, nullable=False, comment="why, in words"),
    Column("detail", JSON(none_as_null=True), comment="further facts; {\"adopted\": true}, {\"restored\": true}"),
    CheckConstraint(_one_of("event", Event, Observation), name="ck_events_event"),
    CheckConstraint(_one_of("from_state", State), name="ck_events_from_state"),
    CheckConstraint(_one_of("to_state", State), name="ck_events_to_state"),
    comment="append-only: every change of a state, written with the change; and what was noticed at the source",
)  # fmt: skip
Index("ix_events_recording", events.c.recording_id, events.c.id)
IS_OBSERVATION = events.c.event.in_([word.value for word in Observation])
Index(
    "ix_events_observed",  # what a run has noticed at the source
    events.c.run_id,
    events.c.id,
    sqlite_where=IS_OBSERVATION,
    postgresql_where=IS_OBSERVATION,
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", SERIAL, primary_key=True, comment="order of attempts"),
    Column("recording_id", Identifier, ForeignKey("recordings.id", name="fk_attempts_recording"), nullable=False,
           comment="whose attempt"),
    Column("at", Moment, nullable=False, comment="when it had failed"),
    Column("run_id", Text, nullable=False, comment="in which run"),
    Column("stage", Text, nullable=False, comment="fetch, spool, store; bug where the program is to blame"),
    Column("reason", Words, nullable=False, comment="what went wrong, in words"),
    comment="append-only: every failed attempt",
)  # fmt: skip
Index("ix_attempts_recording", attempts.c.recording_id, attempts.c.id)

windows = Table(
    "windows",
    metadata,
    Column("start_at", Moment, primary_key=True, comment="first moment of the window"),
    Column("end_at", Moment, primary_key=True, comment="first moment after the window"),
    Column("first_listed_at", Moment, nullable=False, comment="when it was first listed"),
    Column("last_listed_at", Moment, nullable=False, comment="when it was last listed"),
    Column("last_listed_run", Text, nullable=False, comment="the run that listed it then"),
    Column("agreed", Boolean, nullable=False, comment="whether the last listing agreed with the source's own count"),
    Column("reason", Words, nullable=False, comment="why it did not agree, in words"),
    Column("unique_rows", BigInteger, nullable=False, comment="distinct ids of the last listing"),
    Column("rows_unreadable", BigInteger, nullable=False, comment="rows of the last listing that could not be read"),
    Column(
        "whole_at", Moment, comment="when it was first listed with agreement after its end; what comes after is late"
    ),
    Column("closed_at", Moment, comment="when it was closed; null while it is not"),
    Column("reopened_at", Moment, comment="when a closed one last had something open in it again"),
    CheckConstraint("start_at < end_at", name="ck_windows_span"),
    comment="one row per window that was listed, to its end or not",
)

call_days = Table(
    "call_days",
    metadata,
    Column("day", Date, primary_key=True, comment="UTC day: the dt of its parts"),
    Column("parts", Integer, nullable=False, comment="parts of its call log in the bucket"),
    Column("row_count", BigInteger, nullable=False, comment="calls in their union"),
    Column("listing", Text, nullable=False, comment="digest of a listing that the union holds as it stands; or empty"),
    Column("union_digest", Text, nullable=False, comment="digest of the union's ids and rows; or empty"),
    Column("agreed", Boolean, nullable=False, comment="whether the last listing agreed, and all of it was put"),
    Column("reason", Words, nullable=False, comment="why not, in words"),
    Column("noted_at", Moment, nullable=False, comment="when this was so"),
    CheckConstraint("parts >= 0", name="ck_call_days_parts"),
    comment="one row per day of calls: an index of the parts in the bucket",
)

periods = Table(
    "periods",
    metadata,
    Column("key", Text, primary_key=True, comment="object key of the statement or amendment"),
    Column("day", Date, nullable=False, comment="UTC day of its window"),
    Column("number", BigInteger, nullable=False, comment="its place in the chain, from 1"),
    Column("digest", Text, nullable=False, comment="algorithm:hex of the document, SHA-256"),
    Column("previous", JSON, nullable=False, comment="keys and digests of the documents it names as those before it"),
    Column("account", Text, nullable=False, comment="digest of what became of each recording and call of the day"),
    Column("closed_at", Moment, nullable=False, comment="when it was written, as it says"),
    Column("run_id", Text, nullable=False, comment="the run that wrote it, as it says"),
    CheckConstraint("number > 0", name="ck_periods_number"),
    comment="one row per statement and amendment known: an index of the documents in the bucket",
)
Index("ix_periods_day", periods.c.day, periods.c.key)

copies = Table(
    "copies",
    metadata,
    Column("key", Text, primary_key=True, comment="object key, the same in both destinations"),
    Column("size", BigInteger, nullable=False, comment="bytes"),
    Column("state", Text, nullable=False, comment="copied, pending, conflict or leaving"),
    Column("digest", Text, comment="algorithm:hex of the copy, SHA-256; only where it was copied"),
    Column("version", Text, comment="version id of the copy, where the second destination keeps versions"),
    Column("attempts", Integer, nullable=False, comment="failed attempts since it was last copied"),
    Column("reason", Words, nullable=False, comment="why it is not copied, in words"),
    Column("noted_at", Moment, nullable=False, comment="when this was so"),
    CheckConstraint("state IN ('copied', 'pending', 'conflict', 'leaving')", name="ck_copies_state"),
    CheckConstraint("attempts >= 0", name="ck_copies_attempts"),
    comment="one row per object that was compared with the second destination",
)
Index("ix_copies_state", copies.c.state)

copy_passes = Table(
    "copy_passes",
    metadata,
    Column("begun_at", Moment, primary_key=True, comment="when the comparison began"),
    Column("run_id", Text, nullable=False, comment="the run that made it"),
    Column("whole", Boolean, nullable=False, comment="whether it looked at everything"),
    Column("ended_at", Moment, comment="when it came to its end; null where it did not"),
    comment="one row per comparison of the two destinations since everything was last compared",
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True, comment="the run"),
    Column("started_at", Moment, nullable=False, comment="when it began"),
    Column("ended_at", Moment, comment="when it ended; null while it runs, and for ever if it was killed"),
    Column("exit_code", Integer, comment="what it told its scheduler"),
    Column("summary", JSON(none_as_null=True), comment="its last words, as in `run --json`"),
    Column("host", Text, nullable=False, comment="machine it ran on, for the words of a refused second run"),
    Column("pid", Integer, nullable=False, comment="its process id there"),
    comment="one row per run",
)

"""The first schema.

It spells everything out instead of importing ``manifest.schema``, which will move on while this stays.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
STATES = "'discovered', 'stored', 'archived', 'quarantined', 'skipped', 'unavailable', 'failed', 'expired'"
EVENTS = (
    "'listed', 'excluded', 'rejected', 'source_gone', 'uploaded', 'sealed', 'gave_up', 'drifted', 'unsealed', "
    "'corrupted', 'expired', 'requeued', 'changed', 'vanished', 'returned'"
)
FLAGGED = "vanished_at IS NOT NULL OR doubt IS NOT NULL"
OBSERVED = "event IN ('changed', 'vanished', 'returned')"


def upgrade() -> None:
    """From nothing."""
    _recordings()
    _recordings_indexes()
    _events()
    _attempts()
    _windows()
    _call_days()
    _periods()
    _copies()
    _runs()


def downgrade() -> None:
    """Never: a manifest is rebuilt from the bucket instead."""
    raise NotImplementedError("restore a backup, or run `archiver manifest rebuild`")


def _as_listed() -> list[sa.Column[Any]]:
    """What the source has said of a recording, and when."""
    return [
        sa.Column("source_row", sa.JSON, comment="the source's row as last received, links cut to the path"),
        sa.Column("row_changed_at", MOMENT, comment="when the source last said something else than before"),
        sa.Column(
            "first_listed_at", MOMENT, comment="when the source first named it; null where restored, not listed since"
        ),
        sa.Column("last_listed_at", MOMENT, comment="when the source last named it"),
        sa.Column("last_listed_run", sa.Text, comment="the run that saw it then"),
        sa.Column(
            "listed_day",
            sa.Date,
            comment="UTC day of its source time as last named; null where restored, not listed since",
        ),
        sa.Column(
            "late",
            sa.Boolean,
            nullable=False,
            comment="whether its day had been listed whole before it was first named",
        ),
        sa.Column(
            "vanished_at", MOMENT, comment="when an agreed listing of its day did not name it; null while it is named"
        ),
        sa.Column("doubt", sa.Text, comment="what the source has said since that speaks against archived audio"),
    ]


def _as_kept() -> list[sa.Column[Any]]:
    """What holds audio and sidecar."""
    return [
        sa.Column(
            "retention_class", sa.Text, comment="class that the retention policy chose; null where there is no policy"
        ),
        sa.Column(
            "retention_mode", sa.Text, comment="Object Lock mode of audio and sidecar; null where nothing holds them"
        ),
        sa.Column("retain_until", MOMENT, comment="until when audio and sidecar are locked, as last read back"),
        sa.Column("matters", sa.JSON, comment="legal holds on it, as a list of matters; null: none"),
    ]


def _recordings() -> None:
    op.create_table(
        "recordings",
        sa.Column("id", sa.Text, primary_key=True, comment="the source's recording id"),
        sa.Column(
            "created_at", MOMENT, nullable=False, comment="source time as first listed; object keys are made of it"
        ),
        sa.Column("day", sa.Date, nullable=False, comment="UTC day of created_at: the dt of its object keys"),
        sa.Column("duration", sa.Float, comment="seconds as the source reports them; null where it does not"),
        sa.Column("state", sa.Text, nullable=False, comment="where it stands (rules/lifecycle.py)"),
        sa.Column("attempts", sa.Integer, nullable=False, comment="failed attempts since listed or requeued"),
        sa.Column(
            "reason", sa.Text, nullable=False, comment="words of the last event or attempt; empty where all is well"
        ),
        sa.Column("grade", sa.Text, comment="the verdict's grade, where there was a verdict"),
        sa.Column("audio_key", sa.Text, comment="object key of the audio, in recordings/ or quarantine/"),
        sa.Column("audio_size", sa.BigInteger, comment="bytes of the audio"),
        sa.Column("audio_digest", sa.Text, comment="algorithm:hex of the audio, SHA-256"),
        sa.Column("audio_version", sa.Text, comment="version id of the audio, where the bucket keeps versions"),
        sa.Column("sha512", sa.Text, comment="algorithm:hex of the audio, SHA-512"),
        sa.Column("length", sa.Float, comment="seconds of audio as measured, where there was a verdict"),
        sa.Column(
            "content", sa.Text, comment="algorithm:hex of the audio without tags: equal for the same audio, SHA-256"
        ),
        sa.Column("sidecar_key", sa.Text, comment="object key of the sidecar"),
        sa.Column("sidecar_size", sa.BigInteger, comment="bytes of the sidecar"),
        sa.Column("sidecar_digest", sa.Text, comment="algorithm:hex of the sidecar, SHA-256"),
        sa.Column("sidecar_version", sa.Text, comment="version id of the sidecar, where the bucket keeps versions"),
        *_as_kept(),
        sa.Column("draft", sa.LargeBinary, comment="sidecar still to be written; only while stored"),
        sa.Column("archived_at", MOMENT, comment="when it was last sealed; null where restored from its sidecar"),
        sa.Column(
            "archived_run", sa.Text, comment="run whose transfer led to the last seal; null where adopted or restored"
        ),
        *_as_listed(),
        sa.CheckConstraint(f"state IN ({STATES})", name="ck_recordings_state"),
        sa.CheckConstraint("attempts >= 0", name="ck_recordings_attempts"),
        sa.CheckConstraint("(retention_mode IS NULL) = (retain_until IS NULL)", name="ck_recordings_retention"),
        sa.CheckConstraint("draft IS NULL OR state = 'stored'", name="ck_recordings_draft"),
        comment="one row per recording the source has named",
    )


def _recordings_indexes() -> None:
    op.create_index("ix_recordings_content", "recordings", ["content", "created_at", "id", "state"])
    op.create_index("ix_recordings_day", "recordings", ["day", "state"])
    op.create_index("ix_recordings_id", "recordings", ["day", "id"])
    op.create_index(
        "ix_recordings_key",
        "recordings",
        ["day", "audio_key", "id"],
        sqlite_where=sa.text("audio_key IS NOT NULL"),
        postgresql_where=sa.text("audio_key IS NOT NULL"),
    )
    op.create_index("ix_recordings_state", "recordings", ["state", "created_at", "id"])
    op.create_index("ix_recordings_run", "recordings", ["last_listed_run", "state", "archived_run"])
    op.create_index(
        "ix_recordings_flagged",
        "recordings",
        ["created_at"],
        sqlite_where=sa.text(FLAGGED),
        postgresql_where=sa.text(FLAGGED),
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("id", SERIAL, primary_key=True, comment="order of events"),
        sa.Column(
            "recording_id",
            sa.Text,
            sa.ForeignKey("recordings.id", name="fk_events_recording"),
            nullable=False,
            comment="whose event",
        ),
        sa.Column("at", MOMENT, nullable=False, comment="when"),
        sa.Column("run_id", sa.Text, comment="in which run; null for an operator's command"),
        sa.Column("event", sa.Text, nullable=False, comment="what happened (rules/lifecycle.py)"),
        sa.Column("from_state", sa.Text, comment="state before; null for the first"),
        sa.Column("to_state", sa.Text, nullable=False, comment="state after"),
        sa.Column("reason", sa.Text, nullable=False, comment="why, in words"),
        sa.Column("detail", sa.JSON, comment='further facts; {"adopted": true}, {"restored": true}'),
        sa.CheckConstraint(f"event IN ({EVENTS})", name="ck_events_event"),
        sa.CheckConstraint(f"from_state IN ({STATES})", name="ck_events_from_state"),
        sa.CheckConstraint(f"to_state IN ({STATES})", name="ck_events_to_state"),
        comment="append-only: every change of a state, written with the change; and what was noticed at the source",
    )
    op.create_index("ix_events_recording", "events", ["recording_id", "id"])
    op.create_index(
        "ix_events_observed",
        "events",
        ["run_id", "id"],
        sqlite_where=sa.text(OBSERVED),
        postgresql_where=sa.text(OBSERVED),
    )


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", SERIAL, primary_key=True, comment="order of attempts"),
        sa.Column(
            "recording_id",
            sa.Text,
            sa.ForeignKey("recordings.id", name="fk_attempts_recording"),
            nullable=False,
            comment="whose attempt",
        ),
        sa.Column("at", MOMENT, nullable=False, comment="when it had failed"),
        sa.Column("run_id", sa.Text, nullable=False, comment="in which run"),
        sa.Column("stage", sa.Text, nullable=False, comment="fetch, spool, store; bug where the program is to blame"),
        sa.Column("reason", sa.Text, nullable=False, comment="what went wrong, in words"),
        comment="append-only: every failed attempt",
    )
    op.create_index("ix_attempts_recording", "attempts", ["recording_id", "id"])


def _windows() -> None:
    op.create_table(
        "windows",
        sa.Column("start_at", MOMENT, primary_key=True, comment="first moment of the window"),
        sa.Column("end_at", MOMENT, primary_key=True, comment="first moment after the window"),
        sa.Column("first_listed_at", MOMENT, nullable=False, comment="when it was first listed"),
        sa.Column("last_listed_at", MOMENT, nullable=False, comment="when it was last listed"),
        sa.Column("last_listed_run", sa.Text, nullable=False, comment="the run that listed it then"),
        sa.Column(
            "agreed", sa.Boolean, nullable=False, comment="whether the last listing agreed with the source's own count"
        ),
        sa.Column("reason", sa.Text, nullable=False, comment="why it did not agree, in words"),
        sa.Column("unique_rows", sa.BigInteger, nullable=False, comment="distinct ids of the last listing"),
        sa.Column(
            "rows_unreadable", sa.BigInteger, nullable=False, comment="rows of the last listing that could not be read"
        ),
        sa.Column(
            "whole_at",
            MOMENT,
            comment="when it was first listed with agreement after its end; what comes after is late",
        ),
        sa.Column("closed_at", MOMENT, comment="when it was closed; null while it is not"),
        sa.Column("reopened_at", MOMENT, comment="when a closed one last had something open in it again"),
        sa.CheckConstraint("start_at < end_at", name="ck_windows_span"),
        comment="one row per window that was listed, to its end or not",
    )


def _call_days() -> None:
    op.create_table(
        "call_days",
        sa.Column("day", sa.Date, primary_key=True, comment="UTC day: the dt of its parts"),
        sa.Column("parts", sa.Integer, nullable=False, comment="parts of its call log in the bucket"),
        sa.Column("row_count", sa.BigInteger, nullable=False, comment="calls in their union"),
        sa.Column(
            "listing",
            sa.Text,
            nullable=False,
            comment="digest of a listing that the union holds as it stands; or empty",
        ),
        sa.Column("union_digest", sa.Text, nullable=False, comment="digest of the union's ids and rows; or empty"),
        sa.Column(
            "agreed", sa.Boolean, nullable=False, comment="whether the last listing agreed, and all of it was put"
        ),
        sa.Column("reason", sa.Text, nullable=False, comment="why not, in words"),
        sa.Column("noted_at", MOMENT, nullable=False, comment="when this was so"),
        sa.CheckConstraint("parts >= 0", name="ck_call_days_parts"),
        comment="one row per day of calls: an index of the parts in the bucket",
    )


def _periods() -> None:
    op.create_table(
        "periods",
        sa.Column("key", sa.Text, primary_key=True, comment="object key of the statement or amendment"),
        sa.Column("day", sa.Date, nullable=False, comment="UTC day of its window"),
        sa.Column("number", sa.BigInteger, nullable=False, comment="its place in the chain, from 1"),
        sa.Column("digest", sa.Text, nullable=False, comment="algorithm:hex of the document, SHA-256"),
        sa.Column(
            "previous", sa.JSON, nullable=False, comment="keys and digests of the documents it names as those before it"
        ),
        sa.Column(
            "account", sa.Text, nullable=False, comment="digest of what became of each recording and call of the day"
        ),
        sa.Column("closed_at", MOMENT, nullable=False, comment="when it was written, as it says"),
        sa.Column("run_id", sa.Text, nullable=False, comment="the run that wrote it, as it says"),
        sa.CheckConstraint("number > 0", name="ck_periods_number"),
        comment="one row per statement and amendment known: an index of the documents in the bucket",
    )
    op.create_index("ix_periods_day", "periods", ["day", "key"])


def _copies() -> None:
    op.create_table(
        "copies",
        sa.Column("key", sa.Text, primary_key=True, comment="object key, the same in both destinations"),
        sa.Column("size", sa.BigInteger, nullable=False, comment="bytes"),
        sa.Column("state", sa.Text, nullable=False, comment="copied, pending, conflict or leaving"),
        sa.Column("digest", sa.Text, comment="algorithm:hex of the copy, SHA-256; only where it was copied"),
        sa.Column("version", sa.Text, comment="version id of the copy, where the second destination keeps versions"),
        sa.Column("attempts", sa.Integer, nullable=False, comment="failed attempts since it was last copied"),
        sa.Column("reason", sa.Text, nullable=False, comment="why it is not copied, in words"),
        sa.Column("noted_at", MOMENT, nullable=False, comment="when this was so"),
        sa.CheckConstraint("state IN ('copied', 'pending', 'conflict', 'leaving')", name="ck_copies_state"),
        sa.CheckConstraint("attempts >= 0", name="ck_copies_attempts"),
        comment="one row per object that was compared with the second destination",
    )
    op.create_index("ix_copies_state", "copies", ["state"])
    op.create_table(
        "copy_passes",
        sa.Column("begun_at", MOMENT, primary_key=True, comment="when the comparison began"),
        sa.Column("run_id", sa.Text, nullable=False, comment="the run that made it"),
        sa.Column("whole", sa.Boolean, nullable=False, comment="whether it looked at everything"),
        sa.Column("ended_at", MOMENT, comment="when it came to its end; null where it did not"),
        comment="one row per comparison of the two destinations since everything was last compared",
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text, primary_key=True, comment="the run"),
        sa.Column("started_at", MOMENT, nullable=False, comment="when it began"),
        sa.Column("ended_at", MOMENT, comment="when it ended; null while it runs, and for ever if it was killed"),
        sa.Column("exit_code", sa.Integer, comment="what it told its scheduler"),
        sa.Column("summary", sa.JSON, comment="its last words, as in `run --json`"),
        sa.Column("host", sa.Text, nullable=False, comment="machine it ran on, for the words of a refused second run"),
        sa.Column("pid", sa.Integer, nullable=False, comment="its process id there"),
        comment="one row per run",
    )

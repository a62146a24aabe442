-- The manifest's tables, column by column. Times are text in UTC that sorts (2026-09-17 00:00:00.000000), days ISO
-- dates, truths 0 or 1, sizes bytes; a column of JSON holds plain JSON as ASCII text. Words are told apart by OR: what
-- stands in brackets behind IN, if it is more than two words, SQLite sorts into a table anew for every row it writes.

CREATE TABLE recordings (  -- one row per recording the source has named
    id TEXT NOT NULL PRIMARY KEY,  -- the source's recording id
    created_at TEXT NOT NULL,  -- source time as first listed; object keys are made of it
    day TEXT NOT NULL,  -- UTC day of created_at: the dt of its object keys
    duration REAL,  -- seconds as the source reports them; null where it does not
    state TEXT NOT NULL,  -- where it stands (rules/lifecycle.py)
    attempts INTEGER NOT NULL,  -- failed attempts since listed or requeued
    reason TEXT NOT NULL,  -- words of the last event or attempt; empty where all is well
    grade TEXT,  -- the verdict's grade, where there was a verdict
    audio_key TEXT,  -- object key of the audio, in recordings/ or quarantine/
    audio_size INTEGER,  -- bytes of the audio
    audio_digest TEXT,  -- algorithm:hex of the audio, SHA-256
    audio_version TEXT,  -- version id of the audio, where the bucket keeps versions
    sha512 TEXT,  -- algorithm:hex of the audio, SHA-512
    length REAL,  -- seconds of audio as measured, where there was a verdict
    content TEXT,  -- algorithm:hex of the audio without tags: equal for the same audio, SHA-256
    sidecar_key TEXT,  -- object key of the sidecar
    sidecar_size INTEGER,  -- bytes of the sidecar
    sidecar_digest TEXT,  -- algorithm:hex of the sidecar, SHA-256
    sidecar_version TEXT,  -- version id of the sidecar, where the bucket keeps versions
    retention_class TEXT,  -- class that the retention policy chose; null where there is no policy
    retention_mode TEXT,  -- Object Lock mode of audio and sidecar; null where nothing holds them
    retain_until TEXT,  -- until when audio and sidecar are locked, as last read back
    matters TEXT,  -- JSON: legal holds on it, as a list of matters; null: none
    draft BLOB,  -- sidecar still to be written; only while stored
    archived_at TEXT,  -- when it was last sealed; null where restored from its sidecar
    archived_run TEXT,  -- run whose transfer led to the last seal; null where adopted or restored
    source_row TEXT,  -- JSON: the source's row as last received, links cut to the path
    row_changed_at TEXT,  -- when the source last said something else than before
    first_listed_at TEXT,  -- when the source first named it; null where restored, not listed since
    last_listed_at TEXT,  -- when the source last named it
    last_listed_run TEXT,  -- the run that saw it then
    listed_day TEXT,  -- UTC day of its source time as last named; null where restored, not listed since
    late INTEGER NOT NULL,  -- whether its day had been listed whole before it was first named
    vanished_at TEXT,  -- when an agreed listing of its day did not name it; null while it is named
    doubt TEXT,  -- what the source has said since that speaks against archived audio
    CONSTRAINT ck_recordings_state CHECK (
        state = 'discovered' OR state = 'stored' OR state = 'archived' OR state = 'quarantined' OR state = 'skipped'
        OR state = 'unavailable' OR state = 'failed' OR state = 'expired'
    ),
    CONSTRAINT ck_recordings_attempts CHECK (attempts >= 0),
    CONSTRAINT ck_recordings_retention CHECK ((retention_mode IS NULL) = (retain_until IS NULL)),
    CONSTRAINT ck_recordings_draft CHECK (draft IS NULL OR state = 'stored')
);

-- counts of a run, from the index alone
CREATE INDEX ix_recordings_run ON recordings (last_listed_run, state, archived_run);
-- counts per day, from the index alone
CREATE INDEX ix_recordings_day ON recordings (day, state);
-- streams of a day by id, page by page
CREATE INDEX ix_recordings_id ON recordings (day, id);
-- streams of a day by object key, page by page
CREATE INDEX ix_recordings_key ON recordings (day, audio_key, id) WHERE audio_key IS NOT NULL;
-- streams by state, what is open, what is unfinished in a window
CREATE INDEX ix_recordings_state ON recordings (state, created_at, id);
-- the few that status names
CREATE INDEX ix_recordings_flagged ON recordings (created_at) WHERE vanished_at IS NOT NULL OR doubt IS NOT NULL;
-- the same accepted audio under other ids, oldest first: there may be thousands (silence); a seal leaves it as it is
CREATE INDEX ix_recordings_content ON recordings (content, created_at, id)
    WHERE content IS NOT NULL AND grade IS NOT 'rejected';

CREATE TABLE events (  -- append-only: every change of a state, written with the change; and what was noticed
    id INTEGER NOT NULL PRIMARY KEY,  -- order of events
    recording_id TEXT NOT NULL,  -- whose event
    at TEXT NOT NULL,  -- when
    run_id TEXT,  -- in which run; null for an operator's command
    event TEXT NOT NULL,  -- what happened (rules/lifecycle.py)
    from_state TEXT,  -- state before; null for the first
    to_state TEXT NOT NULL,  -- state after
    reason TEXT NOT NULL,  -- why, in words
    detail TEXT,  -- JSON: further facts; {"adopted": true}, {"restored": true}
    CONSTRAINT fk_events_recording FOREIGN KEY (recording_id) REFERENCES recordings (id),
    CONSTRAINT ck_events_event CHECK (
        event = 'listed' OR event = 'excluded' OR event = 'rejected' OR event = 'source_gone' OR event = 'uploaded'
        OR event = 'sealed' OR event = 'gave_up' OR event = 'drifted' OR event = 'unsealed' OR event = 'corrupted'
        OR event = 'expired' OR event = 'requeued' OR event = 'changed' OR event = 'vanished' OR event = 'returned'
    ),
    CONSTRAINT ck_events_from_state CHECK (
        from_state = 'discovered' OR from_state = 'stored' OR from_state = 'archived' OR from_state = 'quarantined'
        OR from_state = 'skipped' OR from_state = 'unavailable' OR from_state = 'failed' OR from_state = 'expired'
    ),
    CONSTRAINT ck_events_to_state CHECK (
        to_state = 'discovered' OR to_state = 'stored' OR to_state = 'archived' OR to_state = 'quarantined'
        OR to_state = 'skipped' OR to_state = 'unavailable' OR to_state = 'failed' OR to_state = 'expired'
    )
);

CREATE INDEX ix_events_recording ON events (recording_id, id);
-- what a run has noticed at the source
CREATE INDEX ix_events_observed ON events (run_id, id)
    WHERE event = 'changed' OR event = 'vanished' OR event = 'returned';

CREATE TABLE attempts (  -- append-only: every failed attempt
    id INTEGER NOT NULL PRIMARY KEY,  -- order of attempts
    recording_id TEXT NOT NULL,  -- whose attempt
    at TEXT NOT NULL,  -- when it had failed
    run_id TEXT NOT NULL,  -- in which run
    stage TEXT NOT NULL,  -- fetch, spool, store; bug where the program is to blame
    reason TEXT NOT NULL,  -- what went wrong, in words
    CONSTRAINT fk_attempts_recording FOREIGN KEY (recording_id) REFERENCES recordings (id)
);

CREATE INDEX ix_attempts_recording ON attempts (recording_id, id);

CREATE TABLE windows (  -- one row per window that was listed, to its end or not
    start_at TEXT NOT NULL,  -- first moment of the window
    end_at TEXT NOT NULL,  -- first moment after the window
    first_listed_at TEXT NOT NULL,  -- when it was first listed
    last_listed_at TEXT NOT NULL,  -- when it was last listed
    last_listed_run TEXT NOT NULL,  -- the run that listed it then
    agreed INTEGER NOT NULL,  -- whether the last listing agreed with the source's own count
    reason TEXT NOT NULL,  -- why it did not agree, in words
    unique_rows INTEGER NOT NULL,  -- distinct ids of the last listing
    rows_unreadable INTEGER NOT NULL,  -- rows of the last listing that could not be read
    whole_at TEXT,  -- when it was first listed with agreement after its end; what comes after is late
    closed_at TEXT,  -- when it was closed; null while it is not
    reopened_at TEXT,  -- when a closed one last had something open in it again
    PRIMARY KEY (start_at, end_at),
    CONSTRAINT ck_windows_span CHECK (start_at < end_at)
);

CREATE TABLE call_days (  -- one row per day of calls: an index of the parts in the bucket
    day TEXT NOT NULL PRIMARY KEY,  -- UTC day: the dt of its parts
    parts INTEGER NOT NULL,  -- parts of its call log in the bucket
    row_count INTEGER NOT NULL,  -- calls in their union
    listing TEXT NOT NULL,  -- digest of a listing that the union holds as it stands; or empty
    union_digest TEXT NOT NULL,  -- digest of the union's ids and rows; or empty
    agreed INTEGER NOT NULL,  -- whether the last listing agreed, and all of it was put
    reason TEXT NOT NULL,  -- why not, in words
    noted_at TEXT NOT NULL,  -- when this was so
    CONSTRAINT ck_call_days_parts CHECK (parts >= 0)
);

CREATE TABLE periods (  -- one row per statement and amendment known: an index of the documents in the bucket
    key TEXT NOT NULL PRIMARY KEY,  -- object key of the statement or amendment
    day TEXT NOT NULL,  -- UTC day of its window
    number INTEGER NOT NULL,  -- its place in the chain, from 1
    digest TEXT NOT NULL,  -- algorithm:hex of the document, SHA-256
    previous TEXT NOT NULL,  -- JSON: keys and digests of the documents it names as those before it
    account TEXT NOT NULL,  -- digest of what became of each recording and call of the day
    closed_at TEXT NOT NULL,  -- when it was written, as it says
    run_id TEXT NOT NULL,  -- the run that wrote it, as it says
    CONSTRAINT ck_periods_number CHECK (number > 0)
);

CREATE INDEX ix_periods_day ON periods (day, key);

CREATE TABLE copies (  -- one row per object that was compared with the second destination
    key TEXT NOT NULL PRIMARY KEY,  -- object key, the same in both destinations
    size INTEGER NOT NULL,  -- bytes
    state TEXT NOT NULL,  -- copied, pending, conflict or leaving
    digest TEXT,  -- algorithm:hex of the copy, SHA-256; only where it was copied
    version TEXT,  -- version id of the copy, where the second destination keeps versions
    attempts INTEGER NOT NULL,  -- failed attempts since it was last copied
    reason TEXT NOT NULL,  -- why it is not copied, in words
    noted_at TEXT NOT NULL,  -- when this was so
    CONSTRAINT ck_copies_state CHECK (
        state = 'copied' OR state = 'pending' OR state = 'conflict' OR state = 'leaving'
    ),
    CONSTRAINT ck_copies_attempts CHECK (attempts >= 0)
);

CREATE INDEX ix_copies_state ON copies (state);

CREATE TABLE copy_passes (  -- one row per comparison of the two destinations since everything was last compared
    begun_at TEXT NOT NULL PRIMARY KEY,  -- when the comparison began
    run_id TEXT NOT NULL,  -- the run that made it
    whole INTEGER NOT NULL,  -- whether it looked at everything
    ended_at TEXT  -- when it came to its end; null where it did not
);

CREATE TABLE runs (  -- one row per run
    run_id TEXT NOT NULL PRIMARY KEY,  -- the run
    started_at TEXT NOT NULL,  -- when it began
    ended_at TEXT,  -- when it ended; null while it runs, and for ever if it was killed
    exit_code INTEGER,  -- what it told its scheduler
    summary TEXT,  -- JSON: its last words, as in `run --json`
    host TEXT NOT NULL,  -- machine it ran on, for the words of a refused second run
    pid INTEGER NOT NULL  -- its process id there
);

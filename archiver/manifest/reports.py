"""What is asked of the manifest as a whole, and streams of it page by page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from archiver.errors import ExitCode
from archiver.manifest.columns import Connection, Values, identifier, identifier_of, json_of, moment, moment_of, one_of
from archiver.manifest.interface import Entry, RunCounts, RunRecord
from archiver.manifest.overview import IS_RUN, RUN, record
from archiver.manifest.rows import BEHIND, ENTRY, entry_of
from archiver.model import Digest, Row
from archiver.rules.evidence import Known
from archiver.rules.lifecycle import State

PAGE = 500
USEFUL = (ExitCode.COMPLETE, ExitCode.INCOMPLETE, ExitCode.NEEDS_A_PERSON, ExitCode.INTEGRITY, ExitCode.BUDGET)
"""With these a run has listed and archived what it could; with others it was kept from its work."""
SAME_CONTENT = 10
"""Other recordings with the same audio that are named at most."""
OPEN_STATES = tuple(state for state in State if state.is_open)

_COUNTS = """
    SELECT state, count(*), sum(archived_run IS :run) FROM recordings WHERE last_listed_run = :run GROUP BY state
"""
_SAME_CONTENT = f"""
    SELECT id FROM recordings
    WHERE content = :digest AND grade IS NOT 'rejected' AND id != :other_than
    AND {one_of("state", (State.STORED, State.ARCHIVED))}
    ORDER BY created_at, id LIMIT {SAME_CONTENT}
"""
_DAYS = "SELECT day, state, count(*) FROM recordings GROUP BY day, state ORDER BY day, state"
_LATEST = f"SELECT {RUN} FROM runs WHERE {IS_RUN} AND {{}} DESC LIMIT 1"
_ENDED = _LATEST.format("ended_at IS NOT NULL ORDER BY ended_at")
_UNENDED = _LATEST.format("ended_at IS NULL ORDER BY started_at")
_USEFUL = _LATEST.format(
    f"ended_at IS NOT NULL AND exit_code IN ({', '.join(str(int(code)) for code in USEFUL)}) ORDER BY ended_at"
)
_CLAIMS = f"""
    SELECT {ENTRY} FROM recordings
    WHERE day = :day AND audio_key > :after ORDER BY audio_key, id LIMIT :size
"""
_OF_DAY = "FROM recordings WHERE day = :day AND id > :after ORDER BY id LIMIT :size"
_LISTED = f"SELECT id, created_at, duration, state, source_row {_OF_DAY}"
_KEPT = f"SELECT {ENTRY}, source_row {_OF_DAY}"


def counts(connection: Connection, run_id: str) -> RunCounts:
    """By state, of the recordings that the run has listed."""
    states: dict[State, int] = {}
    mine = 0
    for state, count, own in connection.execute(_COUNTS, {"run": run_id}):
        states[State(state)] = count
        if state == State.ARCHIVED:
            mine = own
    return RunCounts(states, mine)


def days(connection: Connection) -> dict[date, dict[State, int]]:
    """Every day, by state; oldest first."""
    found: dict[date, dict[State, int]] = {}
    for day, state, count in connection.execute(_DAYS):
        found.setdefault(date.fromisoformat(day), {})[State(state)] = count
    return found


def oldest_open(connection: Connection) -> Entry | None:
    """The open entry with the earliest source time."""
    row = connection.execute(page_query(OPEN_STATES, begun=False), {"size": 1}).fetchone()
    return None if row is None else entry_of(row)


def last_run(connection: Connection, *, useful: bool) -> RunRecord | None:
    """The run that ended last, else (not if a useful one is asked for) the latest that began."""
    if useful:
        row = connection.execute(_USEFUL).fetchone()
    else:
        row = connection.execute(_ENDED).fetchone() or connection.execute(_UNENDED).fetchone()
    return None if row is None else record(*row)


def same_content(connection: Connection, digest: Digest, other_than: str) -> list[str]:
    """Other accepted recordings with this audio."""
    found = connection.execute(_SAME_CONTENT, {"digest": str(digest), "other_than": identifier(other_than)})
    return [identifier_of(recording_id) for (recording_id,) in found]


def page(connection: Connection, states: Sequence[State], after: tuple[datetime, str] | None) -> list[Entry]:
    """The next ``PAGE`` entries in one of ``states`` behind ``after``, oldest first."""
    behind = {} if after is None else {"created_at": moment(after[0]), "id": identifier(after[1])}
    query = page_query(states, begun=after is not None)
    return [entry_of(row) for row in connection.execute(query, {"size": PAGE, **behind})]


def claims(connection: Connection, day: date, after: str) -> list[Entry]:
    """The next ``PAGE`` entries of the day that name audio, behind the key ``after``."""
    found = connection.execute(_CLAIMS, {"day": day.isoformat(), "after": after, "size": PAGE})
    return [entry_of(row) for row in found]


def listed(connection: Connection, day: date, after: str) -> list[Known]:
    """The next ``PAGE`` recordings of the day, behind the id ``after``."""
    return [
        Known(identifier_of(recording_id), moment_of(created_at), duration, State(state), json_of(row) or {})
        for recording_id, created_at, duration, state, row in connection.execute(_LISTED, _behind(day, after))
    ]


def kept(connection: Connection, day: date, after: str) -> list[tuple[Entry, Row]]:
    """The next ``PAGE`` entries of the day with their rows, behind the id ``after``."""
    found = connection.execute(_KEPT, _behind(day, after))
    return [(entry_of(row), json_of(row[BEHIND]) or {}) for row in found]


def _behind(day: date, after: str) -> Values:
    return {"day": day.isoformat(), "after": identifier(after), "size": PAGE}


def page_query(states: Sequence[State], *, begun: bool) -> str:
    """One walk of the index per state, each cut at a page, then merged.

    Asked for all states in one walk, a database would sort everything that is left for every page.
    """
    behind = "AND (created_at, id) > (:created_at, :id)" if begun else ""
    walks = " UNION ALL ".join(
        f"SELECT * FROM (SELECT created_at, id FROM recordings WHERE state = '{state.value}' {behind} "
        "ORDER BY created_at, id LIMIT :size)"
        for state in dict.fromkeys(states)
    )
    return f"""
        SELECT {ENTRY} FROM recordings
        JOIN (SELECT id FROM ({walks}) ORDER BY created_at, id LIMIT :size) AS page ON page.id = recordings.id
        ORDER BY recordings.created_at, recordings.id
    """

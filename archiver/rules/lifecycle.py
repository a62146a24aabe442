"""What can become of a recording: its states, its events, and the one table that joins them.

States name durable facts. A transient failure is not one: it is an attempt row in the manifest, and the recording
stays where it is. ``archived`` is reached only through ``stored``.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a recording stands, durably."""

    DISCOVERED = "discovered"  # the source has named it; its audio is not in the bucket yet
    STORED = "stored"  # audio in the bucket, judged; sidecar still to be written
    ARCHIVED = "archived"  # audio and sidecar in the bucket
    QUARANTINED = "quarantined"  # its bytes were rejected and lie in quarantine/, with the reasons
    SKIPPED = "skipped"  # excluded by policy
    UNAVAILABLE = "unavailable"  # named by the source, audio no longer there
    FAILED = "failed"  # attempts spent
    EXPIRED = "expired"  # retention over, deleted

    @property
    def is_open(self) -> bool:
        """True while a run still has something to do for it."""
        return self in (State.DISCOVERED, State.STORED)


class Event(StrEnum):
    """What happened to a recording."""

    LISTED = "listed"  # – -> discovered
    EXCLUDED = "excluded"  # discovered -> skipped
    REJECTED = "rejected"  # discovered -> quarantined
    SOURCE_GONE = "source_gone"  # discovered -> unavailable
    UPLOADED = "uploaded"  # discovered -> stored
    SEALED = "sealed"  # stored -> archived
    GAVE_UP = "gave_up"  # discovered, stored -> failed
    DRIFTED = "drifted"  # stored, archived -> discovered
    UNSEALED = "unsealed"  # archived -> stored
    CORRUPTED = "corrupted"  # stored, archived -> quarantined
    EXPIRED = "expired"  # archived -> expired
    REQUEUED = "requeued"  # skipped, quarantined, unavailable, failed -> discovered


class Observation(StrEnum):
    """What was noticed of a recording at the source. It stands among the events and moves nothing."""

    CHANGED = "changed"  # its row says something else than before
    VANISHED = "vanished"  # an agreed listing of its day does not name it any more
    RETURNED = "returned"  # it had vanished, and is named again


TRANSITIONS: dict[tuple[State | None, Event], State] = {
    (None, Event.LISTED): State.DISCOVERED,
    (State.DISCOVERED, Event.EXCLUDED): State.SKIPPED,
    (State.DISCOVERED, Event.REJECTED): State.QUARANTINED,
    (State.DISCOVERED, Event.SOURCE_GONE): State.UNAVAILABLE,
    (State.DISCOVERED, Event.UPLOADED): State.STORED,
    (State.DISCOVERED, Event.GAVE_UP): State.FAILED,
    (State.STORED, Event.SEALED): State.ARCHIVED,
    (State.STORED, Event.GAVE_UP): State.FAILED,
    (State.STORED, Event.DRIFTED): State.DISCOVERED,
    (State.STORED, Event.CORRUPTED): State.QUARANTINED,
    (State.ARCHIVED, Event.DRIFTED): State.DISCOVERED,
    (State.ARCHIVED, Event.UNSEALED): State.STORED,
    (State.ARCHIVED, Event.CORRUPTED): State.QUARANTINED,
    (State.ARCHIVED, Event.EXPIRED): State.EXPIRED,
    (State.SKIPPED, Event.REQUEUED): State.DISCOVERED,
    (State.QUARANTINED, Event.REQUEUED): State.DISCOVERED,
    (State.UNAVAILABLE, Event.REQUEUED): State.DISCOVERED,
    (State.FAILED, Event.REQUEUED): State.DISCOVERED,
}

REQUEUEABLE = tuple(state for state, event in TRANSITIONS if event is Event.REQUEUED and state is not None)


def next_state(state: State | None, event: Event) -> State:
    """The state that ``event`` leads to; ValueError if the table does not know the step."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise ValueError(f"no {event} from {state or 'nothing'}") from None

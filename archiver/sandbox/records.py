"""What the provider knows of: a recording with its audio and its faults, and a call of the call log."""

import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from archiver.sandbox.faults import RecordingFault
from archiver.sandbox.mp3 import PLAIN, Mp3Form, render

_UUID_EPOCH = datetime(1582, 10, 15, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Speech:
    """Audio to be made: an MP3 stream of `seconds`, told from others by its `seed`."""

    seconds: float
    seed: int
    form: Mp3Form = PLAIN
    content_type: str = "audio/mpeg"

    def render(self) -> bytes:
        return render(self.form, self.seconds, self.seed)


@dataclass(frozen=True)
class StoredBytes:
    """Audio, or something else, given as it is."""

    data: bytes = field(repr=False)
    content_type: str = "audio/mpeg"

    def render(self) -> bytes:
        return self.data


Audio = Speech | StoredBytes


@dataclass(frozen=True)
class SandboxRecording:
    """One recording. `duration` is what the report says, in whole seconds; `audio` None means that there is none yet.

    `audio_key` names the object (no leading slash) and may be shared: the object is then the newest recording's
    audio, and so are the faults of object and transfer. `extra` is added to the row in every dialect.
    """

    id: str
    created_at: datetime
    duration: int
    call_from: str
    call_to: str
    audio_key: str
    audio: Audio | None
    call_id: str | None = None
    agent: str | None = None
    faults: tuple[RecordingFault, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)

    def evolve(self, **changes: object) -> "SandboxRecording":
        """The same with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class SandboxCall:
    """One row of the call log. `duration` and `billing` are in whole seconds; `extra` is added to the row."""

    id: str
    start_at: datetime
    end_at: datetime
    call_from: str
    call_to: str
    duration: int
    billing: int
    status: str = "RECEIVED"
    service: str = "IN"
    hangup_by: str = "caller"
    audio_key: str | None = None
    name: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)


def uuid1_at(moment: datetime, rng: random.Random) -> str:
    """A version 1 UUID whose embedded time lies within the second that `moment` begins, in UTC."""
    ticks = (moment - _UUID_EPOCH) // _TICK * 10 + rng.randrange(10_000_000)
    fields = (
        ticks & 0xFFFFFFFF,
        ticks >> 32 & 0xFFFF,
        ticks >> 48 & 0x0FFF | 0x1000,
        rng.randrange(64) | 0x80,
        rng.randrange(256),
        rng.getrandbits(48) | 1 << 40,  # the multicast bit: no network card's address
    )
    return str(uuid.UUID(fields=fields))


def new_recording(
    created_at: datetime,
    duration: int = 5,
    *,
    seed: int = 0,
    form: Mp3Form | None = None,
    faults: tuple[RecordingFault, ...] = (),
    call_id: str | None = None,
    agent: str | None = None,
    extra: Mapping[str, object] | None = None,
) -> SandboxRecording:
    """A recording made of a time, a duration in seconds and a seed; numbers, key and audio follow from them.

    The audio is up to a second longer than `duration` says, as whole seconds are rounded down.
    """
    created_at = created_at.astimezone(UTC).replace(microsecond=0)
    rng = random.Random(f"{seed} {created_at.isoformat()} {duration}")
    recording_id = uuid1_at(created_at, rng)
    callee = f"9180{rng.randrange(10**8):08d}"
    return SandboxRecording(
        id=recording_id,
        created_at=created_at,
        duration=duration,
        call_from=f"91{rng.randrange(7 * 10**9, 10**10)}",
        call_to=callee,
        audio_key=f"rc/{created_at:%y%m%d}/c-{callee}{recording_id[:8]}-{created_at:%d%m%y%H}.mp3",
        audio=Speech(duration + rng.random() * 0.9, rng.getrandbits(40), form or PLAIN),
        call_id=call_id,
        agent=agent,
        faults=faults,
        extra=extra or {},
    )

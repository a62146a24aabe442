"""Makes up recordings and calls: telephone-like numbers, office hours, sizes and kinds of MP3, all from one seed."""

import random
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from archiver.sandbox.mp3 import Mp3Form, seconds_for
from archiver.sandbox.records import SandboxCall, SandboxRecording, new_recording, uuid1_at

Sizes = Literal["small", "realistic"]

# What is met in the field: mostly plain constant rate, some with the tags of an encoder, some of variable rate.
_FORMS = (
    Mp3Form(),
    Mp3Form(),
    Mp3Form(info=True),
    Mp3Form(8_000, 16, info=True, id3v2=True),
    Mp3Form(vbr=True, info=True),
    Mp3Form(22_050, 32, id3v1=True),
)
_AGENTS = (None, None, "Asha Rao", "Jan Peeters", "Marie Dubois")
_SMALLEST, _LARGEST = 60_000, 2_000_000


def make_recordings(
    rng: random.Random, count: int, days: int, start_day: date, sizes: Sizes, forms: tuple[Mp3Form, ...] = ()
) -> list[SandboxRecording]:
    """Give `count` recordings spread over `days` UTC days; "realistic" sizes are 60 KB to 2 MB, 0.55 MB on average."""
    made = []
    for number in range(count):
        form = rng.choice(forms or _FORMS)
        duration = _seconds(rng, form, sizes)
        moment = _office_hour(rng, start_day + timedelta(days=number % days))
        call_id = uuid1_at(moment - timedelta(seconds=min(duration, 600)), rng)
        agent = rng.choice(_AGENTS)
        seed = rng.getrandbits(32)
        made.append(new_recording(moment, duration, seed=seed, form=form, call_id=call_id, agent=agent))
    return made


def make_calls(rng: random.Random, recordings: list[SandboxRecording], unanswered: int) -> list[SandboxCall]:
    """Give the call of each recording, and `unanswered` ones without."""
    calls = []
    for recording in recordings:
        start = recording.created_at - timedelta(seconds=min(recording.duration, 600))
        calls.append(
            SandboxCall(
                id=recording.call_id or uuid1_at(start, rng),
                start_at=start,
                end_at=recording.created_at,
                call_from=recording.call_from,
                call_to=recording.call_to,
                duration=recording.duration,
                billing=recording.duration,
                audio_key=recording.audio_key,
            )
        )
    for _ in range(unanswered):
        start = _office_hour(rng, rng.choice(recordings).created_at.date() if recordings else date(2026, 1, 1))
        calls.append(
            SandboxCall(
                id=uuid1_at(start, rng),
                start_at=start,
                end_at=start + timedelta(seconds=rng.randrange(5, 30)),
                call_from=f"91{rng.randrange(7 * 10**9, 10**10)}",
                call_to=f"9180{rng.randrange(10**8):08d}",
                duration=0,
                billing=0,
                status=rng.choice(("MISSED", "BUSY", "NOANSWER", "CANCEL")),
            )
        )
    return calls


def _seconds(rng: random.Random, form: Mp3Form, sizes: Sizes) -> int:
    if sizes == "small":
        return rng.randrange(2, 7)
    size = min(_LARGEST, max(_SMALLEST, rng.lognormvariate(12.9, 0.85)))
    return int(seconds_for(form, int(size)))


def _office_hour(rng: random.Random, day: date) -> datetime:
    """Some second of a UTC day, most of them between 8 and 18 h."""
    second = rng.randrange(8 * 3600, 18 * 3600) if rng.random() < 0.85 else rng.randrange(24 * 3600)
    return datetime.combine(day, time(), UTC) + timedelta(seconds=second)

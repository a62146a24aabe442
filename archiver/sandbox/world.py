"""The truth that the sandbox serves: recordings, calls, and the audio behind them.

Tests change a `World` while an archiver is at work on it, from any thread; a change is seen by the next request.
Audio is made when it is asked for and kept only while the cache has room, so that thousands of recordings cost no
memory.
"""

import hashlib
import random
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable
from datetime import date, datetime
from operator import attrgetter

from archiver.sandbox.faults import ObjectFault
from archiver.sandbox.mp3 import Mp3Form
from archiver.sandbox.population import Sizes, make_calls, make_recordings
from archiver.sandbox.records import Audio, SandboxCall, SandboxRecording
from archiver.sandbox.shelf import Shelf

_CACHE_BYTES = 64 * 2**20
_IN_THE_LONG_RUN = 10**9


class World:
    """Recordings and calls, newest first; every method may be called from any thread."""

    def __init__(self, recordings: Iterable[SandboxRecording] = (), calls: Iterable[SandboxCall] = ()) -> None:
        self._lock = threading.RLock()
        self._recordings: Shelf[SandboxRecording] = Shelf(attrgetter("created_at"))
        self._calls: Shelf[SandboxCall] = Shelf(attrgetter("end_at"))
        # Objects outlive their rows where a test says so: key -> recording id -> recording.
        self._revisions: Counter[str] = Counter()
        self._objects: dict[str, dict[str, SandboxRecording]] = {}
        self._audio = _AudioCache(_CACHE_BYTES)
        self._etags: dict[tuple[Audio, tuple[ObjectFault, ...]], str] = {}
        self.insert(*recordings)
        self.insert_calls(*calls)

    @classmethod
    def generate(
        cls,
        seed: int = 1,
        recordings: int = 25,
        days: int = 3,
        start_day: date = date(2026, 9, 22),
        sizes: Sizes = "small",
        *,
        forms: tuple[Mp3Form, ...] = (),
        unanswered: int | None = None,
    ) -> "World":
        """Make a world up from a seed: recordings over UTC days from `start_day`, their calls, and some unanswered
        ones.

        "small" audio is 2 to 7 seconds (4 to 28 KB); "realistic" is 60 KB to 2 MB. `forms` limits the kinds of MP3.
        """
        rng = random.Random(seed)
        made = make_recordings(rng, recordings, days, start_day, sizes, forms)
        return cls(made, make_calls(rng, made, recordings // 5 if unanswered is None else unanswered))

    def insert(self, *recordings: SandboxRecording) -> None:
        """Add recordings, or replace those of the same id; the object of each comes with it."""
        with self._lock:
            for recording in recordings:
                self._forget_object(recording.id)
                self._revisions[recording.id] += 1
                self._objects.setdefault(recording.audio_key, {})[recording.id] = recording
            self._recordings.put(recordings)

    def replace(self, recording: SandboxRecording) -> None:
        """Put another state of a recording in the place of the one with its id; KeyError when there is none.

        The occurrences of its faults are counted anew.
        """
        with self._lock:
            self[recording.id]
            self.insert(recording)

    def remove(self, *ids: str, keep_audio: bool = False) -> None:
        """Take recordings out of the listing, their objects too unless `keep_audio`."""
        with self._lock:
            if not keep_audio:
                for recording_id in ids:
                    self._forget_object(recording_id)
            self._recordings.drop(ids)

    def insert_calls(self, *calls: SandboxCall) -> None:
        """Add calls, or replace those of the same id."""
        with self._lock:
            self._calls.put(calls)

    def remove_calls(self, *ids: str) -> None:
        """Take calls out of the log."""
        with self._lock:
            self._calls.drop(ids)

    def __getitem__(self, recording_id: str) -> SandboxRecording:
        with self._lock:
            recording = self._recordings.get(recording_id)
        if recording is None:
            raise KeyError(recording_id)
        return recording

    def revision(self, recording_id: str) -> int:
        """How often this recording was put here."""
        with self._lock:
            return self._revisions[recording_id]

    def recordings(self, start: datetime | None = None, end: datetime | None = None) -> tuple[SandboxRecording, ...]:
        """Give recordings with start ≤ created_at < end, newest first."""
        with self._lock:
            return self._recordings.between(start, end)

    def calls(self, start: datetime | None = None, end: datetime | None = None) -> tuple[SandboxCall, ...]:
        """Give calls with start ≤ end_at < end, newest first."""
        with self._lock:
            return self._calls.between(start, end)

    def owner(self, audio_key: str) -> SandboxRecording | None:
        """The recording whose audio lies under a key: the newest, where several share it."""
        with self._lock:
            sharing = [r for r in self._objects.get(audio_key, {}).values() if r.audio is not None]
        return max(sharing, key=attrgetter("created_at"), default=None)

    def audio_bytes(self, recording_id: str) -> bytes:
        """Give the very bytes that a GET of this recording's link gets in the end; LookupError when it has no audio.

        Damage of the stored object and a shared key are in it; faults of the transfer, and such as pass, are not.
        """
        owner = self.owner(self[recording_id].audio_key)
        if owner is None:
            raise LookupError(f"recording {recording_id} has no audio yet")
        return self.stored_object(owner, _IN_THE_LONG_RUN)[0]

    def whole_audio_bytes(self, recording_id: str) -> bytes:
        """Give the bytes that were recorded, before anything happened to them; LookupError without audio."""
        audio = self[recording_id].audio
        if audio is None:
            raise LookupError(f"recording {recording_id} has no audio yet")
        return self._audio.get(audio)

    def stored_object(self, owner: SandboxRecording, seen: int) -> tuple[bytes, str]:
        """Give bytes and MD5 (hex) of an object after `seen` earlier GETs of it."""
        if owner.audio is None:
            raise LookupError(f"recording {owner.id} has no audio yet")
        harm = tuple(f for f in owner.faults if isinstance(f, ObjectFault) and f.active(seen))
        data = self._audio.get(owner.audio)
        for fault in harm:
            data = fault.damage(data)
        etag = self._etags.get((owner.audio, harm))
        if etag is None:
            etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
            self._etags[owner.audio, harm] = etag
        return data, etag

    def _forget_object(self, recording_id: str) -> None:
        known = self._recordings.get(recording_id)
        if known is not None:
            self._objects.get(known.audio_key, {}).pop(recording_id, None)


class _AudioCache:
    """The audio used last, up to so many bytes in all."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[Audio, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, audio: Audio) -> bytes:
        with self._lock:
            if audio in self._kept:
                self._kept.move_to_end(audio)
                return self._kept[audio]
        data = audio.render()
        with self._lock:
            if audio not in self._kept:
                self._kept[audio] = data
                self._size += len(data)
            while self._size > self._limit and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1])
        return data

"""Gets new links for recordings whose own died: by listing their day again, once for all that wait for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

import anyio

from archiver.deadline_queue import DeadlineQueue
from archiver.errors import SourceFailed
from archiver.job import Job
from archiver.model import Recording, Window
from archiver.rules import presign
from archiver.source.interface import Source

Abandon = Callable[[Job, str], Awaitable[None]]
"""What to do with a job for which there is no new link; given the reason."""


@dataclass(slots=True)
class Refresher:
    """One task of a run. Listing again is single-flight per window: a flat day renews all its links in one answer."""

    source: Source
    queue: DeadlineQueue
    abandon: Abandon
    refreshed: int = 0
    _stale: dict[Window, dict[str, Job]] = field(default_factory=dict)
    _wanted: anyio.Event = field(default_factory=anyio.Event)

    def want(self, job: Job) -> None:
        """Take a job whose link is stale; it goes back into the queue with a new one, or is abandoned."""
        self._stale.setdefault(job.intake.window, {})[job.entry.recording_id] = job
        self._wanted.set()

    async def run(self) -> None:
        """Serve until cancelled. Raises SourceRefused."""
        while True:
            while not self._stale:
                self._wanted = anyio.Event()
                await self._wanted.wait()
            await self._list_again(min(self._stale))

    async def _list_again(self, window: Window) -> None:
        waiting = self._stale[window]
        asked = set(waiting)
        reason = "the source no longer names it"
        try:
            async with aclosing(aiter(self.source.recordings(window))) as pages:
                async for page in pages:
                    for recording in page.rows:
                        await self._renew(waiting, recording)
                    asked -= {recording.id for recording in page.rows}
                    if not asked:
                        break
        except SourceFailed as error:
            reason = f"its day cannot be listed again: {error.fact}"
        for recording_id in asked & set(waiting):
            await self.abandon(waiting.pop(recording_id), reason)
        if not waiting:
            del self._stale[window]

    async def _renew(self, waiting: dict[str, Job], recording: Recording) -> None:
        job = waiting.pop(recording.id, None)
        if job is None:
            self.queue.renew(recording)
        elif recording.link is None:
            await self.abandon(job, "the source no longer gives a link to its audio")
        elif not job.take_link(recording.link):
            await self.abandon(job, "the source now links it to other audio")
        else:
            job.born_stale = not presign.is_fresh(recording.link.deadline, self.source.server_time())
            self.refreshed += 1
            self.queue.put_back(job)

"""`Sandbox`: a provider on two loopback ports, in its own thread or in the foreground."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial

from archiver.sandbox.dialects import Report
from archiver.sandbox.http import HttpServer
from archiver.sandbox.journal import RequestRecord
from archiver.sandbox.listing_faults import SandboxFault
from archiver.sandbox.origin import AudioOrigin
from archiver.sandbox.provider import Provider
from archiver.sandbox.voice_api import VoiceApi


class Sandbox(Provider):
    """A `Provider` that listens: the API at `base_url`, the audio at `audio_base_url`.

    `with Sandbox(world).running() as sandbox:` serves from a thread of its own; `async with sandbox.listening():` and
    `await sandbox.serve()` serve from the running event loop.
    """

    @contextmanager
    def running(self) -> Iterator["Sandbox"]:
        """Serve in a thread while the block runs; no connection outlives it.

        OSError when a port is taken; ExceptionGroup at the end if the sandbox itself has failed.
        """
        started: Future[Callable[[], object]] = Future()
        with ThreadPoolExecutor(1, thread_name_prefix="sandbox") as executor:
            ended = executor.submit(lambda: asyncio.run(self._until_stopped(started)))
            stop = started.result()
            try:
                yield self
            finally:
                stop()
                ended.result()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Sandbox"]:
        """Serve from this event loop while the block runs. OSError when a port is taken."""
        asked = self.api_port, self.audio_port
        api = HttpServer(VoiceApi(self), self.http_date, self.tls)
        audio = HttpServer(AudioOrigin(self), self.http_date, self.tls)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(api.stop)
            stack.push_async_callback(audio.stop)
            self.api_port = await api.start(self.host, self.api_port)
            self.audio_port = await audio.start(self.host, self.audio_port)
            try:
                yield self
            finally:
                self.api_port, self.audio_port = asked

    async def serve(self, on_ready: Callable[["Sandbox"], None] = lambda sandbox: None) -> None:
        """Serve until cancelled; `on_ready` is called once both addresses are known."""
        async with self.listening():
            on_ready(self)
            await asyncio.Event().wait()

    async def _until_stopped(self, started: "Future[Callable[[], object]]") -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        try:
            async with self.listening():
                started.set_result(partial(loop.call_soon_threadsafe, stop.set))
                await stop.wait()
        except BaseException as problem:
            if started.done():
                raise
            started.set_exception(problem)

    @property
    def requests(self) -> tuple[RequestRecord, ...]:
        """Every request so far, oldest first, those still being answered included."""
        return self.journal.records()

    def listings(self, report: Report | None = None) -> tuple[RequestRecord, ...]:
        """The requests for a report, or for both."""
        return tuple(r for r in self.requests if r.report is not None and report in (None, r.report))

    def downloads(self, recording_id: str | None = None) -> tuple[RequestRecord, ...]:
        """The requests for audio, of one recording or of all."""
        return tuple(r for r in self.requests if r.origin == "audio" and recording_id in (None, r.recording_id))

    def forget_requests(self) -> None:
        """Empty `requests`, and begin a new peak."""
        self.journal.clear()

    @property
    def live_transfers(self) -> int:
        """Audio answers under way at this moment."""
        return self.journal.live_transfers

    @property
    def peak_transfers(self) -> int:
        """The most audio answers that were under way at once."""
        return self.journal.peak_transfers

    def inject(self, *faults: SandboxFault) -> None:
        """Add faults while running."""
        self.desk.inject(*faults)

    def clear_faults(self) -> None:
        """Take away the faults of the sandbox; those that recordings bring along stay."""
        self.desk.clear()

"""One run, watched from outside from its begin to its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from archiver.clock import Clock
from archiver.errors import ArchiverError, ExitCode, code_of
from archiver.manifest.interface import Manifest
from archiver.reporting import UNTRACED, AllOfThem, Everyone, Reporter, Trace
from archiver.rules.summary import SIGNALS
from archiver.runner import Ended
from archiver.standing import standing_of
from archiver.telemetry.courier import Courier

if TYPE_CHECKING:
    from archiver.telemetry.metrics import Metrics
    from archiver.telemetry.pings import Pinger
    from archiver.telemetry.profile import Profile
    from archiver.telemetry.tracing import Tracing

PATIENCE = 5.0
"""Seconds for which the exit may be held up by receivers; after a signal only ``HASTE``."""
HASTE = 1.0


@dataclass(slots=True)
class Observation:
    """What is told of one run. Use once."""

    clock: Clock
    reporter: Reporter
    """Of the run itself: hears of it when a receiver was not told."""
    courier: Courier
    pinger: Pinger | None = None
    metrics: Metrics | None = None
    textfile: Path | None = None
    pushgateway: str | None = None
    tracing: Tracing | None = None
    profile: Profile | None = None
    copied: bool = False
    """True if there is a second destination."""

    @property
    def everyone(self) -> Reporter:
        """Whoever wants to hear of events."""
        return Everyone([self.reporter, self.metrics]) if self.metrics else self.reporter

    @property
    def trace(self) -> Trace:
        """Whoever wants to hear of steps."""
        traces = [trace for trace in (self.tracing, self.profile) if trace is not None]
        return AllOfThem(traces) if len(traces) > 1 else next(iter(traces), UNTRACED)

    async def over(self, run: Callable[[], Awaitable[Ended]]) -> Ended:
        """Do the run, told from begin to end, however it ends."""
        if self.pinger is not None:
            self.pinger.started()
        ended, code = None, ExitCode.BUG
        try:
            with self.trace.span("run"):
                ended = await run()
            code = ended.exit_code
        except BaseException as error:
            code = code_of(error)
            raise
        else:
            return ended
        finally:
            with anyio.CancelScope(shield=True):
                await self._conclude(ended, code)

    async def take_stock(self, manifest: Manifest) -> None:
        """Read how the archive stands after the run, while the manifest is open."""
        if self.metrics is None:
            return
        try:
            self.metrics.stand(await standing_of(manifest, self.clock.now(), copied=self.copied))
        except ArchiverError as error:
            self.reporter.event("not_told", receiver="metrics", reason=error.fact)

    async def _conclude(self, ended: Ended | None, code: ExitCode) -> None:
        summary = None if ended is None else ended.summary
        # A run that was refused because another one holds the manifest has nothing to say of the archive.
        if self.metrics is not None and code is not ExitCode.LOCKED:
            self.metrics.end(code, self.clock.now().timestamp(), summary)
            self.metrics.tell(self.courier, self.textfile, self.pushgateway)
        if self.tracing is not None:
            self.tracing.tell(self.courier)
        if self.pinger is not None:
            self.pinger.ended(code, {} if summary is None else summary.to_json())
        patience = HASTE if summary is not None and summary.stopped in SIGNALS else PATIENCE
        for failure in await anyio.to_thread.run_sync(self.courier.finish, patience):
            self.reporter.event("not_told", receiver=failure.receiver, reason=failure.reason)

"""How a run is watched: NDJSON events, a live bar on a terminal, a heartbeat line elsewhere; and the signals."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio

from archiver.cli.console import Console, OutputClosed
from archiver.cli.redaction import printable
from archiver.errors import ExitCode

if TYPE_CHECKING:
    from archiver.runner import Run

HEARTBEAT_SECONDS = 30.0
REFRESH_SECONDS = 1.0
"""A live bar is drawn anew so often: its clock goes on while a slow source lists."""
DRAIN_SECONDS = 15.0
"""After the first signal, what is in flight may finish for so long."""
LEAVE_SECONDS = 3.0
"""After it was dropped, the run may take so long to end by itself: 19 s in all at most."""
LAST_SECONDS = 19.5
"""After the first signal the process is gone, whatever it still does (saving the manifest, say): 20 s are promised."""

TALK = {
    "begun": (1, "run {run_id} begins"),
    "archived": (1, "{recording_id}: archived ({grade})"),
    "adopted": (1, "{recording_id}: found in the bucket, adopted"),
    "quarantined": (0, "{recording_id}: quarantined: {reasons}"),
    "unavailable": (0, "{recording_id}: gone at the source"),
    "failed": (0, "{recording_id}: given up: {reason}"),
    "attempt_failed": (1, "{recording_id}: attempt failed ({stage}): {reason}"),
    "fetch_again": (1, "{recording_id}: rejected once, fetched again: {reason}"),
    "link_stale": (1, "{recording_id}: {reason}; its day is listed again"),
    "slowed_down": (0, "asked to slow down: {in_flight} in flight at most from here on"),
    "left_open": (1, "{recording_id}: left for the next run: {reason}"),
    "conflict": (-1, "{recording_id}: the bucket holds other bytes under {key}; nothing was overwritten"),
    "bad_row": (0, "row {recording_id}: {reason}"),
    "window": (1, "{window}: {listed} recordings listed"),
    "window_disagreed": (-1, "{window}: the listing cannot be relied on: {reason}"),
    "calls": (1, "{window}: {listed} calls listed, {new} new, {changed} changed"),
    "calls_unsettled": (-1, "{window}: its calls are not all archived, or not listed reliably: {reason}"),
    "call_part_unreadable": (-1, "{key}: cannot be read; what it should hold is archived again"),
    "bad_call": (0, "call {call_id}: {reason}"),
    "copy_failed": (0, "{key}: not copied to the second destination: {reason}"),
    "copy_conflict": (-1, "{key}: the second destination holds other bytes under it; nothing was overwritten"),
    "copying_stopped": (-1, "second destination: {reason}; what it lacks is copied by the next run"),
    "period_stated": (1, "{window}: closed with a statement, {recordings} recordings: {key}"),
    "period_amended": (0, "{window}: its statement is amended: {key}"),
    "period_pending": (-1, "{window}: not closed: {reason}"),
    "period_unreadable": (-1, "{key}: no statement that can be read; archiver periods verify looks closer"),
    "window_closed": (1, "{window}: closed"),
    "vanished": (0, "{recording_id}: the source no longer names it"),
    "unnamed": (0, "{recording_id}: the source no longer names it ({state})"),
    "returned": (1, "{recording_id}: the source names it again"),
    "changed": (1, "{recording_id}: the source has changed its row: {fields}"),
    "misfit": (-1, "{recording_id}: archived and in doubt: {reason}"),
    "forgotten": (-1, "{recording_id}: the source forgot it before it was archived"),
    "would": (1, "{recording_id}: {reason}"),
    "listing_stopped": (-1, "listing stopped: {unlisted} further windows were not tried"),
    "not_create_only": (
        -1,
        "{destination}: {reason}; each key is looked at before its put. Two writers at once may meet",
    ),
    "not_told": (-1, "{receiver} was not told: {reason}"),
    "bug": (-1, "{recording_id}: unexpected {error} (a bug: please report)"),
}
"""From which verbosity an event is talked about, and how."""


class Watcher:
    """A ``Reporter`` that talks through a Console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.environ = console.environ
        self._bar: Any = None
        self._listed = self._settled = self._size = self._windows = 0
        self._unheard = False
        self._last: threading.Timer | None = None
        self.left_because: Counter[str] = Counter()
        """How many recordings were left for the next run, by reason."""

    def event(self, kind: str, /, **fields: object) -> None:
        """NDJSON with ``--json``; a line of talk where the verbosity asks for it."""
        # An exception's own words may hold anything: its kind is told, and with --debug its traceback, redacted.
        shown = {
            name: type(value).__name__ if isinstance(value, Exception) else value for name, value in fields.items()
        }
        self._emit(kind, shown)
        if kind == "begun":
            self._console.bind(run_id=fields["run_id"])
        if kind == "window":
            self._windows += 1
            self._draw()
        verbosity, words = TALK.get(kind, (1, f"{{recording_id}}: {kind}"))
        if self._console.flags.verbosity >= verbosity:
            texts = {name: ", ".join(v) if isinstance(v, list) else v for name, v in shown.items()}
            tell: Callable[..., None] = self._console.warn if verbosity < 0 else self._console.say
            tell(words.format_map(_Blank(texts)), type=kind, **shown)
        if kind == "left_open":
            self.left_because[str(fields["reason"])] += 1
        error = fields.get("error")
        if isinstance(error, Exception) and self._console.flags.debug:
            import traceback

            self._console.put(printable("".join(traceback.format_exception(error)).rstrip()))

    def _emit(self, kind: str, fields: dict[str, object]) -> None:
        """An NDJSON object. Archiving goes on if nobody takes it any more; the summary will say so at the end."""
        if not self._unheard:
            try:
                self._console.event(kind, **fields)
            except OutputClosed:
                self._unheard = True

    def progress(self, *, listed: int, settled: int, size: int) -> None:
        """Move the bar."""
        self._listed, self._settled, self._size = listed, settled, size
        self._draw()

    def _draw(self) -> None:
        if self._bar is not None:
            self._bar.total = self._listed
            self._bar.n = self._settled
            self._bar.set_postfix_str(self._state(), refresh=False)
            self._bar.update(0)

    def _state(self) -> str:
        return f"{self._windows} days listed, {self._size / 2**20:.1f} MiB"

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw the bar meanwhile, on a terminal. At its end nothing cuts the process off any more."""
        try:
            if not self._console.live:
                yield
                return
            from tqdm import tqdm

            with tqdm(unit="rec", dynamic_ncols=True, leave=False, desc="archiving") as bar:
                self._bar = bar
                with self._console.talking_through(_above):
                    yield
            self._bar = None
        finally:
            if self._last is not None:
                self._last.cancel()

    async def heartbeat(self) -> None:
        """A bar's clock goes on, and where there is none there is one line every 30 s; until cancelled."""
        while True:
            await anyio.sleep(HEARTBEAT_SECONDS if self._bar is None else REFRESH_SECONDS)
            if self._bar is not None:
                self._bar.refresh()
            else:
                self._console.say(f"{self._settled} of {self._listed} recordings settled; {self._state()}")

    async def alongside(self, run: Run) -> None:
        """Heartbeat, and signals: the first drains, the second drops. Safe at any point; a later run resumes."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.heartbeat)
            draining = False
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                async for number in signals:
                    if draining:
                        run.drop()
                        continue
                    draining = True
                    self._leave_in(LAST_SECONDS, run, ExitCode[number.name])
                    run.stop(number.name)
                    self._console.say(f"{number.name}: finishing what is in flight, {DRAIN_SECONDS:.0f} s at most")
                    tasks.start_soon(self._drain, run, ExitCode[number.name])

    async def _drain(self, run: Run, code: ExitCode) -> None:
        await anyio.sleep(DRAIN_SECONDS)
        run.drop()
        await anyio.sleep(LEAVE_SECONDS)
        with anyio.move_on_after(1):
            await run.account()
        self._cut(run, code)

    def _leave_in(self, seconds: float, run: Run, code: ExitCode) -> None:
        """From a thread of its own: whatever holds up the end, it may be the event loop."""
        self._last = threading.Timer(seconds, self._cut, (run, code))
        self._last.daemon = True
        self._last.start()

    def _cut(self, run: Run, code: ExitCode) -> None:
        self._emit("summary", run.summary.to_json() | {"cut": True})
        # A thread hangs in a call to the store. What was written is durable, the rest is resumed: as after a kill.
        os._exit(code)


class _Blank(dict[str, object]):
    """For format_map: a field that an event does not carry reads as a dash."""

    def __missing__(self, key: str) -> str:
        return "-"


def _above(text: str) -> None:
    """Write a line above the live bar."""
    import sys

    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)

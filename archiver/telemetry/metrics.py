"""The metrics of a run, for Prometheus: what they are called, where they come from, where they go.

All are told once, at the end of a run: gauges say how the archive stands then, histograms and ``archiver_run_*`` what
that run did. docs/observability.md describes each one.
"""

from __future__ import annotations

import platform
from functools import partial
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    Histogram,
    disable_created_metrics,
    push_to_gateway,
    write_to_textfile,
)

from archiver import __version__
from archiver.errors import ExitCode
from archiver.manifest.copy_book import CopyState
from archiver.rules.lifecycle import State
from archiver.rules.summary import Summary
from archiver.rules.windows import lost_at
from archiver.standing import Standing
from archiver.telemetry.courier import Courier

JOB = "archiver"
"""Of the Pushgateway's grouping key."""
PUSH_TIMEOUT = 4.0
"""Seconds."""
TRANSFER_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
RUN_BUCKETS = (1, 10, 60, 300, 900, 1800, 3600, 7200, 14400, 43200)
_OUTCOMES = ("archived", "already_archived", "quarantined", "skipped", "pending", "failed", "unavailable")


class Metrics:
    """A ``Reporter`` that measures; then ``stand`` and ``end`` complete it, and ``tell`` hands it over."""

    def __init__(self, archive: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a gauge beside each histogram, of no use to a job that tells once
        self._archive = archive
        self.registry = CollectorRegistry()
        self._transfer = self._histogram(
            "archiver_transfer_seconds",
            "Seconds from the first byte asked for to the seal, per recording that the last run settled.",
            TRANSFER_BUCKETS,
        )
        self._retries = self._gauge("archiver_run_retries", "Failed attempts that the last run tried again or left.")
        self._retries.set(0)

    def event(self, kind: str, /, **fields: object) -> None:
        """Measure transfers and count attempts."""
        seconds = fields.get("seconds")
        if kind in {"archived", "quarantined"} and isinstance(seconds, float):
            self._transfer.observe(seconds)
        elif kind == "attempt_failed":
            self._retries.inc()

    def progress(self, *, listed: int, settled: int, size: int) -> None:
        """Nothing: metrics are told at the end."""

    def stand(self, standing: Standing) -> None:
        """How the archive stands after the run. Times of what is not there are left out."""
        recordings = self._gauge("archiver_recordings_total", "Recordings that the manifest knows, by state.", "state")
        for state in State:
            recordings.labels(self._archive, state.value).set(standing.states.get(state, 0))
        if standing.copies is not None:
            copies = self._gauge("archiver_copies_total", "Objects by their state in the second destination.", "state")
            for there in CopyState:
                copies.labels(self._archive, there.value).set(standing.copies.get(there, 0))
        self._set("archiver_windows_disagreed", "Days whose last listing is in doubt.", standing.disagreed)
        oldest, now = standing.oldest_open, standing.at
        waiting = (now - oldest).total_seconds() if oldest else 0.0
        left = (lost_at(oldest) - now).total_seconds() if oldest else float("inf")
        self._set("archiver_oldest_open_seconds", "Age of the oldest open recording; 0 where none is open.", waiting)
        self._set("archiver_seconds_to_first_loss", "Until the source forgets it; +Inf where none is open.", left)
        if oldest is not None:
            about = "When the source forgets the oldest open recording; absent where none is open."
            self._set("archiver_first_loss_timestamp_seconds", about, lost_at(oldest).timestamp())
        if standing.last_success is not None:
            about = "When a run last did its work (exit codes 0, 3, 4, 5, 13); absent where none has."
            self._set("archiver_last_success_timestamp_seconds", about, standing.last_success.timestamp())

    def end(self, code: ExitCode, ended_at: float, summary: Summary | None) -> None:
        """How the run ended: seconds since the epoch; None where it never came to count anything."""
        self._set("archiver_run_exit_code", "Exit code of the last run.", int(code))
        self._set("archiver_run_timestamp_seconds", "When the last run ended.", ended_at)
        build = self._gauge("archiver_build_info", "Always 1; the labels name the software.", "version", "python")
        build.labels(self._archive, __version__, platform.python_version()).set(1)
        if summary is None:
            return
        duration = self._histogram("archiver_run_seconds", "Seconds that the last run took.", RUN_BUCKETS)
        duration.observe(summary.seconds)
        listed = self._gauge("archiver_run_recordings", "Recordings that the last run listed, by outcome.", "outcome")
        for outcome in _OUTCOMES:
            listed.labels(self._archive, outcome).set(getattr(summary, outcome))
        for name, about, value in (
            ("archiver_run_bytes", "Bytes of audio that the last run moved.", summary.bytes),
            ("archiver_run_in_flight", "Recordings in flight at once, at most.", summary.in_flight),
            ("archiver_run_concurrency", "Recordings that could be in flight at its end.", summary.concurrency),
            ("archiver_run_concurrency_highest", "The same at most.", summary.concurrency_highest),
            ("archiver_run_pushed_back", "Times that it was asked to slow down.", summary.pushed_back),
            ("archiver_run_windows", "Days that the last run listed.", summary.windows),
            ("archiver_run_windows_disagreed", "Of them in doubt.", summary.windows_disagreed),
            ("archiver_run_links_refreshed", "Dead links that the last run got anew.", summary.links_refreshed),
            ("archiver_run_suspect", "Recordings that the last run archived and flagged.", summary.suspect),
            ("archiver_run_conflicts", "Puts that met other bytes under their key.", summary.conflicts),
        ):
            self._set(name, about, value)

    def tell(self, courier: Courier, textfile: Path | None, pushgateway: str | None) -> None:
        """Hand everything over: to the textfile, which is replaced as a whole, and to the Pushgateway, likewise."""
        if textfile is not None:
            courier.send(str(textfile), partial(write_to_textfile, str(textfile), self.registry))
        if pushgateway is not None:
            push = partial(push_to_gateway, pushgateway, JOB, self.registry, {"archive": self._archive}, PUSH_TIMEOUT)
            courier.send("the Pushgateway", push)

    def _set(self, name: str, about: str, value: float) -> None:
        self._gauge(name, about).set(value)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        gauge = Gauge(name, about, ("archive", *labels), registry=self.registry)
        return gauge if labels else gauge.labels(self._archive)

    def _histogram(self, name: str, about: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, about, ("archive",), registry=self.registry, buckets=buckets).labels(self._archive)

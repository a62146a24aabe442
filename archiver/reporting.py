"""What a run tells whoever watches it: typed events, without secrets and without phone numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol


class Reporter(Protocol):
    """Takes events as they happen, on the event loop; must not block."""

    def event(self, kind: str, /, **fields: object) -> None:
        """One event: ``kind`` in snake_case, fields as JSON values (``recording_id``, ``window``, ``reason``, …)."""

    def progress(self, *, listed: int, settled: int, size: int) -> None:
        """Recordings listed so far that need work, of them settled, and bytes of audio moved."""


def doubts_told_to(reporter: Reporter) -> Callable[[str, str], None]:
    """Takes where create-only puts cannot be relied on, and why (``store.interface.Doubtful``), for an event."""
    return lambda location, reason: reporter.event("not_create_only", destination=location, reason=reason)


class Trace(Protocol):
    """Takes the steps of a run as spans that lie within one another."""

    def span(self, name: str, /, **attributes: str) -> AbstractContextManager[object]:
        """A step, for as long as the block lasts. ``attributes``: ids and days; no number, no URL."""


class Untraced:
    """Nobody wants to know."""

    def span(self, name: str, /, **attributes: str) -> AbstractContextManager[object]:
        """Nothing."""
        del name, attributes
        return _NOTHING


_NOTHING = nullcontext()
UNTRACED = Untraced()


@dataclass(frozen=True, slots=True)
class AllOfThem:
    """Several traces, each of which takes every step."""

    traces: Sequence[Trace]

    @contextmanager
    def span(self, name: str, /, **attributes: str) -> Iterator[None]:
        """The step, to each."""
        with ExitStack() as stack:
            for trace in self.traces:
                stack.enter_context(trace.span(name, **attributes))
            yield


@dataclass(frozen=True, slots=True)
class Everyone:
    """Tells several reporters, in order."""

    reporters: Sequence[Reporter]

    def event(self, kind: str, /, **fields: object) -> None:
        """The event, to each."""
        for reporter in self.reporters:
            reporter.event(kind, **fields)

    def progress(self, *, listed: int, settled: int, size: int) -> None:
        """The progress, to each."""
        for reporter in self.reporters:
            reporter.progress(listed=listed, settled=settled, size=size)

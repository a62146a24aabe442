"""Carries messages to receivers outside, on a thread of its own that nothing has to wait for."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.error import HTTPError

Errand = Callable[[], None]
"""Delivers one message. Raises NotDelivered, OSError, or whatever its library raises."""


class NotDelivered(Exception):
    """A receiver did not take a message; the words hold no URL."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that was not delivered, and why."""

    receiver: str
    reason: str


class Courier:
    """Runs errands in the order they were given.

    A daemon thread rather than a pool or a task: the interpreter waits for a pool's threads at its end, and a name
    that does not resolve can hold one of them for minutes.
    """

    def __init__(self) -> None:
        self._errands: queue.SimpleQueue[tuple[str, Errand] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._under_way = ""
        self._failures: list[Failure] = []

    def send(self, receiver: str, errand: Errand) -> None:
        """Have it run; returns at once. ``receiver`` is what it is called if it fails."""
        self._errands.put((receiver, errand))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
            self._thread.start()

    def finish(self, seconds: float) -> list[Failure]:
        """Wait so long at most for what is under way; everything that failed. Nothing can be sent afterwards."""
        if self._thread is None:
            return []
        self._errands.put(None)
        self._thread.join(seconds)
        if self._thread.is_alive():
            return [*self._failures, Failure(self._under_way, f"no answer within {seconds:g} s")]
        return list(self._failures)

    def _run(self) -> None:
        while (message := self._errands.get()) is not None:
            self._under_way, errand = message
            try:
                errand()
            except Exception as error:
                self._failures.append(Failure(self._under_way, _words(error)))


def _words(error: Exception) -> str:
    """Not a library's own words, which may hold the URL: the system's, or the kind of error."""
    if isinstance(error, NotDelivered):
        return str(error)
    if isinstance(error, HTTPError):
        return f"the answer was {error.code}"
    each: BaseException | None = error
    while each is not None:  # clients wrap the system's error
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
        each = each.__cause__ or each.__context__
    return type(error).__name__

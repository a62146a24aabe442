"""A server as a process of its own on loopback, until whoever asked for it is done."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(
    name: str,
    words: Sequence[str],
    log: Path,
    answers: Callable[[], bool],
    seconds: float,
    environment: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """While it runs, from the moment that it ``answers``, which it has to within so many ``seconds``.

    What it prints goes into ``log``, and with an AssertionError into its words.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(words, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + seconds
        while not answers():
            assert process.poll() is None, f"{name} ended by itself:\n{log.read_text()}"
            assert time.monotonic() < deadline, f"{name} does not answer:\n{log.read_text()}"
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

"""Starts the archiver as a process that is warm already, does something to it first, and tells how it ended.

A fork server has imported the program once: a run costs what a run costs. Nothing is built into the program: what is
done to it (a kill at a named step, a seeded bug, an expired clock) is done by ``prepare`` in the forked child.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

PRELOADED = [
    "archiver.cli",
    "archiver.cli.run",
    "archiver.cli.watching",
    "archiver.wiring",
    "boto3.session",
    "tests.faults.steps",
]
PATIENCE = 120.0
"""Seconds: a run that takes longer hangs, which is a violation of I6."""

Prepare = Callable[[], object]


@dataclass(frozen=True)
class Ended:
    """How a process ended: the exit code as ``subprocess`` tells it, -9 after SIGKILL."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def events(self) -> list[dict[str, Any]]:
        """The NDJSON objects; the last line of a killed process may be torn, and is left out."""
        lines = self.stdout.splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]


@dataclass
class Started:
    """A process under way."""

    process: ForkServerProcess
    folder: Path
    began: float = field(default_factory=time.monotonic)

    def wait(self, patience: float = PATIENCE) -> Ended:
        """How it ended; TimeoutError, after killing it, if it does not."""
        self.process.join(patience)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            raise TimeoutError(f"the archiver hangs: {(self.folder / 'stderr').read_text()[-2000:]}")
        seconds = time.monotonic() - self.began
        streams = [(self.folder / name).read_text(errors="replace") for name in ("stdout", "stderr")]
        code = self.process.exitcode
        self.process.close()
        return Ended(code, streams[0], streams[1], seconds)


@cache
def _server() -> ForkServerContext:
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def start(
    folder: Path, words: Sequence[str], prepare: Prepare | None = None, environ: Mapping[str, str] | None = None
) -> Started:
    """``archiver WORDS``, stdout and stderr as files in ``folder``. ``prepare`` is pickled, and called in the child."""
    folder.mkdir(parents=True, exist_ok=True)
    process = _server().Process(target=_child, args=(str(folder), tuple(words), prepare, dict(environ or {})))
    process.start()
    return Started(process, folder)


def _child(folder: str, words: Sequence[str], prepare: Prepare | None, environ: Mapping[str, str]) -> None:
    for number, name in ((1, "stdout"), (2, "stderr")):
        fd = os.open(Path(folder) / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(fd, number)
        os.close(fd)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
    os.environ.update(environ)
    if prepare is not None:
        prepare()
    from archiver.cli import main

    sys.argv = ["archiver", *words]
    main.main(args=list(words), prog_name="archiver")

"""The program, killed by SIGKILL in the middle: just after the n-th change of a kind has reached the bucket."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.stories.operator import Operator

_PROGRAM = """
import os, signal
from archiver.cli import main
from archiver.store.s3_locks import ObjectLocks
real, left = ObjectLocks.{method}, [{after}]
def counting(self, *words):
    done = real(self, *words)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return done
ObjectLocks.{method} = counting
main()
"""


def dies(someone: Operator, method: str, after: int, *words: str) -> None:
    """Run ``archiver`` with ``words``; it has to die at the ``after``-th call of ``ObjectLocks.method``."""
    program = _PROGRAM.format(method=method, after=after)
    command = [sys.executable, "-c", program, "--config", str(someone.configure()), *words]
    ended = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == -signal.SIGKILL, f"the kill never came: {ended.stderr}"

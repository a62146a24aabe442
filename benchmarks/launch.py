"""Starts a command and writes what it used: ``python -IS launch.py USAGE.json COMMAND…``.

A process of its own and a small one: a child's peak memory counts from the moment it was forked, so that one started
by a large process seems large.
"""

import json
import os
import sys
import time
from pathlib import Path

usage_path, *words = sys.argv[1:]
started = time.monotonic()
child = os.posix_spawnp(words[0], words, os.environ)
_, status, usage = os.wait4(child, 0)
used = {
    "exit_code": os.waitstatus_to_exitcode(status),
    "seconds": time.monotonic() - started,
    "cpu_seconds": usage.ru_utime + usage.ru_stime,
    "peak_mib": usage.ru_maxrss / 1024,
}
Path(usage_path).write_text(json.dumps(used))

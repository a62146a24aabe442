"""``python -m tests.faults.counted CONFIG… -- WORDS…``: runs the archiver with each configuration, in one process.

The last line tells, as JSON, the open descriptors before, after each run, and the most at any time.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

from archiver.cli import main

ONE_AT_A_TIME = threading.Lock()


def count() -> int:
    with ONE_AT_A_TIME:
        return len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208 - but for the one that lists


def told(configs: list[str], words: list[str]) -> dict[str, object]:
    """A thread looks a few hundred times a second."""
    over, most = threading.Event(), 0

    def look() -> None:
        nonlocal most
        while not over.is_set():
            most = max(most, count())
            time.sleep(0.003)

    codes, after, before = [], [], count()
    looking = threading.Thread(target=look)
    looking.start()
    for config in configs:
        try:
            main.main(args=["--config", config, *words], prog_name="archiver")
        except SystemExit as ended:
            codes.append(ended.code)
        after.append(count())
    over.set()
    looking.join()
    return {"codes": codes, "before": before, "most": most, "after": after}


if __name__ == "__main__":
    split = sys.argv.index("--")
    found = told(sys.argv[1:split], sys.argv[split + 1 :])
    sys.stdout.write(json.dumps(found) + "\n")

"""Run as a program: puts objects into a directory store and kills itself at every step of that.

``put_and_die.py ROOT`` prints one JSON line per killed process: the step, what it was, and what was found afterwards.
The parent forks while it has one thread; the child dies by SIGKILL just before its n-th file operation.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import anyio

from archiver.store.body import Document
from archiver.store.directory import DirectoryStore
from archiver.store.interface import PutOutcome

KEY = "recordings/dt=2026-09-22/abc.mp3"
DATA = b"\xff\xfb\x90\x00" * 1000
OPERATIONS = {
    "open",
    "os.mkdir",
    "os.chmod",
    "os.link",
    "os.remove",
    "os.rmdir",
    "fcntl.flock",
    "os.listdir",
    "os.scandir",
}


def die_at(step: int, root: Path) -> None:
    """From now on count file operations of this process below ``root``'s parent, and die before the ``step``-th."""
    seen = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        ours = event == "fcntl.flock" or (bool(arguments) and str(root) in str(arguments[0]))
        if event in OPERATIONS and ours:
            if seen == step:
                os.write(1, f"{event} {arguments[0]}".encode())
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

    sys.addaudithook(count)
    fsync = os.fsync

    def counted_fsync(fd: int) -> None:  # the one step that no audit event announces
        count("open", (f"fsync in {root}",))
        fsync(fd)

    setattr(os, "fsync", counted_fsync)  # noqa: B010


async def put(root: Path, *, close: bool = True) -> PutOutcome:
    store, audio = DirectoryStore(root), Document(DATA)
    outcome = await store.put_new(KEY, audio, audio.digest, "audio/mpeg")
    if close:
        await store.aclose()
    return outcome


def run_and_die(root: Path, step: int) -> tuple[bool, str]:
    """Put in a child that dies at ``step``: whether it was killed, and at what."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writing, 1)
        try:
            die_at(step, root)
            anyio.run(put, root)
            os._exit(0)
        except BaseException as error:  # a child must not go on as the parent
            os.write(2, repr(error).encode())
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        what = pipe.read()
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"the child failed at step {step}")
    return os.WIFSIGNALED(status), what


def state(root: Path) -> dict[str, Any]:
    """What lies under ``root``: visible files with their content's soundness, and scratch directories."""
    visible = [path for path in root.rglob("*") if path.is_file() and ".scratch" not in path.parts]
    scratch = root / ".scratch"
    return {
        "visible": [str(path.relative_to(root)) for path in visible],
        "sound": all(path.read_bytes() == DATA for path in visible),
        "scratch": len(list(scratch.iterdir())) if scratch.is_dir() else 0,
    }


def recover(root: Path) -> dict[str, Any]:
    """A whole run on what the killed ones left, in a child of its own: its outcome, and the state while it was open."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        outcome = anyio.run(lambda: put(root, close=False))
        os.write(writing, json.dumps({"outcome": type(outcome).__name__, **state(root)}).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        found: dict[str, Any] = json.loads(pipe.read())
    os.waitpid(child, 0)
    return found


def report(**line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")


def main(parent: Path) -> None:
    step, killed = 0, True
    while killed:  # each step on a root of its own
        root = parent / f"root-{step}"
        killed, what = run_and_die(root, step)
        report(step=step, killed=killed, at=what, **state(root), next=recover(root))
        step += 1
    root = parent / "battered"  # every step on the same root: each killed process meets what the ones before it left
    for battered in range(step + 20):
        run_and_die(root, battered)
        assert state(root)["sound"]
    report(step=-1, killed=True, at="battered", **state(root), next=recover(root))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

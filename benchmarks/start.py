"""What it costs to start: ``python -m benchmarks.start`` (``make bench-start``).

Processes, one after the other: ``--help``, ``--version``, and ``run`` with nothing to do on a manifest without a
recording, into a directory and into a bucket (moto, on loopback). Medians of so many rounds, in seconds by the clock
and of CPU (user and system) of the process; ``python`` is the interpreter that imports nothing. The last line is one
JSON object.
"""

from __future__ import annotations

import argparse
import compileall
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import botocore.session
from moto.server import ThreadedMotoServer

import archiver
from archiver.sandbox import Sandbox, World
from benchmarks.runs import CONFIG

BUCKET = "bench-start"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
}


def costs(words: Sequence[str]) -> tuple[float, float]:
    """Seconds by the clock and of CPU of one process; RuntimeError with its own words where it fails."""
    with tempfile.TemporaryFile() as said:
        begun = time.monotonic()
        process = subprocess.Popen([sys.executable, "-c", *words], stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        spent = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(said.read().decode(errors="replace")[-500:])
    return spent, usage.ru_utime + usage.ru_stime


def measured(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, dict[str, float]]:
    """Medians for each command, in turns, so that a busy moment of the machine meets all of them."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, words in commands.items():
            found[name].append(costs(words))
    return {
        name: {
            "seconds": round(statistics.median(spent for spent, _ in all_of_it), 3),
            "cpu_seconds": round(statistics.median(cpu for _, cpu in all_of_it), 3),
        }
        for name, all_of_it in found.items()
    }


def configured(home: Path, sandbox: Sandbox, s3: str) -> dict[str, Path]:
    """A configuration for each kind of destination, each with a manifest that has seen a run."""
    plain = CONFIG.format(base_url=sandbox.base_url, token=sandbox.token, home=home, concurrency=32)
    (home / "archive").mkdir()
    bucket = plain.replace(
        f"url: file://{home}/archive", f"url: s3://{BUCKET}\n  endpoint_url: {s3}\n  region: us-east-1"
    )
    texts = {"idle_run": plain, "idle_run_s3": bucket.replace("manifest.db", "manifest-s3.db")}
    paths = {}
    for name, text in texts.items():
        paths[name] = home / f"{name}.yaml"
        paths[name].touch(mode=0o600)
        paths[name].write_text(text)
        costs([*ARCHIVER, "-c", str(paths[name]), "-q", "run"])
    return paths


ARCHIVER = ("from archiver.cli import main; main()",)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    asked = parser.parse_args()
    compileall.compile_dir(Path(archiver.__file__).parent, quiet=1)  # as installing does
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    os.environ.update(ENVIRONMENT)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sandbox = stack.enter_context(Sandbox(World(), dialect="flat").running())
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        stack.callback(server.stop)
        s3 = "http://{}:{}".format(*server.get_host_and_port())
        client = botocore.session.Session().create_client("s3", endpoint_url=s3, region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        runs = {name: [*ARCHIVER, "-c", str(path), "-q", "run"] for name, path in configured(home, sandbox, s3).items()}
        commands = {"python": ["pass"], "help": [*ARCHIVER, "--help"], "version": [*ARCHIVER, "--version"], **runs}
        found = measured(commands, asked.rounds)
    for name, figures in found.items():
        print(f"{name:12} {figures['seconds']:.3f} s, {figures['cpu_seconds']:.3f} s of CPU")
    print(json.dumps({"bench": "start", "rounds": asked.rounds, **found}))


if __name__ == "__main__":
    main()

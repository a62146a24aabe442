"""The clients that ``benchmarks.compare`` measures, each as one command over the same list of recordings."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig import BUCKET, KEY_ID, SECRET, Endpoints

OURS = ("archiver", "archiver, transport level", "archiver, on one core")
RIVAL = "rclone copyurl"
CEILING = "bare sockets"

CONFIG = """\
source:
  base_url: {base_url}
  token: ${{ARCHIVER_TOKEN}}
  allow_insecure_loopback: true
  audio_hosts: ["127.0.0.1"]
  {ca}
destination:
  url: s3://{bucket}/archive
  endpoint_url: {s3}
  region: us-east-1
manifest:
  url: sqlite://{home}/manifest.db
calls:
  archive: false
verify:
  level: {level}
limits:
  concurrency: {concurrency}
  memory_mib: 256
"""


@dataclass(frozen=True)
class Task:
    """One round for one client."""

    home: Path
    """A folder of its own, empty."""
    ends: Endpoints
    base_url: str
    """Of the voice API, which lists the recordings."""
    days: tuple[str, str]
    listing: Path
    """The same list for those who cannot ask an API: URL, tab, key."""
    concurrency: int | str

    @property
    def lines(self) -> list[tuple[str, str]]:
        """URL and key of every recording."""
        return [(url, key) for url, _, key in (row.partition("\t") for row in self.listing.read_text().splitlines())]


@dataclass(frozen=True)
class Command:
    """What to start, and what its environment is beside the usual."""

    words: list[str]
    environment: Mapping[str, str]


def environment(task: Task, token: str) -> dict[str, str]:
    """For every client: credentials, the authority to trust, and no checksum that only AWS wants."""
    found = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(task.home / "aws.ini"),
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        "ARCHIVER_TOKEN": token,
        "PYTHONWARNINGS": "ignore",
    }
    (task.home / "aws.ini").write_text(f"[default]\ns3 =\n  max_concurrent_requests = {task.concurrency}\n")
    if task.ends.ca:
        found |= {"AWS_CA_BUNDLE": str(task.ends.ca), "SSL_CERT_FILE": str(task.ends.ca)}
    return found


def archiver(task: Task, *, level: str = "full") -> list[str]:
    """This program, from listing to summary."""
    config = task.home / "archiver.yaml"
    config.touch(mode=0o600)
    config.write_text(
        CONFIG.format(
            base_url=task.base_url,
            ca=f"ca_file: {task.ends.ca}" if task.ends.ca else "",
            bucket=BUCKET,
            s3=task.ends.s3,
            home=task.home,
            level=level,
            concurrency=task.concurrency,
        )
    )
    program = "from archiver.cli import main; main()"
    return [sys.executable, "-c", program, "-c", str(config), "-q", "run", "--from", task.days[0], "--to", task.days[1]]


def rclone_copyurl(task: Task) -> list[str]:
    """The strongest peer that takes presigned links."""
    listing = task.home / "urls.csv"
    listing.write_text("".join(f"{url},{key}\n" for url, key in task.lines))
    trust = ["--ca-cert", str(task.ends.ca)] if task.ends.ca else []
    remote = (
        f":s3,provider=Other,env_auth=true,region=us-east-1,endpoint='{task.ends.s3}',no_check_bucket=true:{BUCKET}"
    )
    return [tool("rclone"), "copyurl", "--urls", str(listing), remote, "--transfers", str(task.concurrency), *trust]


def curl_s5cmd(task: Task) -> list[str]:
    """Two tools and a directory between them."""
    listing = task.home / "curl.cfg"
    listing.write_text("".join(f'url = "{url}"\noutput = "{task.home}/files/{key}"\n' for url, key in task.lines))
    trust = f"--cacert {task.ends.ca}" if task.ends.ca else ""
    get = f"{tool('curl')} -sS --fail --create-dirs --parallel --parallel-max {task.concurrency} {trust} -K {listing}"
    return shell(get, s5cmd(task))


def aria2_s5cmd(task: Task) -> list[str]:
    """Likewise."""
    listing = task.home / "aria2.txt"
    listing.write_text("".join(f"{url}\n  out={key}\n" for url, key in task.lines))
    trust = f"--ca-certificate={task.ends.ca}" if task.ends.ca else ""
    options = f"-j{task.concurrency} -d {task.home}/files --file-allocation=none --no-conf -q {trust}"
    return shell(f"{tool('aria2c')} {options} -i {listing}", s5cmd(task))


def wget_aws(task: Task) -> list[str]:
    """Likewise; wget fetches one after the other."""
    listing = task.home / "wget.txt"
    listing.write_text("".join(f"{url}\n" for url, _ in task.lines))
    trust = f"--ca-certificate={task.ends.ca}" if task.ends.ca else ""
    get = f"{tool('wget')} -q -x -nH {trust} -P {task.home}/files -i {listing}"
    put = f"{tool('aws')} s3 cp --recursive --only-show-errors --endpoint-url {task.ends.s3}"
    return shell(get, f"{put} {task.home}/files s3://{BUCKET}/")


def requests_boto3(task: Task) -> list[str]:
    """What most people write."""
    return _script("thread_pool.py", task)


def bare_sockets(task: Task) -> list[str]:
    """The ceiling of the rig."""
    return _script("bare_sockets.py", task)


def _script(name: str, task: Task) -> list[str]:
    trust = str(task.ends.ca) if task.ends.ca else "-"
    script = Path(__file__).with_name(name)
    return [sys.executable, str(script), str(task.listing), task.ends.s3, BUCKET, str(task.concurrency), trust]


def s5cmd(task: Task) -> str:
    """The second half of two of them."""
    options = f"--log error --numworkers {task.concurrency} --endpoint-url {task.ends.s3}"
    return f"{tool('s5cmd')} {options} cp '{task.home}/files/*' s3://{BUCKET}/"


def shell(*commands: str) -> list[str]:
    """One command after the other."""
    return ["/bin/sh", "-c", " && ".join(commands)]


def tool(name: str) -> str:
    """A program, of this environment before any other."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        raise FileNotFoundError(name)
    return found


PEERS: Mapping[str, tuple[Callable[[Task], list[str]], tuple[str, ...]]] = {
    OURS[0]: (archiver, ()),
    OURS[1]: (lambda task: archiver(task, level="transport"), ()),
    OURS[2]: (lambda task: ["taskset", "-c", "0", *archiver(task)], ("taskset",)),
    RIVAL: (rclone_copyurl, ("rclone",)),
    "curl + s5cmd": (curl_s5cmd, ("curl", "s5cmd")),
    "aria2 + s5cmd": (aria2_s5cmd, ("aria2c", "s5cmd")),
    "wget + aws s3 cp": (wget_aws, ("wget", "aws")),
    "requests + boto3": (requests_boto3, ()),
    CEILING: (bare_sockets, ()),
}
"""How each is started, and which programs it needs."""


def missing(name: str) -> list[str]:
    """The programs that a peer needs and that are not installed."""
    absent = []
    for program in PEERS[name][1]:
        try:
            tool(program)
        except FileNotFoundError:
            absent.append(program)
    return absent

"""Debian's radosgw and an OSD in memory, as processes of their own, from what ``make test-rgw`` has unpacked."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = os.environ.get("ARCHIVER_TEST_RADOSGW", "")
"""Where the packages are unpacked; empty: these tests are not asked for."""
START_SECONDS = 120
CONFIGURATION = """\
[global]
fsid = {fsid}
monmap = {home}/monmap
mon_host = v1:127.0.0.1:{monitor}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr2 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
mon_allow_pool_size_one = true
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = 4294967296
mon_data = {home}/monitor
osd_data = {home}/osd
rgw_data = {home}
run_dir = {home}
admin_socket = {home}/$name.$pid.asok
log_file = {home}/$name.log
log_to_stderr = false
mon_cluster_log_file = {home}/cluster.log
plugin_dir = {libraries}/ceph
erasure_code_dir = {libraries}/ceph/erasure-code
osd_class_dir = {libraries}/rados-classes
rgw_frontends = beast endpoint=127.0.0.1:{gateway}
"""


@contextmanager
def radosgw() -> Iterator[str]:
    """Its URL, while it runs; who may use it is called ``test``, with the secret ``test``.

    All three servers listen on loopback only and keep their data in memory; what they write besides is below a
    directory that goes with them.
    """
    with tempfile.TemporaryDirectory(prefix="radosgw-") as home, ExitStack() as running:
        ceph = _Ceph(Path(home), running)
        ceph.make_monitor()
        ceph.start("ceph-mon", "-f", "-i", "a")
        identity = str(uuid.uuid4())
        ceph.run("ceph", "osd", "new", identity)
        ceph.run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", identity)
        ceph.start("ceph-osd", "-f", "-i", "0", "--no-mon-config")
        ceph.run(
            *("radosgw-admin", "user", "create", "--uid", "test", "--display-name", "test"),
            *("--access-key", "test", "--secret-key", "test"),
        )
        ceph.start("radosgw", "-f", "-n", "client.rgw")
        ceph.wait()
        yield ceph.url


class _Ceph:
    """Programs of the packages, with one configuration."""

    def __init__(self, home: Path, running: ExitStack) -> None:
        self._home = home
        self._running = running
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        self._log = home / "output"
        (libraries,) = Path(ROOT, "usr/lib").glob("*-linux-gnu")
        self._monitor, gateway = _free_ports()
        self._fsid = str(uuid.uuid4())
        self.url = f"http://127.0.0.1:{gateway}"
        (home / "monitor").mkdir()
        (home / "osd").mkdir()
        names = {"home": home, "libraries": libraries, "monitor": self._monitor, "gateway": gateway, "fsid": self._fsid}
        (home / "ceph.conf").write_text(CONFIGURATION.format(**names))
        folders = (libraries, libraries / "ceph", Path(ROOT, "lib", libraries.name))
        self._environment = {
            "PATH": os.pathsep.join((str(Path(ROOT, "usr/bin")), "/usr/bin", "/bin")),
            "HOME": str(home),
            "CEPH_CONF": str(home / "ceph.conf"),
            "LD_LIBRARY_PATH": os.pathsep.join(map(str, folders)),
            "PYTHONPATH": str(Path(ROOT, "usr/lib/python3/dist-packages")),
        }

    def make_monitor(self) -> None:
        """One, named ``a``, that needs nobody else for a majority."""
        known = str(self._home / "monmap")
        self.run("monmaptool", "--create", "--addv", "a", f"v1:127.0.0.1:{self._monitor}", "--fsid", self._fsid, known)
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", known)

    def run(self, program: str, *words: str) -> None:
        """To its end, which has to be a good one, while every server that was started lives."""
        process = self._begin(program, *words)
        self._running.callback(_stop, process)
        self._until(lambda: process.poll() is not None, f"{program} {words[0]}")
        assert process.returncode == 0, f"{program} {words[0]} failed:\n{self._said()}"

    def start(self, program: str, *words: str) -> None:
        process = self._begin(program, *words)
        self._servers[program] = process
        self._running.callback(_stop, process)

    def wait(self) -> None:
        """Until the gateway answers."""

        def answers() -> bool:
            try:
                with urllib.request.urlopen(self.url, timeout=10):
                    return True
            except OSError:
                return False

        self._until(answers, "the gateway's first answer")

    def _begin(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as output:
            return subprocess.Popen(
                [Path(ROOT, "usr/bin", program), *words], env=self._environment, stdout=output, stderr=output
            )

    def _until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not done():
            ended = [program for program, process in self._servers.items() if process.poll() is not None]
            assert not ended, f"{ended} ended before {what}:\n{self._said()}"
            assert time.monotonic() < deadline, f"{what} took too long:\n{self._said()}"
            time.sleep(0.1)

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-5000:]


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Nothing in it is worth an orderly end."""
    process.kill()
    process.wait()

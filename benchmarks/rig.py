"""The servers that clients are measured against: nginx as audio origin and as sink, and an S3 server that checks.

Everything lies in memory (``/dev/shm``) and answers on loopback. The sink is nginx too (``ngx_http_dav_module``): it
takes any signature, refuses to overwrite, echoes the checksum that it was sent, and costs less per recording than any
client does; the client ``bare sockets`` shows how much it can take. ``rclone serve s3`` checks every signature.
"""

from __future__ import annotations

import compileall
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme

import archiver
from archiver.sandbox import World

BUCKET = "bucket"
KEY_ID, SECRET = "benchmark", "benchmark-secret"
FORGETS = 0.1
"""Seconds for which ``rclone serve s3`` believes what it has seen of a directory."""

NGINX = """\
daemon off;
worker_processes 2;
pid {home}/nginx.pid;
error_log {home}/nginx.log error;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  server_tokens off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  keepalive_timeout 120s;
  client_max_body_size 0;
  client_body_buffer_size 128k;
  client_body_temp_path {home}/incoming;
  proxy_temp_path {home}/t1; fastcgi_temp_path {home}/t2; uwsgi_temp_path {home}/t3; scgi_temp_path {home}/t4;
  ssl_certificate {home}/server.pem;
  ssl_certificate_key {home}/server.key;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:tls:4m;
  map $args $is_listing {{ default 0; "~(^|&)list-type=2" 1; "~(^|&)versions" 1; "~(^|&)location" 1; }}
  server {{
    listen 127.0.0.1:{origin} backlog=4096;
    listen 127.0.0.1:{origin_tls} ssl backlog=4096;
    root {home}/origin;
    default_type audio/mpeg;
  }}
  server {{
    listen 127.0.0.1:{sink} backlog=4096;
    listen 127.0.0.1:{sink_tls} ssl backlog=4096;
    root {home}/sink;
    default_type application/octet-stream;
    location ~ ^/bucket/?$ {{
      default_type application/xml;
      return 200 '<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>';
    }}
    location / {{
      set $taken $request_method;
      if (-f $request_filename) {{ set $taken "$taken there"; }}
      if ($taken = "PUT there") {{ return 412; }}
      dav_methods PUT DELETE;
      create_full_put_path on;
      add_header ETag '"of-$content_length-bytes"';
      add_header x-amz-checksum-sha256 $http_x_amz_checksum_sha256;
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Endpoints:
    """Where the servers are, for one way of speaking to them."""

    origin: str
    s3: str
    ca: Path | None
    """The authority to trust, where it is TLS."""


@dataclass
class Rig:
    """Running servers, and the audio that they serve."""

    home: Path
    plain: Endpoints
    tls: Endpoints
    checking: Endpoints | None
    """The S3 server that checks signatures; None where rclone is not installed."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes by file name."""

    def empty(self) -> None:
        """Remove what was put."""
        for name in ("sink", "checked"):
            shutil.rmtree(self.home / name / BUCKET, ignore_errors=True)
            (self.home / name / BUCKET).mkdir(parents=True)
        time.sleep(2 * FORGETS)

    def fill(self, world: World) -> None:
        """Lay the world's audio where the origin finds it, and nothing else."""
        shutil.rmtree(self.home / "origin")
        (self.home / "origin").mkdir()
        self.sizes.clear()
        for recording in world.recordings():
            path = self.home / "origin" / recording.audio_key
            path.parent.mkdir(parents=True, exist_ok=True)
            data = world.audio_bytes(recording.id)
            path.write_bytes(data)
            self.sizes[recording.audio_key] = len(data)

    def held(self) -> tuple[int, int]:
        """How many objects were put in all, and how many of the sizes that the origin served among them."""
        files = [path for name in ("sink", "checked") for path in (self.home / name / BUCKET).rglob("*")]
        sizes = [path.stat().st_size for path in files if path.is_file()]
        wanted = sorted(self.sizes.values())
        have = set(sizes)
        return len(sizes), sum(size in have for size in wanted)


@contextmanager
def running(rclone: str | None) -> Iterator[Rig]:
    """Start everything; RuntimeError with the server's own words where one does not start."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end with us
    # As installing does: a checkout may be told to keep no byte code, and would compile itself at every start.
    compileall.compile_dir(Path(archiver.__file__).parent, quiet=1)
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if nginx is None:
        raise RuntimeError("nginx is not installed: apt-get install nginx-light")
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="archiver-bench-", dir=_memory())))
        for name in ("origin", "incoming", f"sink/{BUCKET}", f"checked/{BUCKET}"):
            (home / name).mkdir(parents=True)
        _certificate(home)
        ports = _free_ports(5)
        names = dict(zip(("origin", "origin_tls", "sink", "sink_tls"), ports[:4], strict=True))
        (home / "nginx.conf").write_text(NGINX.format(home=home, **names))
        user = ["-g", "user root;"] if os.geteuid() == 0 else []
        stack.enter_context(_process([nginx, "-p", str(home), "-c", str(home / "nginx.conf"), *user], ports[0]))
        checking = None
        if rclone is not None:
            serve = [rclone, "serve", "s3", "--addr", f"127.0.0.1:{ports[4]}", "--auth-key", f"{KEY_ID},{SECRET}"]
            stack.enter_context(_process([*serve, "--dir-cache-time", f"{FORGETS}s", str(home / "checked")], ports[4]))
            checking = Endpoints(_http(ports[0]), _http(ports[4]), None)
        tls = Endpoints(f"https://127.0.0.1:{ports[1]}", f"https://127.0.0.1:{ports[3]}", home / "ca.pem")
        yield Rig(home, Endpoints(_http(ports[0]), _http(ports[2]), None), tls, checking)


def _http(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _memory() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - memory, not a shared name


def _certificate(home: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(home / "ca.pem"))
    issued = authority.issue_cert("127.0.0.1", "localhost")
    (home / "server.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(home / "server.key"))


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def _process(command: list[str], port: int) -> Iterator[None]:
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
        try:
            for _ in range(400):
                if process.poll() is not None:
                    said.seek(0)
                    raise RuntimeError(f"{command[0]} ended at once: {said.read().decode(errors='replace')[-500:]}")
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(20)

"""The ceiling of the rig: GET and PUT over bare sockets, in processes with threads. A peer of ``benchmarks.compare``.

Knows only the answers of these servers, signs nothing, hashes nothing, and checks nothing but statuses: nothing in
Python costs less. Arguments: the list (URL, tab, key), endpoint, bucket, threads, CA file or -.
"""

from __future__ import annotations

import multiprocessing
import socket
import ssl
import sys
import threading
from pathlib import Path
from urllib.parse import quote, urlsplit

PROCESSES = 2


class Line:
    """One connection, kept open."""

    def __init__(self, url: str, ca: str) -> None:
        parts = urlsplit(url)
        self.sock = socket.create_connection((str(parts.hostname), parts.port or 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if parts.scheme == "https":
            self.sock = ssl.create_default_context(cafile=ca).wrap_socket(self.sock, server_hostname=parts.hostname)
        self.host = parts.netloc
        self.buffer = memoryview(bytearray(4 << 20))

    def answer(self) -> memoryview:
        """The body of an answer that tells its length."""
        have = 0
        while True:
            have += self.sock.recv_into(self.buffer[have:])
            end = bytes(self.buffer[: min(have, 4096)]).find(b"\r\n\r\n")
            if end >= 0:
                break
        head = bytes(self.buffer[:end]).lower()
        if not head.startswith((b"http/1.1 200", b"http/1.1 201")):
            raise RuntimeError(head.decode())
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while have < end + 4 + length:
            have += self.sock.recv_into(self.buffer[have:])
        return self.buffer[end + 4 : end + 4 + length]


def work(lines: list[str], endpoint: str, bucket: str, ca: str) -> None:
    """One thread's share."""
    if not lines:
        return
    origin, store = Line(lines[0].split("\t")[0], ca), Line(endpoint, ca)
    for line in lines:
        url, key = line.split("\t")
        parts = urlsplit(url)
        origin.sock.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {origin.host}\r\n\r\n".encode())
        for name, body in ((key, origin.answer()), (f"{key}.json", memoryview(b"x" * 6000))):
            path = f"/{bucket}/{quote(name)}"
            head = f"PUT {path} HTTP/1.1\r\nHost: {store.host}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            store.sock.sendall(head)
            store.sock.sendall(body)
            store.answer()


def process(lines: list[str], endpoint: str, bucket: str, ca: str, threads: int) -> None:
    """One process's share."""
    pool = [threading.Thread(target=work, args=(lines[n::threads], endpoint, bucket, ca)) for n in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()


def main() -> None:
    """Move everything."""
    listing, endpoint, bucket, threads, ca = sys.argv[1:]
    lines = Path(listing).read_text().splitlines()
    share = max(1, int(threads) // PROCESSES)
    jobs = [
        multiprocessing.Process(target=process, args=(lines[n::PROCESSES], endpoint, bucket, ca, share))
        for n in range(PROCESSES)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    if any(job.exitcode for job in jobs):
        sys.exit(1)


if __name__ == "__main__":
    main()

"""What one step costs with each HTTP client that the hot path could use: ``python -m benchmarks.clients``.

A GET of a recording with its SHA-256, and two puts (the audio, a sidecar of 6 KB), create-only, with checksum header
and signature. Each client runs in a process of its own, rounds interleaved, medians; CPU is that of the client.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import queue
import statistics
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from archiver.sandbox import World
from archiver.store.sigv4 import SigningKeys, encoded_path, signed_headers
from benchmarks import rig
from benchmarks.usage import usage_of

SIDECAR = b"x" * 6000
QUERY = "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A&X-Amz-Date=20260922T000000Z&X-Amz-Signature=0"
Get = tuple[str, str]
Put = tuple[str, str, bytes]


def put_headers(endpoint: str, key: str, data: bytes) -> tuple[str, dict[str, str]]:
    """URL and signed headers of a put."""
    digest = hashlib.sha256(data)
    path = encoded_path(f"/{rig.BUCKET}/{key}")
    headers = {
        "host": urlsplit(endpoint).netloc,
        "content-type": "audio/mpeg",
        "if-none-match": "*",
        "x-amz-checksum-sha256": base64.b64encode(digest.digest()).decode(),
    }
    keys = SigningKeys(rig.KEY_ID, rig.SECRET)
    signed = signed_headers(
        "PUT", path, headers, payload=digest.hexdigest(), keys=keys, region="us-east-1", at=datetime.now(UTC)
    )
    del signed["host"]
    return f"{endpoint}{path}", signed


def checked(status: int) -> None:
    """RuntimeError for what is no success."""
    if status not in (200, 201, 204):
        raise RuntimeError(f"HTTP {status}")


async def gathered(items: Sequence[Any], concurrency: int, one: Callable[[Any], Awaitable[None]]) -> None:
    """Do ``one`` for each of ``items``, so many at once."""
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:
            await one(item)

    await asyncio.gather(*(work() for _ in range(concurrency)))


def threaded(items: Sequence[Any], concurrency: int, new: Callable[[], Callable[[Any], None]]) -> None:
    """Do what ``new()`` makes for each of ``items``, in so many threads."""
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for item in items:
        waiting.put(item)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            one = new()
            while True:
                try:
                    item = waiting.get_nowait()
                except queue.Empty:
                    return
                one(item)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class Client:
    """One way of moving the bytes; imports its library when it is made."""

    def __init__(self, endpoint: str, ca: str | None, concurrency: int) -> None:
        self.endpoint, self.ca, self.concurrency = endpoint, ca, concurrency

    def get(self, items: Sequence[Get]) -> None:
        raise NotImplementedError

    def put(self, items: Sequence[Put]) -> None:
        raise NotImplementedError


class Httpx2(Client):
    def get(self, items: Sequence[Get]) -> None:
        import ssl

        import httpx2

        async def all_of_them() -> None:
            verify = ssl.create_default_context(cafile=self.ca)
            limits = httpx2.Limits(max_connections=self.concurrency, max_keepalive_connections=self.concurrency)
            async with httpx2.AsyncClient(verify=verify, limits=limits) as http:

                async def one(item: Get) -> None:
                    hasher = hashlib.sha256()
                    async with http.stream("GET", item[1]) as response:
                        checked(response.status_code)
                        async for chunk in response.aiter_raw():
                            hasher.update(chunk)

                await gathered(items, self.concurrency, one)

        asyncio.run(all_of_them())


class Aiohttp(Client):
    def get(self, items: Sequence[Get]) -> None:
        asyncio.run(self._session(items, self._get))

    def put(self, items: Sequence[Put]) -> None:
        asyncio.run(self._session(items, self._put))

    async def _session(self, items: Sequence[Any], one: Callable[..., Awaitable[None]]) -> None:
        import ssl

        import aiohttp

        connector = aiohttp.TCPConnector(limit=self.concurrency, ssl=ssl.create_default_context(cafile=self.ca))
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as http:
            await gathered(items, self.concurrency, lambda item: one(http, item))

    async def _get(self, http: Any, item: Get) -> None:
        hasher = hashlib.sha256()
        async with http.get(item[1], allow_redirects=False) as response:
            checked(response.status)
            async for chunk in response.content.iter_any():
                hasher.update(chunk)

    async def _put(self, http: Any, item: Put) -> None:
        import yarl

        url, headers = put_headers(self.endpoint, item[0], item[2])
        async with http.put(yarl.URL(url, encoded=True), data=io.BytesIO(item[2]), headers=headers) as response:
            checked(response.status)


class Pyreqwest(Client):
    def _builder(self) -> Any:
        from pyreqwest.client import ClientBuilder

        builder = ClientBuilder().follow_redirects(False).gzip(False).brotli(False).zstd(False).deflate(False)
        builder = builder.runtime_multithreaded(True).no_proxy()
        return builder.add_root_certificate_pem(Path(self.ca).read_bytes()) if self.ca else builder

    def get(self, items: Sequence[Get]) -> None:
        async def all_of_them() -> None:
            async with self._builder().build() as http:

                async def one(item: Get) -> None:
                    async with http.get(item[1]).streamed_read_buffer_limit(1 << 20).build_streamed() as response:
                        checked(response.status)
                        hasher = hashlib.sha256()
                        while (chunk := await response.body_reader.read(1 << 20)) is not None:
                            hasher.update(chunk)

                await gathered(items, self.concurrency, one)

        asyncio.run(all_of_them())

    def put(self, items: Sequence[Put]) -> None:
        async def all_of_them() -> None:
            async with self._builder().build() as http:

                async def one(item: Put) -> None:
                    url, headers = put_headers(self.endpoint, item[0], item[2])
                    response = await http.put(url).headers(headers).body_bytes(item[2]).build().send()
                    checked(response.status)
                    await response.bytes()

                await gathered(items, self.concurrency, one)

        asyncio.run(all_of_them())


class Pycurl(Client):
    """One easy handle a thread, used again and again."""

    def _handle(self) -> Any:
        import pycurl

        handle = pycurl.Curl()
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.BUFFERSIZE, 256 << 10)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        if self.ca:
            handle.setopt(pycurl.CAINFO, self.ca)
        return handle

    def get(self, items: Sequence[Get]) -> None:
        import pycurl

        def new() -> Callable[[Get], None]:
            handle = self._handle()

            def one(item: Get) -> None:
                hasher = hashlib.sha256()
                handle.setopt(pycurl.URL, item[1])
                handle.setopt(pycurl.WRITEFUNCTION, hasher.update)
                handle.perform()
                checked(handle.getinfo(pycurl.RESPONSE_CODE))

            return one

        threaded(items, self.concurrency, new)

    def put(self, items: Sequence[Put]) -> None:
        import pycurl

        def new() -> Callable[[Put], None]:
            handle = self._handle()
            handle.setopt(pycurl.UPLOAD, 1)
            handle.setopt(pycurl.UPLOAD_BUFFERSIZE, 256 << 10)
            handle.setopt(pycurl.WRITEFUNCTION, lambda _: None)

            def one(item: Put) -> None:
                url, headers = put_headers(self.endpoint, item[0], item[2])
                handle.setopt(pycurl.URL, url)
                handle.setopt(pycurl.HTTPHEADER, [*(f"{name}: {value}" for name, value in headers.items()), "Expect:"])
                handle.setopt(pycurl.INFILESIZE_LARGE, len(item[2]))
                handle.setopt(pycurl.READFUNCTION, io.BytesIO(item[2]).read)
                handle.perform()
                checked(handle.getinfo(pycurl.RESPONSE_CODE))

            return one

        threaded(items, self.concurrency, new)


class Urllib3(Client):
    def _pool(self) -> Any:
        import urllib3

        return urllib3.PoolManager(maxsize=self.concurrency, block=True, retries=False, ca_certs=self.ca)

    def get(self, items: Sequence[Get]) -> None:
        pool = self._pool()

        def one(item: Get) -> None:
            hasher = hashlib.sha256()
            response = pool.request("GET", item[1], preload_content=False, decode_content=False)
            checked(response.status)
            for chunk in response.stream(256 << 10):
                hasher.update(chunk)
            response.release_conn()

        threaded(items, self.concurrency, lambda: one)

    def put(self, items: Sequence[Put]) -> None:
        pool = self._pool()

        def one(item: Put) -> None:
            url, headers = put_headers(self.endpoint, item[0], item[2])
            checked(pool.request("PUT", url, body=item[2], headers=headers).status)

        threaded(items, self.concurrency, lambda: one)


class Boto3(Client):
    def put(self, items: Sequence[Put]) -> None:
        import boto3
        from botocore.config import Config

        config = Config(
            max_pool_connections=self.concurrency,
            request_checksum_calculation="when_required",
            s3={"addressing_style": "path"},
        )
        session = boto3.Session(rig.KEY_ID, rig.SECRET, region_name="us-east-1")
        s3 = session.client("s3", endpoint_url=self.endpoint, verify=self.ca, config=config)

        def one(item: Put) -> None:
            checksum = base64.b64encode(hashlib.sha256(item[2]).digest()).decode()
            s3.put_object(
                Bucket=rig.BUCKET, Key=item[0], Body=io.BytesIO(item[2]), IfNoneMatch="*", ChecksumSHA256=checksum
            )

        threaded(items, self.concurrency, lambda: one)


class Obstore(Client):
    def put(self, items: Sequence[Put]) -> None:
        from obstore.store import S3Store

        options: dict[str, Any] = {"allow_http": True}
        store = S3Store(
            rig.BUCKET,
            endpoint=f"{self.endpoint}/{rig.BUCKET}",
            access_key_id=rig.KEY_ID,
            secret_access_key=rig.SECRET,
            region="us-east-1",
            virtual_hosted_style_request=True,
            client_options=options,
        )

        async def all_of_them() -> None:
            await gathered(items, self.concurrency, lambda item: store.put_async(item[0], item[2], mode="create"))

        asyncio.run(all_of_them())


CLIENTS: dict[str, type[Client]] = {
    "httpx2": Httpx2,
    "boto3": Boto3,
    "urllib3": Urllib3,
    "aiohttp": Aiohttp,
    "pycurl": Pycurl,
    "pyreqwest": Pyreqwest,
    "obstore": Obstore,
}
STEPS = {"get": ("httpx2", "urllib3", "aiohttp", "pycurl", "pyreqwest"), "put": tuple(CLIENTS)[1:]}


def perform(name: str, step: str, job: Path) -> None:
    """In the child: one client, one step."""
    asked = json.loads(job.read_text())
    client = CLIENTS[name](asked["endpoint"], asked["ca"], asked["concurrency"])
    if step == "get":
        client.get([(key, f"{asked['endpoint']}/{key}{QUERY}") for key in asked["keys"]])
        return
    bodies = []
    for key in asked["keys"]:
        data = (Path(asked["folder"]) / key).read_bytes()
        bodies += [(f"a/dt=2026-09-22/{key}", "audio/mpeg", data), (f"a/{key}.json", "application/json", SIDECAR)]
    client.put(bodies)


def measured(name: str, step: str, job: Path) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak MiB of a child that does it, what it costs to do nothing taken off."""
    results = []
    empty = job.with_name("nothing.json")
    empty.write_text(json.dumps({**json.loads(job.read_text()), "keys": []}))
    for path in (empty, job):
        used = usage_of([sys.executable, "-m", "benchmarks.clients", "--child", name, step, str(path)])
        if used.exit_code:
            raise RuntimeError(f"{name} failed to {step}: {used.stderr[-800:]}")
        results.append((used.seconds, used.cpu_seconds, used.peak_mib))
    return results[1][0] - results[0][0], results[1][1] - results[0][1], results[1][2]


def main() -> None:
    """Measure all of them, or (in the child) do one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", nargs=3)
    parser.add_argument("--recordings", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=32)
    asked = parser.parse_args()
    if asked.child:
        name, step, job = asked.child
        perform(name, step, Path(job))
        return
    world = World.generate(seed=1, recordings=asked.recordings, days=3, sizes="realistic")
    found: dict[str, list[tuple[float, float, float]]] = {}
    with rig.running(None) as servers:
        servers.fill(world)
        for _ in range(asked.rounds):
            for way, ends in (("plain", servers.plain), ("TLS", servers.tls)):
                for step, names in STEPS.items():
                    for name in names:
                        if name == "obstore" and way == "TLS":
                            continue  # takes no authority of one's own
                        servers.empty()
                        job = servers.home / "job.json"
                        job.write_text(
                            json.dumps(
                                {
                                    "endpoint": ends.origin if step == "get" else ends.s3,
                                    "ca": str(ends.ca) if ends.ca else None,
                                    "folder": str(servers.home / "origin"),
                                    "concurrency": asked.concurrency,
                                    "keys": list(servers.sizes),
                                }
                            )
                        )
                        found.setdefault(f"{name} {step} {way}", []).append(measured(name, step, job))
    print(json.dumps(report(found, asked.recordings)))


def report(found: dict[str, list[tuple[float, float, float]]], count: int) -> dict[str, Any]:
    """Prints the table; the figures."""
    figures: dict[str, Any] = {}
    print("| client | step | way | recordings/s | CPU ms | peak MiB |\n|---|---|---|---|---|---|")
    for label, rounds in found.items():
        seconds, cpu, rss = (statistics.median(column) for column in zip(*rounds, strict=True))
        name, step, way = label.split()
        version = importlib.metadata.version(name)
        row = {"per_second": round(count / seconds), "cpu_ms": round(1000 * cpu / count, 2), "rss_mib": round(rss)}
        figures[label] = row
        print(f"| {name} {version} | {step} | {way} | {row['per_second']} | {row['cpu_ms']} | {row['rss_mib']} |")
    return figures


if __name__ == "__main__":
    main()

"""The HTTP clients that the hot path could use, each as what one step needs: a GET with its SHA-256, a signed put."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import queue
import threading
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from archiver.store.sigv4 import SigningKeys, encoded_path, signed_headers
from benchmarks import rig

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


class Niquests(Client):
    """A session a thread."""

    def _session(self) -> Any:
        import niquests

        session = niquests.Session()
        session.verify = self.ca or True
        session.trust_env = False
        return session

    def get(self, items: Sequence[Get]) -> None:
        def new() -> Callable[[Get], None]:
            session = self._session()

            def one(item: Get) -> None:
                hasher = hashlib.sha256()
                response = session.get(item[1], stream=True, allow_redirects=False)
                checked(response.status_code)
                for chunk in response.iter_raw(256 << 10):
                    hasher.update(chunk)

            return one

        threaded(items, self.concurrency, new)

    def put(self, items: Sequence[Put]) -> None:
        def new() -> Callable[[Put], None]:
            session = self._session()

            def one(item: Put) -> None:
                url, headers = put_headers(self.endpoint, item[0], item[2])
                checked(session.put(url, data=item[2], headers=headers).status_code)

            return one

        threaded(items, self.concurrency, new)

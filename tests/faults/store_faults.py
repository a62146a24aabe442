"""A bucket that misbehaves: a WSGI layer in front of moto, which does one thing to chosen puts."""

from __future__ import annotations

import io
import random
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.stories.bucket_server import BucketServer

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


@dataclass(frozen=True)
class StoreFault(ABC):
    """Meets the puts whose key ends with ``suffix``: ``after`` pass without, ``times`` are met."""

    suffix: str = ".mp3"
    after: int = 0
    times: int = 1

    @abstractmethod
    def answer(self, app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """What the client gets."""


@dataclass(frozen=True)
class LostAnswer(StoreFault):
    """The put is committed, and the connection ends without an answer."""

    def answer(self, app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        list(app(environ, lambda *_: None))
        return _hang_up(environ)


@dataclass(frozen=True)
class LostRequest(StoreFault):
    """The connection ends, and nothing was committed."""

    def answer(self, app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        _body(environ)
        return _hang_up(environ)


@dataclass(frozen=True)
class Refuses(StoreFault):
    """An S3 error, and nothing is committed."""

    status: str = "503 Slow Down"
    code: str = "SlowDown"

    def answer(self, app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        _body(environ)
        body = f"<Error><Code>{self.code}</Code><Message>no</Message></Error>".encode()
        start(self.status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return (body,)


@dataclass(frozen=True)
class Overtaken(StoreFault):
    """Somebody else puts something under the key a moment before: the same bytes, or (``other``) different ones."""

    other: bool = False

    def answer(self, app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        data = _body(environ)
        first = b"somebody else's" if self.other else data
        list(app(_with_body(environ, first), lambda *_: None))
        return app(_with_body(environ, data), start)


@dataclass(frozen=True)
class Garbles(StoreFault):
    """What is committed is not what was sent, the answer is 200, and the checksum is not kept."""

    def answer(self, app: App, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        data = _body(environ)
        return app(_with_body(environ, data[:-1] + bytes([data[-1] ^ 1])), start)


@dataclass
class FaultyBucketServer(BucketServer):
    """``faults`` may be changed while it runs; ``fired`` counts the puts that were met."""

    faults: list[StoreFault] = field(default_factory=list)
    fired: int = 0
    takes_second_puts: bool = False
    """As a server does that knows nothing of If-None-Match."""
    _seen: dict[int, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def misbehaves(self, *faults: StoreFault) -> None:
        with self._lock:
            self.faults, self.fired, self._seen = list(faults), 0, {}
            self.takes_second_puts = False

    def _remembering(self) -> App:
        remembering = super()._remembering()

        def app(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            if self.takes_second_puts:
                environ.pop("HTTP_IF_NONE_MATCH", None)
            return remembering(environ, start)

        def misbehaving(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            fault = self._turn(environ) if environ["REQUEST_METHOD"] == "PUT" else None
            return app(environ, start) if fault is None else fault.answer(app, environ, start)

        return misbehaving

    def _turn(self, environ: dict[str, Any]) -> StoreFault | None:
        with self._lock:
            for number, fault in enumerate(self.faults):
                if not environ["PATH_INFO"].endswith(fault.suffix):
                    continue
                self._seen[number] = seen = self._seen.get(number, 0) + 1
                if fault.after < seen <= fault.after + fault.times:
                    self.fired += 1
                    return fault
        return None


def _body(environ: dict[str, Any]) -> bytes:
    data: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return data


def _with_body(environ: dict[str, Any], data: bytes) -> dict[str, Any]:
    kept = {name: value for name, value in environ.items() if "CHECKSUM" not in name and "CONTENT_SHA256" not in name}
    return kept | {"wsgi.input": io.BytesIO(data), "CONTENT_LENGTH": str(len(data))}


def _hang_up(environ: dict[str, Any]) -> Iterable[bytes]:
    connection: socket.socket = environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionError("hung up on purpose")


@contextmanager
def faulty_server() -> Iterator[FaultyBucketServer]:
    server = FaultyBucketServer()
    with server:
        yield server


def at_random(rng: random.Random) -> list[StoreFault]:
    """A few faults that pass, on any of the puts of a small run."""
    made: list[StoreFault] = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        where: Any = {
            "suffix": rng.choice((".mp3", ".vcon.json", ".gz", "")),
            "after": rng.randrange(4),
            "times": rng.choice((1, 1, 2)),
        }
        refusals = (("503 Slow Down", "SlowDown"), ("409 Conflict", "ConditionalRequestConflict"))
        status, code = rng.choice((*refusals, ("500 Oops", "InternalError"), ("408 Late", "RequestTimeout")))
        kinds = (
            LostAnswer(**where),
            LostRequest(**where),
            Refuses(**where, status=status, code=code),
            Overtaken(**where),
        )
        made.append(rng.choice(kinds))
    return made

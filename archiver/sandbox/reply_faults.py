"""What can be wrong with one answer, of audio or of the API: `apply` makes the wrong reply of the right one."""

import gzip
from dataclasses import dataclass, replace

from archiver.sandbox.http import Ending, Framing, Reply
from archiver.sandbox.links import s3_error
from archiver.sandbox.occurs import Occurs, position

ERROR_BODY = b'{"status":"ERROR","message":"An error occured. pleae try again"}'
HTML_BODY = (
    b"<!DOCTYPE html>\n<html><head><title>503 Service Temporarily Unavailable</title></head>\n"
    b"<body><center><h1>503 Service Temporarily Unavailable</h1></center><hr><center>nginx</center></body></html>\n"
)


@dataclass(frozen=True)
class CutTransfer(Occurs):
    """The connection closes at `at` bytes of body; Content-Length promised all of it."""

    at: int | float = 0.5

    def apply(self, reply: Reply) -> Reply:
        return replace(reply, stop_after=position(self.at, len(reply.body)), ending=Ending.CLOSE)


@dataclass(frozen=True)
class ResetTransfer(Occurs):
    """The connection is reset (RST) at `at` bytes of body; at 0 before any answer."""

    at: int | float = 0

    def apply(self, reply: Reply) -> Reply:
        return replace(reply, stop_after=position(self.at, len(reply.body)), ending=Ending.RESET)


@dataclass(frozen=True)
class NoLength(Occurs):
    """No Content-Length: the body ends where the connection does, which is at `at` of it (1.0: all there)."""

    at: int | float = 1.0

    def apply(self, reply: Reply) -> Reply:
        stop = position(self.at, len(reply.body))
        return replace(reply, framing=Framing.CLOSE, stop_after=stop, ending=Ending.CLOSE)


@dataclass(frozen=True)
class Chunked(Occurs):
    """The body comes in chunks. Below `at` = 1.0 the connection closes there, without the last chunk."""

    at: int | float = 1.0

    def apply(self, reply: Reply) -> Reply:
        stop = position(self.at, len(reply.body))
        if stop == len(reply.body):
            return replace(reply, framing=Framing.CHUNKED)
        return replace(reply, framing=Framing.CHUNKED, stop_after=stop, ending=Ending.CLOSE)


@dataclass(frozen=True)
class Latency(Occurs):
    """So many seconds pass before the first byte."""

    seconds: float

    def apply(self, reply: Reply) -> Reply:
        return replace(reply, delay=reply.delay + self.seconds)


@dataclass(frozen=True)
class Drip(Occurs):
    """The body comes at so many bytes a second."""

    bytes_per_second: float

    def apply(self, reply: Reply) -> Reply:
        return replace(reply, rate=self.bytes_per_second)


@dataclass(frozen=True)
class Status(Occurs):
    """Another status, with a body of the origin's kind unless one is given. `retry_after` becomes the header."""

    code: int
    body: bytes | None = None
    content_type: str | None = None
    retry_after: str | None = None

    def apply(self, reply: Reply) -> Reply:
        if self.body is not None:
            failed = Reply(self.code, (("Content-Type", self.content_type or "text/plain"),), self.body)
        elif reply.header("content-type") == "application/json":
            failed = Reply(self.code, (("Content-Type", "application/json"),), ERROR_BODY)
        else:
            code, message = _S3_ERRORS.get(self.code, ("InternalError", "We encountered an internal error."))
            failed = s3_error(self.code, code, message)
        return failed.with_headers(retry_after=self.retry_after) if self.retry_after is not None else failed


_S3_ERRORS = {
    403: ("AccessDenied", "Access Denied"),
    404: ("NoSuchKey", "The specified key does not exist."),
    503: ("SlowDown", "Please reduce your request rate."),
}


@dataclass(frozen=True)
class HtmlPage(Occurs):
    """An error page under HTTP 200; `content_type` None keeps the type of what should have come."""

    content_type: str | None = None

    def apply(self, reply: Reply) -> Reply:
        return _disguised(reply, HTML_BODY, self.content_type)


@dataclass(frozen=True)
class XmlError(Occurs):
    """S3's error document under HTTP 200; `content_type` None keeps the type of what should have come."""

    code: str = "InternalError"
    content_type: str | None = None

    def apply(self, reply: Reply) -> Reply:
        return _disguised(reply, s3_error(500, self.code, "Please try again.").body, self.content_type)


@dataclass(frozen=True)
class OtherBody(Occurs):
    """Any body under HTTP 200: empty, zeros, JSON, something huge."""

    body: bytes
    content_type: str | None = None

    def apply(self, reply: Reply) -> Reply:
        return _disguised(reply, self.body, self.content_type)


def _disguised(reply: Reply, body: bytes, content_type: str | None) -> Reply:
    kind = content_type or reply.header("content-type") or "application/octet-stream"
    return replace(reply, status=200, body=body).with_headers(content_type=kind, etag=None)


@dataclass(frozen=True)
class UnaskedPart(Occurs):
    """206 with a Content-Range that nobody asked for."""

    at: int | float = 0.5

    def apply(self, reply: Reply) -> Reply:
        length = len(reply.body)
        part = reply.body[: max(1, position(self.at, length))]
        span = f"bytes 0-{len(part) - 1}/{length}"
        return replace(reply, status=206, body=part).with_headers(content_range=span)


@dataclass(frozen=True)
class Gzipped(Occurs):
    """Content-Encoding: gzip; with `zeros` the body is that many zero bytes instead (a bomb)."""

    zeros: int | None = None

    def apply(self, reply: Reply) -> Reply:
        data = reply.body if self.zeros is None else bytes(self.zeros)
        return replace(reply, body=gzip.compress(data, 6, mtime=0)).with_headers(content_encoding="gzip")


@dataclass(frozen=True)
class Redirect(Occurs):
    """A redirect to any address."""

    location: str
    code: int = 302

    def apply(self, reply: Reply) -> Reply:
        del reply  # nothing of it is left
        return Reply(self.code, (("Location", self.location),))


@dataclass(frozen=True)
class EndlessBody(Occurs):
    """The body again and again, until the client has had enough; `declared` may promise an end by Content-Length."""

    declared: int | None = None

    def apply(self, reply: Reply) -> Reply:
        framing = Framing.CHUNKED if self.declared is None else Framing.LENGTH
        ending = Ending.CLOSE
        return replace(reply, endless=True, framing=framing, declared_length=self.declared, ending=ending)


@dataclass(frozen=True)
class ErrorStatus(Occurs):
    """The API's published failure body under HTTP 200."""

    def apply(self, reply: Reply) -> Reply:
        return replace(reply, status=200, body=ERROR_BODY)


@dataclass(frozen=True)
class CutBody(Occurs):
    """A body that is not all there, the Content-Length agreeing: for JSON, a document that breaks off."""

    at: int | float = 0.5

    def apply(self, reply: Reply) -> Reply:
        return replace(reply, body=reply.body[: position(self.at, len(reply.body))])


@dataclass(frozen=True)
class Headers(Occurs):
    """Response headers set to other values, by name; None takes one away."""

    changes: tuple[tuple[str, str | None], ...]

    def apply(self, reply: Reply) -> Reply:
        return reply.with_headers(**dict(self.changes))


ReplyFault = (
    CutTransfer | ResetTransfer | NoLength | Chunked | Latency | Drip | Status | HtmlPage | XmlError | OtherBody |
    UnaskedPart | Gzipped | Redirect | EndlessBody | ErrorStatus | CutBody | Headers
)  # fmt: skip

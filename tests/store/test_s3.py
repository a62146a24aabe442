"""What only S3 can answer: a scripted server on a real socket says it, the adapter has to understand it.

No secret may come out of any of it: every test here runs with canaries for credentials and the root logger at DEBUG.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

import anyio
import pytest

from archiver.errors import ArchiverError, DestinationUnusable, StoreFailed
from archiver.model import Check, Protection, Retention, RetentionMode, StoredObject
from archiver.store.body import Document
from archiver.store.interface import AlreadyThere, Conflict, Created
from archiver.store.s3 import MAX_PUT_BYTES, S3Store
from archiver.store.s3_create_only import is_amazon
from archiver.store.s3_headers import Placing

from .bodies import LyingBody, digest_of

pytestmark = pytest.mark.anyio

KEY = "recordings/dt=2026-09-22/abc.mp3"
AUDIO = b"\xff\xfb\x90\x00" * 300
BODY, DIGEST = Document(AUDIO), digest_of(AUDIO)
CANARIES = ("AKIACANARYACCESSKEY0", "canary/SECRET+key", "canary-SESSION-token")


def checksum(data: bytes) -> str:
    return base64.b64encode(bytes.fromhex(digest_of(data).hex)).decode()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: bool = False
    """Close the connection: without an answer if ``status`` is 0, else after the body, whatever length was promised."""


@dataclass
class Server:
    """Answers as scripted; the last answer of a method is given again and again."""

    url: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def says(self, method: str, *answers: Answer) -> None:
        self.answers[method] = list(answers)

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        self.requests.append((method, path, headers, body))
        script = self.answers.get(method, [Answer(500)])
        return script.pop(0) if len(script) > 1 else script[0]

    @property
    def methods(self) -> list[str]:
        return [method for method, *_ in self.requests]


def refusal(status: int, code: str, extra: str = "", headers: dict[str, str] | None = None) -> Answer:
    """An S3 error document, which repeats credentials as the real one does."""
    text = (
        f"<Error><Code>{code}</Code><Message>no, {CANARIES[0]}</Message>{extra}"
        f"<AWSAccessKeyId>{CANARIES[0]}</AWSAccessKeyId><StringToSign>{' '.join(CANARIES)}</StringToSign></Error>"
    )
    return Answer(status, headers or {}, text.encode())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Server

    def do_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.script.answer(self.command, self.path, headers, body)
        if answer.status:
            self.send_response(answer.status)
            for name, value in ({"Content-Length": str(len(answer.body))} | answer.headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)
        self.close_connection = self.close_connection or answer.cut or not answer.status

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = do_any  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Not on stderr."""


@pytest.fixture
def server() -> Iterator[Server]:
    handler = type("Scripted", (Handler,), {})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    script = Server(f"http://127.0.0.1:{http.server_address[1]}")
    handler.script = script  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield script
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's pauses between attempts are left out, and ours."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    monkeypatch.setattr("archiver.store.s3_requests.PAUSE", (0.0, 0.0))


@pytest.fixture(autouse=True)
def canaries(monkeypatch: pytest.MonkeyPatch, aws_environment: None) -> None:
    for name, canary in zip(("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"), CANARIES, strict=True):
        monkeypatch.setenv(f"AWS_{name}", canary)


class Everything(logging.Handler):
    """Keeps every record as it would be printed."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture(autouse=True)
def silence(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """No canary in any log record, though everything may log at DEBUG, nor on stdout or stderr."""
    root, handler = logging.getLogger(), Everything()
    level = root.level
    for name in ("boto3", "botocore", "urllib3"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield
    root.removeHandler(handler)
    root.setLevel(level)
    assert_silent(*handler.lines, *capfd.readouterr())


def assert_silent(*texts: str) -> None:
    for text in texts:
        for canary in CANARIES:
            assert canary not in text
            assert base64.b64encode(canary.encode()).decode() not in text


def wordings(error: ArchiverError) -> list[str]:
    """All that a program could print of an error."""
    return [str(error), repr(error), error.fact, error.hint, "".join(traceback.format_exception(error))]


@pytest.fixture
async def store(server: Server) -> AsyncIterator[S3Store]:
    made = S3Store("acme-voice", "bics", region="eu-west-1", endpoint_url=server.url, connections=4)
    yield made
    await made.aclose()


ECHO = Answer(200, {"x-amz-checksum-sha256": checksum(AUDIO), "x-amz-version-id": "v1"})
SILENT = Answer(200)
REFUSED = refusal(412, "PreconditionFailed")


def head(data: bytes, *, named: str | None = None) -> Answer:
    headers = {"Content-Length": str(len(data))}
    return Answer(200, headers | ({"x-amz-checksum-sha256": named} if named else {}))


async def test_what_is_sent(store: S3Store, server: Server) -> None:
    server.says("PUT", ECHO)
    outcome = await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    assert outcome == Created(StoredObject(KEY, len(AUDIO), DIGEST, "v1"))
    [(method, path, headers, body)] = server.requests
    assert (method, path, body) == ("PUT", f"/acme-voice/bics/{KEY.replace('=', '%3D')}", AUDIO)
    assert headers["if-none-match"] == "*"
    assert headers["x-amz-checksum-sha256"] == checksum(AUDIO)
    assert headers["x-amz-content-sha256"] == DIGEST.hex
    assert headers["content-type"] == "audio/mpeg"
    assert headers["content-length"] == str(len(AUDIO))
    assert not {"x-amz-trailer", "content-encoding", "transfer-encoding", "expect"} & set(headers)
    assert not {name for name in headers if "server-side" in name or "storage-class" in name}
    assert store.location == "s3://acme-voice/bics"


@pytest.mark.parametrize(
    ("encryption", "sent"),
    [
        (None, (None, None)),
        ("AES256", ("AES256", None)),
        ("aws:kms", ("aws:kms", None)),
        ("aws:kms:arn:aws:kms:eu-west-1:1:key/k", ("aws:kms", "arn:aws:kms:eu-west-1:1:key/k")),
    ],
)
async def test_encryption_and_storage_class_are_asked_for(
    server: Server, encryption: str | None, sent: tuple[str | None, str | None]
) -> None:
    server.says("PUT", ECHO)
    store = S3Store(
        "acme-voice", region="eu-west-1", endpoint_url=server.url, placing=Placing(encryption, "STANDARD_IA")
    )
    await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    await store.aclose()
    headers = server.requests[0][2]
    algorithm, key = "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"
    assert (headers.get(algorithm), headers.get(key)) == sent
    assert headers["x-amz-storage-class"] == "STANDARD_IA"


@pytest.mark.parametrize(
    ("put", "then", "methods"),
    [
        (ECHO, {}, ["PUT"]),
        (Answer(200, {"ETag": f'"{hashlib.md5(AUDIO).hexdigest()}"'}), {}, ["PUT"]),
        (Answer(200, {"ETag": f'"{"0" * 32}"'}), {"HEAD": head(AUDIO, named=checksum(AUDIO))}, ["PUT", "HEAD"]),
        (SILENT, {"HEAD": head(AUDIO, named=checksum(AUDIO))}, ["PUT", "HEAD"]),
        (SILENT, {"HEAD": head(AUDIO), "GET": Answer(200, body=AUDIO)}, ["PUT", "HEAD", "GET"]),
        (
            SILENT,
            {"HEAD": head(AUDIO, named=f"{checksum(AUDIO)}-2"), "GET": Answer(200, body=AUDIO)},
            ["PUT", "HEAD", "GET"],
        ),
    ],
    ids=["echo", "etag", "another etag", "head", "read back", "composite is none"],
)
async def test_a_put_is_believed_after_comparison(
    store: S3Store, server: Server, put: Answer, then: dict[str, Answer], methods: list[str]
) -> None:
    server.says("PUT", put)
    for method, answer in then.items():
        server.says(method, answer)
    outcome = await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    assert isinstance(outcome, Created)
    assert (outcome.stored.size, outcome.stored.digest) == (len(AUDIO), DIGEST)
    assert server.methods == methods


@pytest.mark.parametrize(
    ("put", "then"),
    [
        (Answer(200, {"x-amz-checksum-sha256": checksum(b"x")}), {}),
        (SILENT, {"HEAD": head(AUDIO, named=checksum(b"x"))}),
        (SILENT, {"HEAD": head(AUDIO[:-1], named=checksum(AUDIO))}),
        (SILENT, {"HEAD": head(AUDIO), "GET": Answer(200, body=AUDIO[:-1] + b"x")}),
        (SILENT, {"HEAD": head(AUDIO), "GET": Answer(200, body=b"4b0;chunk-signature=1\r\n" + AUDIO)}),
        (SILENT, {"HEAD": Answer(404)}),
    ],
    ids=["echo", "head", "size", "read back", "framing stored", "not there"],
)
async def test_a_put_that_stored_something_else_is_not_believed(
    store: S3Store, server: Server, put: Answer, then: dict[str, Answer]
) -> None:
    server.says("PUT", put)
    for method, answer in then.items():
        server.says(method, answer)
    with pytest.raises(StoreFailed, match="does not hold"):
        await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")


@pytest.mark.parametrize("body", [Document(b"damaged"), LyingBody(AUDIO, said=1), LyingBody(AUDIO, said=9999)])
async def test_a_wrong_body_is_never_sent(store: S3Store, server: Server, body: Document) -> None:
    server.says("PUT", ECHO)
    with pytest.raises(StoreFailed, match="not the one its digest names"):
        await store.put_new(KEY, body, DIGEST, "audio/mpeg")
    assert server.requests == []


async def test_a_body_is_sent_again_where_a_kept_connection_breaks(store: S3Store, server: Server) -> None:
    """The store closes a connection that was used before: the put goes out once more, whole."""
    server.says("PUT", ECHO, Answer(0), ECHO)
    for key in (KEY, f"{KEY}2"):
        assert isinstance(await store.put_new(key, BODY, DIGEST, "audio/mpeg"), Created)
    assert [body for _, _, _, body in server.requests] == [AUDIO, AUDIO, AUDIO]


async def test_credentials_that_expire_are_refreshed_for_the_puts(
    store: S3Store, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A credential process, whose keys are good for a minute: botocore asks it again before they die."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        monkeypatch.delenv(f"AWS_{name}")
    script = tmp_path / "keys.py"
    script.write_text(
        "import json, datetime, pathlib\n"
        f"calls = pathlib.Path({str(tmp_path / 'calls')!r})\n"
        "n = len(calls.read_text()) if calls.exists() else 0\n"
        "calls.write_text('x' * (n + 1))\n"
        "dies = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=60)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'AKIDNUMBER{n}', 'SecretAccessKey': 's',"
        " 'SessionToken': f'token-{n}', 'Expiration': dies.isoformat()}))\n"
    )
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {sys.executable} {script}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    server.says("PUT", ECHO)
    for number, known in enumerate((60.0, 60.0, 0.0, 0.0)):
        monkeypatch.setattr("archiver.store.s3_requests.KEYS_KNOWN", known)
        await store.put_new(f"{KEY}{number}", BODY, DIGEST, "audio/mpeg")
    told = [(headers["authorization"], headers["x-amz-security-token"]) for _, _, headers, _ in server.requests]
    keys = [authorization.partition("Credential=")[2].partition("/")[0] for authorization, _ in told]
    assert keys[0] == keys[1] != keys[2] != keys[3], "asked for again, but not for each"
    assert [token.rpartition("-")[2] for _, token in told] == [key.removeprefix("AKIDNUMBER") for key in keys]


@pytest.mark.parametrize("status", [200, 301, 403])
async def test_at_aws_the_bucket_says_which_region_signs(
    server: Server, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    server.says("HEAD", Answer(status, {"x-amz-bucket-region": "eu-north-1"}))
    server.says("PUT", ECHO)
    store = S3Store("acme-voice", region="eu-west-1")
    assert isinstance(await store.put_new(KEY, BODY, DIGEST, "audio/mpeg"), Created)
    await store.put_new(f"{KEY}2", BODY, DIGEST, "audio/mpeg")
    await store.aclose()
    assert server.methods == ["HEAD", "PUT", "PUT"]
    assert all("/eu-north-1/s3/" in headers["authorization"] for method, _, headers, _ in server.requests[1:])


async def test_more_than_one_put_can_take_is_refused(store: S3Store, server: Server) -> None:
    with pytest.raises(StoreFailed, match="single put"):
        await store.put_new(KEY, LyingBody(b"", said=MAX_PUT_BYTES + 1), DIGEST, "audio/mpeg")
    assert server.requests == []


async def test_a_lost_answer_finds_its_own_bytes(store: S3Store, server: Server) -> None:
    server.says("PUT", Answer(0), REFUSED)
    server.says("HEAD", head(AUDIO, named=checksum(AUDIO)))
    outcome = await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    assert isinstance(outcome, AlreadyThere)
    assert server.methods[:2] == ["PUT", "PUT"]
    assert [body for method, _, _, body in server.requests if method == "PUT"] == [AUDIO, AUDIO]


@pytest.mark.parametrize("named", [True, False])
async def test_other_bytes_under_the_key_are_a_conflict(store: S3Store, server: Server, named: bool) -> None:
    other = AUDIO[:-1] + b"x"
    server.says("PUT", REFUSED)
    server.says("HEAD", head(other, named=checksum(other) if named else None))
    server.says("GET", Answer(200, body=other))
    outcome = await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    assert outcome == Conflict(StoredObject(KEY, len(other), digest_of(other)))
    assert server.methods.count("PUT") == 1


@pytest.mark.parametrize("first", [refusal(409, "ConditionalRequestConflict"), refusal(503, "SlowDown"), Answer(500)])
async def test_transient_refusals_are_tried_again(store: S3Store, server: Server, first: Answer) -> None:
    server.says("PUT", first, first, ECHO)
    outcome = await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    assert isinstance(outcome, Created)
    assert outcome.pushed_back == (first.status == 503)
    assert server.methods == ["PUT", "PUT", "PUT"]


@pytest.mark.parametrize("answer", [refusal(409, "ConditionalRequestConflict"), refusal(503, "SlowDown"), Answer(0)])
async def test_they_are_not_tried_for_ever(store: S3Store, server: Server, answer: Answer) -> None:
    server.says("PUT", answer)
    with pytest.raises(StoreFailed) as caught:
        await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    assert len(server.requests) == 5
    assert caught.value.pushed_back == (answer.status == 503)
    assert_silent(*wordings(caught.value))


async def test_a_key_that_vanishes_between_refusal_and_look_is_put_again(store: S3Store, server: Server) -> None:
    server.says("PUT", REFUSED, ECHO)
    server.says("HEAD", Answer(404))
    assert isinstance(await store.put_new(KEY, BODY, DIGEST, "audio/mpeg"), Created)


async def test_a_body_that_breaks_off_is_read_again(store: S3Store, server: Server) -> None:
    cut = Answer(200, {"Content-Length": str(len(AUDIO))}, AUDIO[:100], cut=True)
    server.says("GET", cut, cut, Answer(200, body=AUDIO))
    assert await store.read(KEY, 10_000) == AUDIO
    server.says("HEAD", head(AUDIO))
    server.says("GET", cut, Answer(200, body=AUDIO))
    assert await store.head(KEY) == StoredObject(KEY, len(AUDIO), DIGEST)
    server.says("GET", cut)
    with pytest.raises(StoreFailed):
        await store.read(KEY, 10_000)


UNUSABLE = [
    (refusal(404, "NoSuchBucket"), "does not exist", "create it"),
    (refusal(403, "AccessDenied"), "access denied", "s3:PutObject"),
    (refusal(403, "InvalidAccessKeyId"), "access key", "credentials"),
    (refusal(403, "SignatureDoesNotMatch"), "signature", "credentials"),
    (refusal(400, "ExpiredToken"), "session token", "renew"),
    (refusal(403, "RequestTimeTooSkewed"), "clock", "NTP"),
    (refusal(301, "PermanentRedirect"), "region", "region"),
    (refusal(400, "AuthorizationHeaderMalformed", "<Region>eu-north-1</Region>"), "region", ": eu-north-1"),
    (refusal(400, "IllegalLocationConstraintException"), "region", "region"),
    (refusal(400, "KMS.NotFoundException"), "encryption key", "encryption"),
    (refusal(400, "InvalidStorageClass"), "storage class", "storage_class"),
    (refusal(501, "NotImplemented"), "lacks", "doctor"),
    (refusal(403, "QuotaExceeded"), "full", "quota"),
]


@pytest.mark.parametrize(("answer", "fact", "hint"), UNUSABLE)
async def test_what_no_object_would_do_better(
    store: S3Store, server: Server, answer: Answer, fact: str, hint: str
) -> None:
    for method in ("PUT", "GET", "HEAD"):
        server.says(method, answer)
    with pytest.raises(DestinationUnusable, match=fact) as caught:
        await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    assert hint in caught.value.hint
    assert_silent(*wordings(caught.value))
    with pytest.raises(DestinationUnusable, match=fact) as caught:
        await store.read(KEY, 10)
    with pytest.raises(DestinationUnusable, match=fact) as caught:
        assert [stored async for stored in store.list("")] == []
    assert_silent(*wordings(caught.value))


@pytest.mark.parametrize(("status", "fact"), [(403, "access denied"), (400, "without words")])
async def test_a_head_has_no_words(store: S3Store, server: Server, status: int, fact: str) -> None:
    server.says("HEAD", Answer(status))
    with pytest.raises(DestinationUnusable, match=fact):
        await store.head(KEY)


async def test_a_missing_bucket_is_not_a_missing_object(store: S3Store, server: Server) -> None:
    server.says("HEAD", Answer(404))
    with pytest.raises(DestinationUnusable, match="does not exist"):
        await store.head(KEY)


@pytest.mark.parametrize(
    "answer",
    [
        refusal(400, "EntityTooLarge"),
        refusal(500, "InternalError"),
        refusal(400, "x" * 100),
        refusal(403, "InvalidObjectState"),
        refusal(400, "<![CDATA[" + CANARIES[2] + " ]]>"),
        Answer(200, {}, b"<html>not S3</html>"),
        Answer(502, {}, f"<html>{CANARIES[1]}</html>".encode()),
    ],
)
async def test_other_refusals_are_this_objects(store: S3Store, server: Server, answer: Answer) -> None:
    server.says("PUT", answer)
    server.says("GET", answer)
    server.says("HEAD", Answer(500))
    with pytest.raises(StoreFailed) as caught:
        await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    assert_silent(*wordings(caught.value))


@pytest.mark.parametrize(
    "body",
    [
        f"<html>not S3 {CANARIES[1]}</html>",
        f"{{{CANARIES[1]}",
        "",
        "<a><b>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>bics/a</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Size>many</Size></Contents></ListBucketResult>",
    ],
)
async def test_a_listing_that_is_not_one_is_not_an_empty_one(store: S3Store, server: Server, body: str) -> None:
    server.says("GET", Answer(200, {}, body.encode()))
    with pytest.raises(StoreFailed) as caught:
        assert [stored async for stored in store.list("")] == []
    assert_silent(*wordings(caught.value))


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-checksum-sha256": "not base64"},
        {"x-amz-checksum-sha256": "é"},
        {"x-amz-checksum-sha256": "YQ=="},
        {"Last-Modified": "yesterday"},
        {"x-amz-checksum-sha256": checksum(AUDIO) + "-2"},
    ],
)
async def test_headers_that_make_no_sense_fail_this_object_alone(
    store: S3Store, server: Server, headers: dict[str, str]
) -> None:
    for method in ("PUT", "HEAD", "GET"):
        server.says(method, Answer(200, headers, b""))
    with pytest.raises(StoreFailed):
        await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")


async def test_a_listing_that_never_ends_is_ended(store: S3Store, server: Server) -> None:
    page = (
        "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken>"
        "<Contents><Key>bics/a</Key><Size>1</Size></Contents></ListBucketResult>"
    )
    server.says("GET", Answer(200, {}, page.encode()))
    with pytest.raises(StoreFailed):
        assert [stored async for stored in store.list("")] == []


async def test_nobody_listens(server: Server) -> None:
    closed = "http://127.0.0.1:1"
    store = S3Store("acme-voice", region="eu-west-1", endpoint_url=closed)
    with pytest.raises(DestinationUnusable, match="cannot be reached") as caught:
        await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    assert "endpoint_url" in caught.value.hint
    assert_silent(*wordings(caught.value))
    assert [check.passed for check in await store.check()] == [False]
    await store.aclose()


async def test_a_store_that_goes_away_later_may_come_back(store: S3Store, server: Server) -> None:
    server.says("PUT", ECHO)
    await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    server.says("PUT", Answer(0))
    with pytest.raises(StoreFailed):
        await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")


async def test_no_credentials(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    store = S3Store("acme-voice", region="eu-west-1", endpoint_url=server.url)
    with pytest.raises(DestinationUnusable, match="no usable AWS credentials"):
        await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    assert server.requests == []
    await store.aclose()


@pytest.mark.parametrize("settings", [{"endpoint_url": "ht tp://x"}, {"bucket": "no/bucket"}, {"region": "ü"}])
async def test_a_configuration_that_cannot_work(server: Server, settings: dict[str, str]) -> None:
    known: dict[str, Any] = {"bucket": "acme-voice", "region": "eu-west-1", "endpoint_url": server.url} | settings
    store = S3Store(known.pop("bucket"), **known)
    with pytest.raises(DestinationUnusable):
        await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    assert server.requests == []
    await store.aclose()


async def test_a_cancelled_put_ends_soon(store: S3Store, server: Server) -> None:
    class Slow(Document):
        @property
        def size(self) -> int:
            return 1 << 20

        def open(self) -> BinaryIO:
            stream = super().open()

            def drip(_: int = -1) -> bytes:
                drips.append(1)
                threading.Event().wait(0.01)
                return b"x"

            stream.read = drip  # type: ignore[method-assign]
            return stream

    drips: list[int] = []
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.put_new, KEY, Slow(AUDIO), DIGEST, "audio/mpeg")
            while not drips:
                await anyio.sleep(0.001)
            tasks.cancel_scope.cancel()
    assert len(drips) < 1 << 20
    assert server.requests == []


def by_name(checks: list[Check]) -> dict[str, bool]:
    return {check.name: check.passed for check in checks}


async def test_the_doctor_names_a_store_that_overwrites(store: S3Store, server: Server) -> None:
    server.says("HEAD", Answer(200))
    server.says("PUT", SILENT)
    server.says("GET", Answer(200, body=b"other bytes"))
    server.says("DELETE", refusal(403, "AccessDenied"))
    checks = list(await store.check())
    found = by_name(checks)
    assert not found["create-only"]
    assert found["read back"], "which says nothing new"
    assert found["deletion"]
    assert "as it should be" in next(check.fact for check in checks if check.name == "deletion")
    assert all(check.remedy for check in checks if not check.passed)


async def test_the_doctor_names_a_store_that_ignores_and_echoes(server: Server) -> None:
    store = S3Store("acme-voice", region="eu-west-1", endpoint_url=server.url, placing=Placing("AES256"))
    server.says("HEAD", Answer(200))
    server.says("PUT", SILENT, REFUSED, ECHO)
    server.says("GET", Answer(200, body=b"x"))
    server.says("DELETE", Answer(204))
    found = by_name(list(await store.check()))
    assert found["create-only"]
    assert not found["checksum"]
    assert not found["as configured"]
    assert server.methods.count("DELETE") == 2
    await store.aclose()


@pytest.mark.parametrize("status", [404, 403, 400])
async def test_the_doctor_stops_at_a_bucket_that_does_not_answer(store: S3Store, server: Server, status: int) -> None:
    server.says("HEAD", Answer(status))
    [check] = await store.check()
    assert not check.passed
    assert check.remedy
    assert "PUT" not in server.methods


async def test_a_bucket_that_takes_no_lock_is_not_usable(server: Server, store: S3Store) -> None:
    server.says("PUT", refusal(400, "InvalidRequest"))
    held = Protection(Retention(RetentionMode.GOVERNANCE, datetime(2099, 1, 1, tzinfo=UTC)))
    with pytest.raises(DestinationUnusable, match="under a lock"):
        await store.put_new(KEY, BODY, DIGEST, "audio/mpeg", held)


async def test_a_lock_that_is_not_there_afterwards_is_no_success(server: Server, store: S3Store) -> None:
    held = Protection(Retention(RetentionMode.GOVERNANCE, datetime(2099, 1, 1, tzinfo=UTC)))
    stored = {"x-amz-checksum-sha256": checksum(AUDIO), "Content-Length": str(len(AUDIO))}
    server.says("PUT", Answer(200, {"x-amz-checksum-sha256": checksum(AUDIO)}))
    server.says("HEAD", Answer(200, stored))
    with pytest.raises(StoreFailed, match="does not lock"):
        await store.put_new(KEY, BODY, DIGEST, "audio/mpeg", held)
    sent = server.requests[0][2]
    assert sent["x-amz-object-lock-mode"] == "GOVERNANCE"
    assert sent["x-amz-object-lock-retain-until-date"] == "2099-01-01T00:00:00Z"
    assert sent["x-amz-sdk-checksum-algorithm"] == "SHA256"
    shorter = {"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": "2098-12-31T00:00:00Z"}
    server.says("HEAD", Answer(200, stored | shorter))
    with pytest.raises(StoreFailed, match="does not lock"):
        await store.put_new(KEY, BODY, DIGEST, "audio/mpeg", held)
    server.says("HEAD", Answer(200, stored | shorter | {"x-amz-object-lock-retain-until-date": "2099-01-01T00:00:00Z"}))
    outcome = await store.put_new(KEY, BODY, DIGEST, "audio/mpeg", held)
    assert outcome.stored.protection == held


async def test_every_request_names_the_expected_owner(server: Server) -> None:
    store = S3Store("acme-voice", region="eu-west-1", endpoint_url=server.url, placing=Placing(bucket_owner="1" * 12))
    server.says("PUT", Answer(200, {"x-amz-checksum-sha256": checksum(AUDIO)}))
    server.says("HEAD", Answer(404))
    server.says("GET", refusal(404, "NoSuchKey"))
    await store.put_new(KEY, BODY, DIGEST, "audio/mpeg")
    assert await store.head(KEY) is None
    assert await store.read(KEY, 10) is None
    assert {headers.get("x-amz-expected-bucket-owner") for _, _, headers, _ in server.requests} == {"1" * 12}
    await store.aclose()


async def test_a_bucket_that_is_not_known_to_refuse_second_puts_is_tried_once(server: Server) -> None:
    told: list[tuple[str, str]] = []
    store = S3Store("b", "p", region="eu-west-1", endpoint_url=server.url, doubtful=lambda *doubt: told.append(doubt))
    server.says("PUT", REFUSED, ECHO)
    for _ in range(2):
        assert isinstance(await store.put_new(KEY, BODY, DIGEST, "audio/mpeg"), Created)
    await store.aclose()
    paths = [path for _, path, _, _ in server.requests]
    assert paths == ["/b/p/doctor/create-only", *[f"/b/p/{KEY.replace('=', '%3D')}"] * 2]
    assert server.requests[0][2]["if-none-match"] == "*"
    assert told == []


@pytest.mark.parametrize("answers", [(ECHO, ECHO), (refusal(403, "AccessDenied"),)], ids=["taken", "denied"])
async def test_where_it_cannot_be_relied_on_every_key_is_looked_at(answers: tuple[Answer, ...], server: Server) -> None:
    told: list[tuple[str, str]] = []
    store = S3Store("b", "p", region="eu-west-1", endpoint_url=server.url, doubtful=lambda *doubt: told.append(doubt))
    server.says("PUT", *answers, Answer(0), ECHO)
    server.says("HEAD", Answer(404), Answer(404), head(b"other", named=checksum(b"other")))
    assert isinstance(await store.put_new(KEY, BODY, DIGEST, "audio/mpeg"), Created), "its first answer was lost"
    assert isinstance(await store.put_new(KEY, BODY, DIGEST, "audio/mpeg"), Conflict)
    await store.aclose()
    assert server.methods == ["PUT"] * len(answers) + ["HEAD", "PUT", "HEAD", "PUT", "HEAD"]
    [(location, reason)] = told
    assert location == "s3://b/p"
    assert reason


@pytest.mark.parametrize(
    ("url", "believed"),
    [
        ("https://s3.eu-west-1.amazonaws.com", True),
        ("https://s3.cn-north-1.amazonaws.com.cn", True),
        ("https://s3.dualstack.eu-west-1.api.aws", True),
        ("https://minio.example", False),
        ("https://amazonaws.com.example", False),
        ("http://127.0.0.1:9000", False),
    ],
)
def test_amazon_is_believed(url: str, believed: bool) -> None:
    assert is_amazon(url) is believed

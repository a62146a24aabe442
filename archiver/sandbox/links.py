"""Presigned links to audio: signed as the provider signs them, and refused as S3 refuses them.

Links are signed by botocore and checked by recomputation from the request that arrives ("Authenticating Requests:
Using Query Parameters (AWS Signature Version 4)", Amazon S3 API Reference), so that neither half can be wrong alone.
The older form (`AWSAccessKeyId`, `Expires`, `Signature`) is Signature Version 2. The time is that of the sandbox's
own clock.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from archiver.sandbox.http import Reply, Request

LinkStyle = Literal["v4", "v2"]

REGION = "ap-southeast-1"
BUCKET = "s30m"
_STAMP = "%Y%m%dT%H%M%SZ"
_LONGEST_LIFE = 604_800
_SKEW_ALLOWED = timedelta(minutes=15)


def _access_key() -> str:
    return "AKIA" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16))


@dataclass(frozen=True)
class LinkKeys:
    """Throwaway keys that sign links; made anew for every sandbox."""

    access_key: str = field(default_factory=_access_key)
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(30), repr=False)


@dataclass(frozen=True)
class LinkRefused:
    """Why a link does not open anything: S3's status, error code and message, and the elements that go with them."""

    status: int
    code: str
    message: str
    details: tuple[tuple[str, str], ...] = ()

    def reply(self) -> Reply:
        return s3_error(self.status, self.code, self.message, self.details)


def s3_error(status: int, code: str, message: str, details: tuple[tuple[str, str], ...] = ()) -> Reply:
    """An answer in S3's XML."""
    request_id, host_id = secrets.token_hex(8).upper(), secrets.token_urlsafe(48)
    elements = (("Code", code), ("Message", message), *details, ("RequestId", request_id), ("HostId", host_id))
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in elements)
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()
    headers = (("Content-Type", "application/xml"), ("X-Amz-Request-Id", request_id), ("X-Amz-Id-2", host_id))
    return Reply(status, headers, body)


class _SignerAt(S3SigV4QueryAuth):
    """botocore's signer of presigned URLs, at a moment of our choice instead of now."""

    def __init__(self, keys: LinkKeys, moment: datetime, life: int) -> None:
        super().__init__(Credentials(keys.access_key, keys.secret_key), "s3", REGION, expires=life)
        self._moment = moment

    def add_auth(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._moment.strftime(_STAMP)
        self._modify_request_before_signing(request)  # type: ignore[attr-defined]
        signature = self.signature(self.string_to_sign(request, self.canonical_request(request)), request)
        self._inject_signature_to_request(request, signature)  # type: ignore[attr-defined]


def sign_v4(keys: LinkKeys, url: str, moment: datetime, life: int) -> str:
    """Give `url` (scheme, host, path) as a SigV4 GET link, signed at `moment` and good for `life` seconds."""
    request = AWSRequest("GET", f"{url}?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD")
    _SignerAt(keys, moment, life).add_auth(request)
    return str(request.url)


def sign_v2(keys: LinkKeys, url: str, moment: datetime, life: int) -> str:
    """Give `url` as a link of the older style, which names the second of its end."""
    expires = int(moment.timestamp()) + life
    path = "/" + url.split("/", 3)[3]
    signature = quote(_v2_signature(keys, "GET", path, str(expires)), safe="")
    return f"{url}?AWSAccessKeyId={keys.access_key}&Expires={expires}&Signature={signature}"


def check(keys: LinkKeys, request: Request, now: datetime) -> LinkRefused | None:
    """Say why a request does not get its object, or None when its signature is right and still alive."""
    path, _, query = request.target.partition("?")
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    parameters = {unquote(name): unquote(value) for name, value in pairs}
    if "X-Amz-Signature" in parameters:
        return _check_v4(keys, request, path, parameters, now)
    if "Signature" in parameters:
        return _check_v2(keys, request, path, parameters, now)
    return LinkRefused(403, "AccessDenied", "Access Denied")


def _check_v4(
    keys: LinkKeys, request: Request, path: str, parameters: Mapping[str, str], now: datetime
) -> LinkRefused | None:
    try:
        signed_at = datetime.strptime(parameters["X-Amz-Date"], _STAMP).replace(tzinfo=UTC)
        life = int(parameters["X-Amz-Expires"])
        access_key, day, region, service, terminal = parameters["X-Amz-Credential"].split("/")
        signed_headers = parameters["X-Amz-SignedHeaders"]
    except (KeyError, ValueError):
        message = "Query-string authentication requires the Signature, Date, Expires, and Credential parameters"
        return LinkRefused(400, "AuthorizationQueryParametersError", message)
    if not 0 <= life <= _LONGEST_LIFE:
        message = "X-Amz-Expires must be less than a week (in seconds)"
        return LinkRefused(400, "AuthorizationQueryParametersError", message)
    if signed_at - now > _SKEW_ALLOWED:
        return LinkRefused(403, "AccessDenied", "Request is not valid yet")
    if now >= signed_at + timedelta(seconds=life):
        return _expired(signed_at + timedelta(seconds=life), now, (("X-Amz-Expires", str(life)),))
    if access_key != keys.access_key:
        message = "The AWS Access Key Id you provided does not exist in our records."
        return LinkRefused(403, "InvalidAccessKeyId", message, (("AWSAccessKeyId", access_key),))
    canonical = _canonical_request(request, path, parameters, signed_headers)
    scope = f"{day}/{region}/{service}/{terminal}"
    stamp = parameters["X-Amz-Date"]
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    key = _signing_key(keys.secret_key, day, region, service)
    expected = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return _compare(keys, expected, parameters["X-Amz-Signature"], to_sign)


def _canonical_request(request: Request, path: str, parameters: Mapping[str, str], signed_headers: str) -> str:
    signed = (pair for pair in parameters.items() if pair[0] != "X-Amz-Signature")
    query = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in signed)
    headers = "".join(f"{name}:{(request.header(name) or '').strip()}\n" for name in signed_headers.split(";"))
    return "\n".join(
        (
            request.method,
            quote(unquote(path), safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in query),
            headers,
            signed_headers,
            "UNSIGNED-PAYLOAD",
        )
    )


@lru_cache(maxsize=64)
def _signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _check_v2(
    keys: LinkKeys, request: Request, path: str, parameters: Mapping[str, str], now: datetime
) -> LinkRefused | None:
    try:
        expires = int(parameters["Expires"])
    except (KeyError, ValueError):
        message = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
        return LinkRefused(403, "AccessDenied", message)
    if now.timestamp() >= expires:
        return _expired(datetime.fromtimestamp(expires, UTC), now)
    expected = _v2_signature(keys, request.method, path, parameters["Expires"])
    return _compare(keys, expected, parameters["Signature"], "")


def _v2_signature(keys: LinkKeys, method: str, path: str, expires: str) -> str:
    to_sign = f"{method}\n\n\n{expires}\n/{BUCKET}{path}"
    return base64.b64encode(hmac.new(keys.secret_key.encode(), to_sign.encode(), hashlib.sha1).digest()).decode()


def _expired(end: datetime, now: datetime, details: tuple[tuple[str, str], ...] = ()) -> LinkRefused:
    times = (("Expires", f"{end:%Y-%m-%dT%H:%M:%SZ}"), ("ServerTime", f"{now:%Y-%m-%dT%H:%M:%SZ}"))
    return LinkRefused(403, "AccessDenied", "Request has expired", (*details, *times))


def _compare(keys: LinkKeys, expected: str, given: str, to_sign: str) -> LinkRefused | None:
    if hmac.compare_digest(expected.encode(), given.encode()):
        return None
    message = "The request signature we calculated does not match the signature you provided."
    details = (("AWSAccessKeyId", keys.access_key), ("StringToSign", to_sign), ("SignatureProvided", given))
    return LinkRefused(403, "SignatureDoesNotMatch", message, details)

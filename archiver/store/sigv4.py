"""AWS Signature Version 4 for a request whose path is sent as it is signed and whose body's SHA-256 is known.

"Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)", Amazon S3 API Reference. For S3 the
path is encoded once and never normalised.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """Frozen credentials of the AWS default chain; ``repr`` shows none of them."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def encoded_path(path: str) -> str:
    """The path as it is sent and signed: everything but unreserved characters and slashes escaped."""
    return quote(path, safe="/-_.~")


def signed_headers(
    method: str,
    path: str,
    headers: Mapping[str, str],
    *,
    payload: str,
    keys: SigningKeys,
    region: str,
    at: datetime,
    service: str = "s3",
    query: str = "",
) -> dict[str, str]:
    """``headers`` (lower-case names, ``host`` among them) with those that authenticate them.

    ``path`` is encoded already, ``query`` canonical (sorted, encoded); ``payload`` is the hexadecimal SHA-256 of the
    body; ``at`` is aware. Every header is signed, so nothing on the way may change one.
    """
    stamp = f"{at:%Y%m%dT%H%M%SZ}"
    sent = {**headers, "x-amz-date": stamp}
    if service == "s3":
        sent["x-amz-content-sha256"] = payload
    if keys.token is not None:
        sent["x-amz-security-token"] = keys.token
    names = sorted(sent)
    listed = ";".join(names)
    lines = "".join(f"{name}:{' '.join(sent[name].split())}\n" for name in names)
    canonical = f"{method}\n{path}\n{query}\n{lines}\n{listed}\n{payload}"
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    to_sign = f"{ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = _signing_key(keys.secret_key, stamp[:8], region, service)
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    sent["authorization"] = (
        f"{ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={listed}, Signature={signature}"
    )
    return sent


@lru_cache(maxsize=4)
def _signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    """Good for a day; credentials that are refreshed push older ones out."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key

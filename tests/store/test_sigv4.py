"""Our signatures beside those that AWS has published, and beside botocore's."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from unittest.mock import patch

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from archiver.store.sigv4 import SigningKeys, encoded_path, signed_headers

KEYS = SigningKeys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
AT = datetime(2013, 5, 24, tzinfo=UTC)
EMPTY = sha256().hexdigest()
HOST = {"host": "examplebucket.s3.amazonaws.com"}


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "body", "signature"),
    [
        (
            "GET",
            "/test.txt",
            "",
            {"range": "bytes=0-9"},
            b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test$file.text",
            "",
            {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        ("GET", "/", "lifecycle=", {}, b"", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (
            "GET",
            "/",
            "max-keys=2&prefix=J",
            {},
            b"",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
    ids=["get object", "put object", "get lifecycle", "list objects"],
)
def test_the_published_examples(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes, signature: str
) -> None:
    """Amazon S3 API Reference, "Signature Calculations for the Authorization Header", examples 1 to 4."""
    signed = signed_headers(
        method,
        encoded_path(path),
        {**HOST, **headers},
        payload=sha256(body).hexdigest(),
        keys=KEYS,
        region="us-east-1",
        at=AT,
        query=query,
    )
    assert signed["authorization"].endswith(f"Signature={signature}")


@given(
    key=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40),
    value=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40),
    token=st.none() | st.text("abcDEF/+=", min_size=1, max_size=60),
    region=st.sampled_from(["eu-west-1", "ap-southeast-1"]),
)
def test_the_same_as_botocore(key: str, value: str, token: str | None, region: str) -> None:
    payload = sha256(key.encode()).hexdigest()
    path = encoded_path(f"/{key}")
    headers = {"x-amz-meta-value": value, "content-type": "audio/mpeg", "if-none-match": "*"}
    request = AWSRequest("PUT", f"https://bucket.example{path}", headers=headers)
    request.headers["X-Amz-Content-SHA256"] = payload
    request.context["payload_signing_enabled"] = True
    auth = S3SigV4Auth(Credentials("AKID", "secret/key", token), "s3", region)
    with (
        patch("botocore.auth.get_current_datetime", return_value=AT.replace(tzinfo=None)),
        patch.object(auth, "payload", return_value=payload),
    ):
        auth.add_auth(request)
    signed = signed_headers(
        "PUT",
        path,
        {**headers, "host": "bucket.example"},
        payload=payload,
        keys=SigningKeys("AKID", "secret/key", token),
        region=region,
        at=AT,
    )
    assert signed["authorization"] == request.headers["Authorization"]


def test_credentials_are_in_no_repr() -> None:
    assert "wJalr" not in repr(KEYS)
    assert "AKIA" not in repr(KEYS)

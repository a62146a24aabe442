"""Clients that speak S3 and sign by themselves, as candidates for the hot path."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from archiver.store.sigv4 import encoded_path
from benchmarks import rig
from benchmarks.http_clients import Client, Get, Put, checked, gathered, threaded


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


class Awscrt(Client):
    """AWS's S3 client in C: it signs by itself, and is given the next request when one has ended."""

    def get(self, items: Sequence[Get]) -> None:
        self._all_of_them(items, self._get, signed=False)

    def put(self, items: Sequence[Put]) -> None:
        self._all_of_them(items, self._put, signed=True)

    def _all_of_them(self, items: Sequence[Any], ask: Callable[[Any], dict[str, Any]], *, signed: bool) -> None:
        from awscrt import auth, s3
        from awscrt import io as tls_io

        context = tls_io.TlsContextOptions()
        if self.ca:
            context.override_default_trust_store_from_path(None, self.ca)
        tls = tls_io.ClientTlsContext(context).new_connection_options() if self.ca else None
        keys = auth.AwsCredentialsProvider.new_static(rig.KEY_ID, rig.SECRET)
        client = s3.S3Client(
            region="us-east-1",
            tls_mode=s3.S3RequestTlsMode.ENABLED if self.ca else s3.S3RequestTlsMode.DISABLED,
            tls_connection_options=tls,
            signing_config=s3.create_default_s3_signing_config(region="us-east-1", credential_provider=keys)
            if signed
            else None,
            max_active_connections_override=self.concurrency,
        )
        threaded(items, self.concurrency, lambda: lambda item: self._wait(client, ask(item)))

    def _wait(self, client: Any, asked: dict[str, Any]) -> None:
        from awscrt import s3

        try:
            client.make_request(type=s3.S3RequestType.DEFAULT, **asked).finished_future.result(60)
        except s3.S3ResponseError as error:
            checked(error.status_code)  # nginx says 201 of what it has created, which S3 never does

    def _request(self, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> Any:
        from awscrt import http

        named = http.HttpHeaders([("host", urlsplit(self.endpoint).netloc), *headers.items()])
        return http.HttpRequest(method, path, named, io.BytesIO(body) if body is not None else None)

    def _get(self, item: Get) -> dict[str, Any]:
        hasher = hashlib.sha256()
        parts = urlsplit(item[1])
        return {
            "request": self._request("GET", f"{parts.path}?{parts.query}", {}),
            "operation_name": "GetObject",
            "on_body": lambda chunk, **_: hasher.update(chunk),
        }

    def _put(self, item: Put) -> dict[str, Any]:
        key, mediatype, data = item
        headers = {
            "content-length": str(len(data)),
            "content-type": mediatype,
            "if-none-match": "*",
            "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(data).digest()).decode(),
        }
        path = encoded_path(f"/{rig.BUCKET}/{key}")
        return {"request": self._request("PUT", path, headers, data), "operation_name": "PutObject"}

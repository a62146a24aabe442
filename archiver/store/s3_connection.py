"""Connections to an S3 store: botocore's client with our ways, and what is asked without it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import botocore.session
from anyio import from_thread
from botocore.config import Config
from botocore.exceptions import ClientError

from archiver.store.s3_errors import region_of
from archiver.store.s3_models import Models
from archiver.store.s3_requests import ATTEMPTS, ObjectRequests

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

READ_TIMEOUT = 30
"""Seconds without a byte from the store. A cancelled call ends with its attempt: after this long at most."""


@dataclass(frozen=True, slots=True)
class Connection:
    """botocore for what happens seldom, and the requests that are made for every recording."""

    client: S3Client
    objects: ObjectRequests


def connect(
    bucket: str,
    region: str | None,
    endpoint_url: str | None,
    profile: str | None,
    connections: int,
    bucket_owner: str | None,
) -> Connection:
    """Adds nothing to what we send: no trailing checksums, which some compatibles store as content.

    At AWS itself (no ``endpoint_url``) the bucket is asked which region it is in: a put signed for another is refused.
    """
    config = Config(
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        signature_version="s3v4",
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=connections,
        connect_timeout=10,
        read_timeout=READ_TIMEOUT,
        tcp_keepalive=True,
        s3={"addressing_style": "path"} if endpoint_url else None,
    )
    core = botocore.session.Session(profile=profile)
    core.register_component("data_loader", Models())

    def client_in(region: str | None) -> S3Client:
        made = core.create_client("s3", region_name=region, endpoint_url=endpoint_url, config=config)
        client = cast("S3Client", made)
        if bucket_owner is not None:
            client.meta.events.register("provide-client-params.s3", partial(_expect_owner, bucket_owner))
        client.meta.events.register("before-call.s3.HeadBucket", _follow_no_redirect)
        client.meta.events.register("before-send.s3", _stop_if_cancelled)
        return client

    client = client_in(region)
    if endpoint_url is None and (found := _region_of(client, bucket)) not in ("", client.meta.region_name):
        client.close()
        client = client_in(found)
    return Connection(client, ObjectRequests(client, core, bucket, connections, bucket_owner))


def _region_of(client: S3Client, bucket: str) -> str:
    """As the store names it, even where it refuses to say more; nothing where it names none."""
    try:
        return client.head_bucket(Bucket=bucket).get("BucketRegion", "")
    except ClientError as error:
        return region_of(error)


def _expect_owner(bucket_owner: str, params: dict[str, Any], model: Any, **_: object) -> None:
    """Every request: the store refuses it (403) if the bucket belongs to another account."""
    if "ExpectedBucketOwner" in model.input_shape.members:
        params["ExpectedBucketOwner"] = bucket_owner


def _follow_no_redirect(params: dict[str, Any], **_: object) -> None:
    """Botocore asks HeadBucket where to go when it meets a redirect: where that is redirected too, for ever.

    A plain http:// endpoint that sends everybody to https:// is such a place.
    """
    params["context"].setdefault("s3_redirect", {})["redirected"] = True


def _stop_if_cancelled(**_: object) -> None:
    """Between two attempts: a store that hangs must not hold up the end of a run for all of them."""
    from_thread.check_cancelled()

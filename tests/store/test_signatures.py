"""What only a server that checks signatures can show: that it does, so that the rest of the suite proves ours right.

``rclone serve s3`` and radosgw do. LocalStack checks those of presigned URLs alone: ``make test-s3`` leaves this out.
"""

from __future__ import annotations

import pytest

from archiver.errors import ArchiverError
from archiver.store.body import Document
from archiver.store.s3 import S3Store

from .bodies import digest_of
from .conftest import REAL_SERVER

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not REAL_SERVER, reason="moto checks no signature")]


async def test_a_put_signed_with_another_secret_is_refused(
    bucket: str, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"audio"
    honest = S3Store(bucket, "archive", region="us-east-1", endpoint_url=s3_url, connections=1)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    forged = S3Store(bucket, "archive", region="us-east-1", endpoint_url=s3_url, connections=1)
    with pytest.raises(ArchiverError) as refused:
        await forged.put_new("a.mp3", Document(data), digest_of(data), "audio/mpeg")
    assert "signature" in f"{refused.value.fact} {refused.value.hint}"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert [stored.key async for stored in honest.list("")] == []
    await honest.aclose()
    await forged.aclose()

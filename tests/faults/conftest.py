"""The stories' provider, bucket and operator, for attacks."""

from __future__ import annotations

import pytest

from tests.stories.conftest import aws, bucket_server, destination, directory, new_bucket, operator

__all__ = ["anyio_backend", "aws", "bucket_server", "destination", "directory", "new_bucket", "operator"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"

"""The stories' provider, bucket and operator, for attacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories.conftest import aws, bucket_server, destination, directory, new_bucket, operator

__all__ = ["anyio_backend", "aws", "bucket_server", "destination", "directory", "new_bucket", "operator"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here can be left out, or asked for alone: ``-m 'not faults'``, ``-m faults``."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.faults)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"

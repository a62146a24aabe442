from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from archiver.manifest.sql import SqlManifest

Ask = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "manifest.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
async def manifest(url: str) -> AsyncIterator[SqlManifest]:
    async with await SqlManifest.open(url) as opened:
        yield opened


@pytest.fixture
def ask(path: Path) -> Ask:
    """Put a question to the database file from outside."""

    def rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(path)
        try:
            with connection:
                return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    return rows

"""What a statement refers to, read back: the ids of its recordings, and the pages of its listings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any, BinaryIO

from anyio.to_thread import run_sync

from archiver.errors import StoreFailed
from archiver.gzip_lines import lines_of
from archiver.rules.period import Place, Standing
from archiver.store.interface import Store

MEDIATYPE = "application/gzip"
READ_LIMIT = 64 * 2**20
"""Compressed bytes that are read as a whole: ids of a million recordings. Larger ones are only hashed."""
LINE_LIMIT = 4 * 2**20
"""Bytes of a line of ids: an id has 2,000 characters at most, and a reason few more."""


async def read_accounts(store: Store, said: Mapping[str, Any] | None) -> dict[str, str]:
    """By id, what each recording's part of the account is; ``said``: how the statement refers to its ids.

    In memory: about 250 bytes a recording. Raises StoreFailed; ValueError for what are no ids.
    """
    if said is None:
        return {}
    content = await read_whole(store, str(said["key"]))

    def accounts() -> dict[str, str]:
        return {standing.id: standing.account() for standing, _ in standings_in(BytesIO(content))}

    return await run_sync(accounts)


async def read_whole(store: Store, key: str) -> bytes:
    """The bytes of a companion; StoreFailed if it is not there, or too large."""
    content = await store.read(key, READ_LIMIT)
    if content is None:
        raise StoreFailed(f"{key} is not there")
    return content


def standings_in(stream: BinaryIO) -> Iterator[tuple[Standing, Place]]:
    """The lines of ids; ValueError, perhaps after some of them, if they are none. Blocking."""
    return (Standing.of_line(line) for line in lines_of(stream, LINE_LIMIT))

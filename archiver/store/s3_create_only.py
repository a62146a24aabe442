"""Does a bucket refuse a second put of a key? Tried before a run puts anything, because some servers ignore the header.

AWS is believed. Anywhere else a probe is put create-only under one fixed key: it is refused because an earlier run has
left the probe there, or at the second time. So the usual cost is one request a run, and one small object a bucket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
from botocore.exceptions import ClientError

from archiver.rules.keys import CREATE_ONLY_PROBE
from archiver.store.body import Document
from archiver.store.s3_body import NamedBody
from archiver.store.s3_errors import BUSY, DENIED, REFUSED, code_of
from archiver.store.s3_headers import Placing, put_headers

if TYPE_CHECKING:
    from archiver.store.s3_requests import ObjectRequests

PROBE = Document(b"Put create-only by the archiver, to see that a second put of this key is refused.\n")
AMAZON = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


def is_amazon(url: str) -> bool:
    """True of an endpoint of AWS itself."""
    return (urlsplit(url).hostname or "").endswith(AMAZON)


class Trial:
    """Whether a put has to look first whether its key is free: found out once, before the first one.

    ``told``: of the doubt, in words; without it nothing is tried, and nothing doubted.
    """

    def __init__(self, told: Callable[[str], None] | None) -> None:
        self._told = told
        self._doubt = "" if told is None else None
        self._lock = anyio.Lock()

    async def doubts(self, objects: ObjectRequests, root: str, placing: Placing) -> bool:
        """True if it has to. Raises what a put raises."""
        if self._doubt is None:
            async with self._lock:
                if self._doubt is None:
                    self._doubt = "" if is_amazon(objects.root) else await doubt_of(objects, root, placing)
                    if self._doubt and self._told:
                        self._told(self._doubt)
        return bool(self._doubt)


async def doubt_of(objects: ObjectRequests, root: str, placing: Placing) -> str:
    """Why create-only puts below ``root`` cannot be relied on, in words; nothing where they can.

    Raises what a put raises, but for the want of a right to put the probe.
    """
    headers = put_headers(PROBE.size, PROBE.digest, "text/plain", placing)
    for _ in range(2):
        try:
            with PROBE.open() as stream:
                body = NamedBody(PROBE, stream, CREATE_ONLY_PROBE, PROBE.digest)
                await objects.put(root + CREATE_ONLY_PROBE, body, PROBE.digest.hex, headers)
        except ClientError as error:
            if code_of(error) in REFUSED | BUSY:
                return ""
            if code_of(error) in DENIED:
                return f"whether it refuses a second put of a key cannot be tried: {CREATE_ONLY_PROBE} may not be put"
            raise
    return "it ignores If-None-Match: a second put of a key is taken"

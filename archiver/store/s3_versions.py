"""Versions of the keys in a bucket, page by page, as S3 lists them: in key order, the newest of a key first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from archiver.model import StoredObject
from archiver.store.interface import KeyHistory
from archiver.store.s3_errors import DENIED, code_of, status_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

UNKNOWN = frozenset({"NotImplemented", "MethodNotAllowed", "501", "405"})
"""How a store says that it keeps no versions."""
NO_VERSION = "null"
"""The version id of what was put while the bucket kept no versions."""


class VersionPages:
    """The pages of one listing, its keys relative to ``root``. Blocking; raises what botocore raises."""

    def __init__(self, bucket: str, root: str, prefix: str) -> None:
        self._bucket = bucket
        self._root = root
        self._prefix = root + prefix
        self._pages: Iterator[Mapping[str, Any]] | None = None
        self.refused = False
        """True where versions cannot be listed; known after the first ``next``."""

    def next(self, client: S3Client) -> Sequence[KeyHistory] | None:
        """One item per version and per deletion, or None at the end."""
        first = self._pages is None
        if self._pages is None:
            paginator = client.get_paginator("list_object_versions")
            self._pages = iter(paginator.paginate(Bucket=self._bucket, Prefix=self._prefix))
        try:
            page = next(self._pages, None)
        except ClientError as error:
            self.refused = first and (code_of(error) in DENIED | UNKNOWN or status_of(error) in (403, 405, 501))
            if not self.refused:
                raise
            return None
        return None if page is None else _items(page, self._root)


def _items(page: Mapping[str, Any], root: str) -> list[KeyHistory]:
    page["IsTruncated"]  # KeyError for what is no listing: botocore reads any document, an HTML page, as an empty one
    found = [(item, True) for item in page.get("Versions", ())]
    found += [(item, False) for item in page.get("DeleteMarkers", ())]
    found.sort(key=lambda pair: (pair[0]["Key"].encode(), not pair[0]["IsLatest"]))
    return [_item(item, item["Key"].removeprefix(root), whole=whole) for item, whole in found]


def _item(item: Mapping[str, Any], key: str, *, whole: bool) -> KeyHistory:
    """A version with bytes (``whole``) or a deletion; ``current`` is set on the newest one alone."""
    current = None
    if whole and item["IsLatest"]:
        version = item.get("VersionId")
        current = StoredObject(key, item["Size"], None, None if version == NO_VERSION else version)
    return KeyHistory(key, current, int(whole))


def folded(pending: list[KeyHistory], page: Sequence[KeyHistory]) -> Iterator[KeyHistory]:
    """One history per key. The last key of a page goes on in the next one: it stays in ``pending`` until then."""
    for item in page:
        if pending and pending[0].key == item.key:
            before = pending[0]
            versions = (before.versions or 0) + (item.versions or 0)
            pending[0] = KeyHistory(item.key, before.current or item.current, versions)
            continue
        yield from pending
        pending[:] = [item]

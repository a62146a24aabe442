"""What a call log row is to the archive: a line of a part, an id, and a digest by which a change is told.

The row is kept verbatim. Two rows are the same if everything they say of the call is; ``VOLATILE`` fields speak of the
listing instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from archiver.model import Row

VOLATILE = frozenset({"serial"})
"""The row's number within the answer (``flat``): every new call would change it in all the others."""
DIGEST_BYTES = 16
_AS_IT_STANDS = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_ESCAPED = json.JSONEncoder(separators=(",", ":")).encode
_SORTED = json.JSONEncoder(sort_keys=True).encode


def line_of(row: Row) -> bytes:
    """The row as one line of newline JSON, its end included."""
    try:
        return _AS_IT_STANDS(dict(row)).encode() + b"\n"
    except UnicodeEncodeError:  # a lone surrogate stays the escape that it came as
        return _ESCAPED(dict(row)).encode() + b"\n"


def row_of(line: bytes) -> dict[str, Any]:
    """The row of a line; ValueError for what is no row."""
    try:
        row = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply to be a row of ours") from None
    if not isinstance(row, dict):
        raise ValueError("a line that is no object")  # noqa: TRY004  # what is wrong is the bytes
    id_of(row)
    return row


def id_of(row: Row) -> str:
    """The call's id, as the kept row says it; ValueError if it says none."""
    value = row.get("id")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("a row without an id")  # noqa: TRY004
    return str(value)


def digest_of(row: Row) -> bytes:
    """``DIGEST_BYTES`` bytes, equal for rows that say the same of the call, whatever the order of their fields."""
    said = {name: value for name, value in row.items() if name not in VOLATILE}
    return hashlib.sha256(_SORTED(said).encode()).digest()[:DIGEST_BYTES]


def digest_of_all(pairs: Iterable[tuple[str, bytes]]) -> str:
    """``sha256:hex`` over ids and row digests, given in the order of the ids."""
    hashed = hashlib.sha256()
    for call_id, digest in pairs:
        name = call_id.encode("utf-8", "surrogatepass")
        hashed.update(len(name).to_bytes(4, "big") + name + digest)
    return f"sha256:{hashed.hexdigest()}"

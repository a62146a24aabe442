"""Which keys every store takes: those that mean the same thing in a bucket and in a directory."""

from __future__ import annotations

import re

MAX_KEY_BYTES = 1024  # S3: "The object key name is a sequence of Unicode characters … of up to 1,024 bytes"
MAX_PART_BYTES = 255  # NAME_MAX of the usual file systems
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def checked_key(key: str, prefix: str = "") -> str:
    """``key``, or ValueError: it must be relative, UTF-8, without empty parts and without control characters.

    No part may start with a dot: that leaves out ``.``, ``..`` and what a directory store keeps for itself.
    ``prefix`` counts towards the length.
    """
    parts = key.split("/")
    if any(not part or part.startswith(".") or len(part.encode()) > MAX_PART_BYTES for part in parts):
        raise ValueError(f"not an object key: {key[:200]!r}")
    if CONTROL.search(key):
        raise ValueError(f"control character in object key: {key[:200]!r}")
    if len((prefix + key).encode()) > MAX_KEY_BYTES:
        raise ValueError(f"object key longer than {MAX_KEY_BYTES} bytes: {key[:200]!r}")
    return key

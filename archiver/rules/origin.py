"""Where an audio link may point: a link is data that the source hands us, not an order to connect somewhere."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

_HOST = re.compile(r"[a-z0-9]([a-z0-9_.-]{0,251}[a-z0-9])?|[0-9a-f:.]{2,45}")
"""A name or an address as every client reads it: a backslash, say, ends the host for some of them."""


def refusal(url: str, allowed_hosts: Sequence[str], allow_insecure_loopback: bool) -> str:
    """Why this URL must not be asked for, or nothing.

    ``allowed_hosts`` are host names or ``*.suffix`` patterns. Plain http is for loopback sandboxes alone, and only
    where the configuration says so.
    """
    try:
        url.encode()
        parts = urlsplit(url)
        host = (parts.hostname or "").lower().rstrip(".")
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return "the link is not a URL"
    if re.search(r"[\x00-\x20\\\x7f]", url):
        return "the link holds characters that a URL cannot hold"
    if not host or parts.username is not None or parts.password is not None:
        return "the link names no host, or carries credentials before it"
    if not _HOST.fullmatch(host):
        return "the link names no host"
    if not any(fnmatchcase(host, pattern.lower()) for pattern in allowed_hosts):
        return f"the link points at {host}, which source.audio_hosts does not allow"
    if parts.scheme == "https" or (parts.scheme == "http" and allow_insecure_loopback and is_loopback(host)):
        return ""
    return f"the link is {parts.scheme or 'without scheme'}, not https"


def is_loopback(host: str) -> bool:
    """True for localhost and loopback addresses."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

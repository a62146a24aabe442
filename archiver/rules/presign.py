"""When a presigned URL dies, read off the URL itself.

AWS Signature Version 4 in the query states ``X-Amz-Date`` (start, ``YYYYMMDDTHHMMSSZ``) and ``X-Amz-Expires``
(seconds, 1 to 604,800); the older Version 2, and CloudFront, state ``Expires`` (epoch seconds).
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_plus

LONGEST_LIFE = timedelta(days=7)
"""The longest that Signature Version 4 allows; a URL that claims more is believed this far."""

SAFETY = timedelta(seconds=2)
"""A link this close to its end is not worth a request: the origin may see it late."""

_TELLING = ("x-amz-date", "x-amz-expires", "expires")
_SIGNED = re.compile(r"[0-9]{8}T[0-9]{6}Z")


def deadline_of(url: str) -> datetime | None:
    """When the link dies, in UTC on the signer's clock; None if the URL states no readable end."""
    query = _telling_parameters(url)
    try:
        if "x-amz-date" in query and "x-amz-expires" in query:
            if not _SIGNED.fullmatch(query["x-amz-date"]):
                return None
            signed = datetime.fromisoformat(query["x-amz-date"])
            return signed + min(timedelta(seconds=int(query["x-amz-expires"])), LONGEST_LIFE)
        if "expires" in query:
            return datetime.fromtimestamp(int(query["expires"]), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def is_fresh(deadline: datetime | None, server_now: datetime) -> bool:
    """True if a request made now can be expected to arrive in time. A link that states no end is taken as fresh."""
    return deadline is None or deadline - server_now > SAFETY


def _telling_parameters(url: str) -> dict[str, str]:
    """By name in lower case; of one that comes twice the first. This is done once a row: the rest is not decoded."""
    found: dict[str, str] = {}
    for pair in url.partition("#")[0].partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        name = (unquote_plus(name) if "%" in name else name).lower()
        if name in _TELLING and value:
            found.setdefault(name, unquote_plus(value))
    return found

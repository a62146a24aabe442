"""When a presigned URL dies, read off the URL itself.

AWS Signature Version 4 in the query states ``X-Amz-Date`` (start, ``YYYYMMDDTHHMMSSZ``) and ``X-Amz-Expires``
(seconds, 1 to 604,800); the older Version 2, and CloudFront, state ``Expires`` (epoch seconds).
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

LONGEST_LIFE = timedelta(days=7)
"""The longest that Signature Version 4 allows; a URL that claims more is believed this far."""

SAFETY = timedelta(seconds=2)
"""A link this close to its end is not worth a request: the origin may see it late."""


def deadline_of(url: str) -> datetime | None:
    """When the link dies, in UTC on the signer's clock; None if the URL states no readable end."""
    try:
        query = {name.lower(): values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        if "x-amz-date" in query and "x-amz-expires" in query:
            signed = datetime.strptime(query["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return signed + min(timedelta(seconds=int(query["x-amz-expires"])), LONGEST_LIFE)
        if "expires" in query:
            return datetime.fromtimestamp(int(query["expires"]), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def is_fresh(deadline: datetime | None, server_now: datetime) -> bool:
    """True if a request made now can be expected to arrive in time. A link that states no end is taken as fresh."""
    return deadline is None or deadline - server_now > SAFETY

"""Checks of single values: each takes what was written and returns it normalised, or raises ValueError.

The messages never repeat the value: what stands in the wrong place may be a secret.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import SecretStr

from archiver.config.problems import did_you_mean
from archiver.rules.origin import is_loopback

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_KMS = re.compile(r"aws:kms:arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(key|alias)/[\w/-]+", re.ASCII)
_STORAGE_CLASSES = ("STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR")
_OFFLINE_CLASSES = ("GLACIER", "DEEP_ARCHIVE")

MOST_IN_FLIGHT = 1024


@dataclass(frozen=True, slots=True)
class BucketTarget:
    """A bucket, and the prefix under which everything goes."""

    bucket: str
    prefix: str
    """Without slashes at its ends; empty for the bucket's root."""


@dataclass(frozen=True, slots=True)
class DirectoryTarget:
    """A local directory."""

    path: Path
    """Absolute."""


def concurrency(given: object) -> object:
    """A whole number in bounds, or ``auto``."""
    if given == "auto" or (type(given) is int and 1 <= given <= MOST_IN_FLIGHT):
        return given
    raise ValueError(f"must be auto, or a whole number from 1 to {MOST_IN_FLIGHT}")


def token_text(text: str) -> str:
    """A token that can stand in a header: printable ASCII, no blanks."""
    if not text:
        raise ValueError("is empty")
    if not re.fullmatch(r"[\x21-\x7e]{1,8192}", text):
        raise ValueError("must be one line of printable ASCII without blanks")
    return text


def api_url(text: str, *, http_on_loopback: bool) -> str:
    """The root of the voice API: https, no credentials, no query, one slash at its end."""
    parts = _web_url(text)
    if parts.scheme == "http":
        if not is_loopback(parts.hostname or ""):
            raise ValueError("must be https: the token and the links would travel in the clear")
        if not http_on_loopback:
            raise ValueError("must be https (for a sandbox on loopback, set source.allow_insecure_loopback: true)")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}/"


def endpoint_url(text: str) -> str:
    """The root of an S3-compatible service, without a path."""
    parts = _web_url(text)
    if parts.path.strip("/"):
        raise ValueError("must not have a path: the bucket belongs into destination.url")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def web_root(text: str) -> str:
    """The root of a service of one's own, http or https, without a slash at its end."""
    parts = _web_url(text)
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def ping_url(secret: SecretStr) -> SecretStr:
    """The URL of a check. Whoever knows it can say that all is well: it must not travel in the clear."""
    text = secret.get_secret_value()
    parts = _web_url(text)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("must be https: who can read it can say that all is well")
    return SecretStr(text.rstrip("/"))


def textfile(path: Path) -> Path:
    """A file that node_exporter's textfile collector takes note of."""
    if path.suffix != ".prom":
        raise ValueError("must end in .prom: node_exporter reads no other file")
    return absolute_path(path)


def zone_name(text: str) -> str:
    """An IANA time zone."""
    try:
        return ZoneInfo(text).key
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError; a directory's name is an OSError
        raise ValueError(f"is not an IANA time zone{did_you_mean(text, available_timezones())}") from None


def audio_network(text: str) -> str:
    """A network in CIDR notation, narrower than everything."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise ValueError("must be networks in CIDR notation, as in 10.20.0.0/16") from None
    if network.prefixlen == 0:
        raise ValueError("must not allow every address: name the network, as in 10.20.0.0/16")
    return text


def audio_host(pattern: str) -> str:
    """A host name, or ``*.`` and a domain of at least two labels."""
    text = pattern.lower()
    if "/" in text or text.count(":") == 1:
        raise ValueError("must be host names only: no scheme, port or path")
    if text.strip("*.") == "":
        raise ValueError("must not allow every host: name the domain, as in *.amazonaws.com")
    domain = text.removeprefix("*.")
    if "*" in domain:
        raise ValueError("may hold a * only as its whole first label, as in *.amazonaws.com")
    if text != domain and ("." not in domain or _is_address(domain)):
        raise ValueError("is too wide: * must be followed by a domain of at least two labels")
    if not (_HOST.fullmatch(domain) or _is_address(domain)):
        raise ValueError("is not a host name")
    return text


def destination_url(text: str) -> str:
    """``s3://bucket/prefix`` or ``file:///absolute/path``, without a slash at its end."""
    destination_target(text)
    return text.rstrip("/")


def destination_target(text: str) -> BucketTarget | DirectoryTarget:
    """What a destination's URL names."""
    if any(mark in text for mark in "?#"):
        raise ValueError("must not have a query or a fragment")
    scheme, _, rest = text.partition("://")
    match scheme:
        case "s3":
            return _bucket(rest)
        case "file":
            return DirectoryTarget(_absolute(rest, "file:///absolute/path"))
        case _:
            raise ValueError("must be s3://bucket/prefix or file:///absolute/path")


def manifest_path(text: str) -> Path:
    """The file a manifest's URL names. Always absolute, with three slashes or with four (as SQLAlchemy writes it)."""
    scheme, _, rest = text.partition("://")
    if scheme in {"postgres", "postgresql"} or scheme.startswith("postgresql+"):
        raise ValueError("postgresql is not supported yet: use sqlite:///absolute/path")
    if scheme != "sqlite" or any(mark in text for mark in "?#"):
        raise ValueError("must be sqlite:///absolute/path")
    path = _absolute(rest, "sqlite:///absolute/path")
    if rest.endswith("/") or path == Path("/"):
        raise ValueError("must name a file, not a directory")
    return path


def profile_name(text: str) -> str:
    """A profile of the AWS configuration."""
    if not re.fullmatch(r"[\w.@+-]{1,128}", text, re.ASCII):
        raise ValueError("must be the name of a profile: letters, digits and _.@+-")
    return text


def region_name(text: str) -> str:
    """A region: AWS's, or a compatible service's own word."""
    if not re.fullmatch(r"[a-z0-9-]{1,64}", text):
        raise ValueError("must be lower-case letters, digits and hyphens, as in eu-west-1")
    return text


def encryption_rule(text: str) -> str:
    """``AES256``, or ``aws:kms:`` and the ARN of a key."""
    if text == "AES256" or _KMS.fullmatch(text):
        return text
    if text.startswith("aws:kms"):
        raise ValueError("must name the key by its ARN: aws:kms:arn:aws:kms:REGION:ACCOUNT:key/ID")
    raise ValueError(f"must be null, AES256 or aws:kms:KEY-ARN{did_you_mean(text.upper(), ['AES256'])}")


def account_id(text: str) -> str:
    """An AWS account: twelve digits."""
    if not re.fullmatch(r"[0-9]{12}", text):
        raise ValueError("must be an account id, twelve digits in quotes")
    return text


def storage_class(text: str) -> str:
    """A storage class whose objects can be read back at once: a put is believed only after that."""
    if text in _OFFLINE_CLASSES:
        raise ValueError("cannot be read back at once: use GLACIER_IR, or a lifecycle rule of the bucket")
    if text not in _STORAGE_CLASSES:
        meant = did_you_mean(text.upper(), _STORAGE_CLASSES)
        raise ValueError(f"must be one of {', '.join(_STORAGE_CLASSES)}{meant}")
    return text


def field_value(text: str) -> str:
    """``FIELD=VALUE`` of a report's row."""
    name, equals, _ = text.partition("=")
    if not (name.strip() == name and name and equals):
        raise ValueError("must be FIELD=VALUE, as in service=IN")
    return text


def absolute_path(path: Path) -> Path:
    """A path that means the same from any working directory."""
    if not path.is_absolute() or "\0" in str(path):
        raise ValueError("must be an absolute path (~ is not expanded)")
    return path


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _web_url(text: str) -> SplitResult:
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise ValueError("must be printable ASCII without blanks")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a URL: its host or port cannot be read") from None
    if parts.scheme not in {"https", "http"}:
        raise ValueError("must start with https://")
    if "@" in parts.netloc:
        raise ValueError("must not hold credentials")
    if "?" in text or "#" in text:
        raise ValueError("must not have a query or a fragment")
    if not host or not (_HOST.fullmatch(host.removesuffix(".")) or _is_address(host)):
        raise ValueError("must name a host")
    if "\\" in parts.path or any(unquote(step) in {".", ".."} for step in parts.path.split("/")):
        raise ValueError("must have a plain path")
    return parts


def _bucket(rest: str) -> BucketTarget:
    bucket, _, prefix = rest.partition("/")
    if bucket != bucket.lower() and _BUCKET.fullmatch(bucket.lower()):
        raise ValueError("bucket names are lower case")
    if not _BUCKET.fullmatch(bucket) or ".." in bucket or _is_address(bucket):
        raise ValueError("must name a bucket: 3 to 63 lower-case letters, digits, dots and hyphens")
    prefix = prefix.rstrip("/")
    steps = prefix.split("/") if prefix else []
    if any(step in {"", ".", ".."} for step in steps) or not prefix.isprintable() or len(prefix.encode()) > 512:
        raise ValueError("has an unusable prefix: empty or dotted steps, control characters or too long")
    return BucketTarget(bucket, prefix)


def _absolute(rest: str, wanted: str) -> Path:
    path = unquote(rest)
    if not path.startswith("/") or not path.isprintable() or ".." in path.split("/"):
        raise ValueError(f"must be {wanted} (three slashes)")
    return Path("/" + path.lstrip("/"))

"""What an S3 error means: for this object only, or for all of them; and what to do about it.

The SDK's own texts are never passed on: error bodies carry access key ids and signed strings, exceptions carry URLs.
Only the error code, the HTTP status and names of exception classes get out.
"""

from __future__ import annotations

import logging
import re

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    ConnectionError,  # noqa: A004  # what botocore calls the family of failed connections
    CredentialRetrievalError,
    EndpointProviderError,
    InvalidConfigError,
    LoginError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSLError,
    SSOError,
    TokenRetrievalError,
    ValidationError,
)
from botocore.parsers import ResponseParserError

from archiver.errors import ArchiverError, DestinationUnusable, StoreFailed

NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    NoAuthTokenError,
    TokenRetrievalError,
    MetadataRetrievalError,
    SSOError,
    LoginError,
)
BAD_CONFIGURATION = (
    ProfileNotFound,
    ConfigNotFound,
    ConfigParseError,
    InvalidConfigError,
    NoRegionError,
    EndpointProviderError,
    ParamValidationError,
    ValidationError,
)
UNREADABLE = (ResponseParserError, ValueError, KeyError)
"""How botocore, or we, stumble over an answer that is not what S3 would say."""
SdkError = ClientError | BotoCoreError | ResponseParserError | ValueError | KeyError
"""Whatever the SDK raises."""

ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
REFUSED = frozenset({"PreconditionFailed", "412"})
BUSY = frozenset({"ConditionalRequestConflict", "OperationAborted", "409"})
PUSHED_BACK = frozenset({"SlowDown", "Throttling", "ThrottlingException"})
DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "NotSignedUp", "403", "401"})

_REGION = "set destination.region to the bucket's region"
_POLICY = (
    "give these credentials s3:PutObject, s3:GetObject and s3:ListBucket on the bucket and prefix"
    " (and kms:GenerateDataKey, kms:Decrypt on its key, if it has one)"
)
_CREDENTIALS = "check the credentials that the AWS default chain finds (environment, profile, instance role)"
_KEY = "correct destination.encryption, and see that the KMS key is enabled and in the bucket's region"

UNUSABLE: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("NoSuchBucket", "404"), ("the bucket does not exist", "create it, or correct destination.url")),
    "InvalidBucketName": ("this is not a bucket name", "correct destination.url"),
    **dict.fromkeys(DENIED, ("access denied", _POLICY)),
    "InvalidAccessKeyId": ("the access key is not known to the store", _CREDENTIALS),
    "SignatureDoesNotMatch": (
        "the signature does not match: wrong secret key, or something on the way rewrites requests",
        _CREDENTIALS,
    ),
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"),
        ("the session token has expired or is not valid", "renew the temporary credentials, then run again"),
    ),
    **dict.fromkeys(
        ("PermanentRedirect", "TemporaryRedirect", "301", "307", "AuthorizationHeaderMalformed"),
        ("the bucket is in another region", _REGION),
    ),
    **dict.fromkeys(("IncorrectEndpoint", "IllegalLocationConstraintException"), ("wrong region or endpoint", _REGION)),
    "400": (
        "the request was refused without words, as for a wrong region or an expired token",
        f"{_REGION}; renew temporary credentials",
    ),
    "RequestTimeTooSkewed": ("this machine's clock is wrong", "synchronise it (NTP), then run again"),
    "InvalidStorageClass": ("the storage class is not known to the store", "correct destination.storage_class"),
    "InvalidEncryptionAlgorithmError": ("the encryption is not known to the store", "correct destination.encryption"),
    "NotImplemented": (
        "the store lacks a feature that is needed (create-only put, checksum, encryption)",
        "run `archiver doctor` against it: it names what is missing",
    ),
    **dict.fromkeys(
        ("QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507"),
        ("the store is full", "raise the quota or free space, then run again"),
    ),
}


def silence_sdk_logs() -> None:
    """Let nothing below ERROR out of the SDK: botocore logs session tokens, urllib3 logs URLs, both at DEBUG."""
    for name in ("boto3", "botocore", "s3transfer", "urllib3"):
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.ERROR or logger.level == logging.NOTSET:
            logger.setLevel(logging.ERROR)


def code_of(error: ClientError) -> str:
    """The S3 error code; the HTTP status where there was no body (HEAD), as botocore has it."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", code) else "unreadable"


def status_of(error: ClientError) -> int:
    """The HTTP status; 0 if there was none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def pushed_back(error: SdkError) -> bool:
    """True if the store asks to be spared."""
    return isinstance(error, ClientError) and (status_of(error) in (429, 503) or code_of(error) in PUSHED_BACK)


def translated(error: SdkError, doing: str, *, reached: bool) -> ArchiverError:
    """The error to raise instead. ``reached``: the store has answered before, so that a lost connection may pass."""
    if isinstance(error, ClientError):
        return _answered(error, doing)
    name = type(error).__name__
    if isinstance(error, NO_CREDENTIALS):
        return DestinationUnusable(f"no usable AWS credentials ({name})", _CREDENTIALS)
    if isinstance(error, BAD_CONFIGURATION):
        return misconfigured(error)
    if isinstance(error, SSLError) and not reached:
        hint = "check destination.endpoint_url, and AWS_CA_BUNDLE for a private certificate authority"
        return DestinationUnusable(f"no trusted TLS connection to the store ({name})", hint)
    if isinstance(error, ConnectionError) and not reached:
        hint = "check destination.endpoint_url and destination.region, name resolution, proxy and firewall"
        return DestinationUnusable(f"the store cannot be reached ({name})", hint)
    if isinstance(error, UNREADABLE):
        hint = "see that destination.endpoint_url is an S3 server, and that nothing on the way answers in its place"
        return StoreFailed(f"{doing}: the answer cannot be read ({name})", hint)
    return StoreFailed(f"{doing}: {name}")


def misconfigured(error: Exception) -> DestinationUnusable:
    """No request can be made like this."""
    hint = "check the bucket name, destination.region, destination.endpoint_url and the AWS profile"
    return DestinationUnusable(f"the S3 client cannot work with this configuration ({type(error).__name__})", hint)


def _answered(error: ClientError, doing: str) -> ArchiverError:
    code, status = code_of(error), status_of(error)
    said = f"({code}, HTTP {status})" if code != str(status) else f"(HTTP {status})"
    if code.startswith("KMS."):
        return DestinationUnusable(f"{doing}: the encryption key cannot be used {said}", _KEY)
    if code in UNUSABLE:
        fact, hint = UNUSABLE[code]
        region = region_of(error)
        return DestinationUnusable(
            f"{doing}: {fact} {said}", f"{hint}: {region}" if hint == _REGION and region else hint
        )
    if code == "InvalidObjectState":
        return StoreFailed(f"{doing}: the object lies in an archive class {said}", "restore it first")
    return StoreFailed(f"{doing}: the store refused {said}", pushed_back=pushed_back(error))


def region_of(error: ClientError) -> str:
    """The region that the answer names for the bucket, or nothing."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = str(headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region", ""))
    return region if re.fullmatch(r"[a-z0-9-]{1,32}", region) else ""

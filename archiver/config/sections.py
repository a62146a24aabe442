"""The configuration as frozen models: the one place for names, units, defaults, bounds and words.

The JSON Schema, the unknown-key suggestions and ``config show`` are all derived from these.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from archiver.config import values
from archiver.config.base import Flag, Seconds, Section
from archiver.config.retention import RetentionConfig
from archiver.rules.concurrency import BUFFERS, START, most
from archiver.rules.verdict import Level

MIB = 1024 * 1024

AbsolutePath = Annotated[Path, AfterValidator(values.absolute_path)]
AudioHost = Annotated[str, AfterValidator(values.audio_host)]
AudioNetwork = Annotated[str, AfterValidator(values.audio_network)]
InFlight = Annotated[
    Annotated[int, Field(strict=True, ge=1, le=values.MOST_IN_FLIGHT)] | Literal["auto"],
    BeforeValidator(values.concurrency),
]
FieldValue = Annotated[str, AfterValidator(values.field_value)]


class Auth(StrEnum):
    """How the token is presented."""

    BEARER = "bearer"
    QUERY = "query"


class SourceConfig(Section):
    """The voice API that the recordings come from."""

    allow_insecure_loopback: Flag = False
    """Accept plain http for hosts on loopback: for sandboxes only."""
    base_url: str
    """Root of the voice API, up to and including its version: https://HOST/api/v2/."""
    token: SecretStr
    """The API token. Better ${VARIABLE} than the token itself; either this or token_file."""
    token_file: AbsolutePath | None = None
    """Absolute path of a file that holds nothing but the token; either this or token."""
    auth: Auth = Auth.BEARER
    """How the token is sent: in the Authorization header (bearer), or in the query (older tenants)."""
    timezone: Annotated[str, AfterValidator(values.zone_name)] = "UTC"
    """IANA time zone of created_at, start_at and end_at, as the API writes them."""
    requests_per_minute: Annotated[int, Field(strict=True, ge=1, le=1000)] = 900
    """Ceiling on API requests per minute; the provider allows 1000."""
    audio_hosts: tuple[AudioHost, ...] = ("*.amazonaws.com",)
    """Hosts that audio links may point to (NAME or *.DOMAIN); a link to any other is refused."""
    audio_networks: tuple[AudioNetwork, ...] = ()
    """Networks (CIDR) that are not public and that audio hosts may lie in all the same: private endpoints of S3."""
    ca_file: AbsolutePath | None = None
    """Absolute path of a PEM file with the certificate authorities to trust; null: the system's."""

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, text: str, info: ValidationInfo) -> str:
        return values.api_url(text, http_on_loopback=bool(info.data.get("allow_insecure_loopback")))

    @field_validator("token")
    @classmethod
    def _token(cls, token: SecretStr) -> SecretStr:
        values.token_text(token.get_secret_value())
        return token

    @field_validator("audio_hosts")
    @classmethod
    def _some_host(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        if not hosts:
            raise ValueError("must name at least one host, or no audio can be fetched")
        return hosts

    @property
    def zone(self) -> ZoneInfo:
        """``timezone``, loaded."""
        return ZoneInfo(self.timezone)


class Place(Section):
    """A bucket or a directory."""

    url: str | None
    endpoint_url: Annotated[str, AfterValidator(values.endpoint_url)] | None = None
    """Root of an S3-compatible service; null: AWS."""
    region: Annotated[str, AfterValidator(values.region_name)] | None = None
    """The bucket's region; null: as the AWS default chain says."""
    profile: Annotated[str, AfterValidator(values.profile_name)] | None = None
    """Profile of the AWS configuration that gives credentials; null: the AWS default chain."""
    encryption: Annotated[str, AfterValidator(values.encryption_rule)] | None = None
    """Server-side encryption asked for with every put: AES256 or aws:kms:KEY-ARN; null: the bucket's default."""
    storage_class: Annotated[str, AfterValidator(values.storage_class)] | None = None
    """Storage class of what is put; null: the bucket's default."""
    expected_bucket_owner: Annotated[str, AfterValidator(values.account_id)] | None = None
    """AWS account id, in quotes, that the bucket must belong to: every request is refused otherwise. null: any."""

    @field_validator("endpoint_url", "profile", "encryption", "storage_class", "expected_bucket_owner")
    @classmethod
    def _only_for_buckets(cls, value: str | None, info: ValidationInfo) -> str | None:
        # Silently ignoring it would let somebody believe that a directory is encrypted.
        if value is not None and str(info.data.get("url", "")).startswith("file:"):
            raise ValueError("has no meaning for a file:// destination: remove it")
        return value


class DestinationConfig(Place):
    """Where the recordings go. Credentials for a bucket come from the AWS default chain, never from here."""

    url: Annotated[str, AfterValidator(values.destination_url)]
    """s3://BUCKET/PREFIX or file:///ABSOLUTE/PATH."""

    @property
    def target(self) -> values.BucketTarget | values.DirectoryTarget:
        """``url``, taken apart."""
        return values.destination_target(self.url)


class SecondDestinationConfig(Place):
    """Where everything is copied to once the destination holds it: another region, account or service."""

    url: Annotated[str, AfterValidator(values.destination_url)] | None = None
    """s3://BUCKET/PREFIX or file:///ABSOLUTE/PATH; null: nothing is copied."""

    @property
    def target(self) -> values.BucketTarget | values.DirectoryTarget | None:
        """``url``, taken apart; None where there is none."""
        return None if self.url is None else values.destination_target(self.url)


class ManifestConfig(Section):
    """The database that remembers what was done. It can be rebuilt from the destination."""

    url: str = "sqlite:///var/lib/archiver/manifest.db"
    """sqlite:///ABSOLUTE/PATH. Three slashes are enough: the path is always absolute."""
    snapshot: Flag = False
    """Keep copies of it in the destination, and begin from the newest: for jobs that keep no disk."""
    snapshot_every_seconds: Annotated[int, Field(strict=True, ge=1, le=86400)] = 300
    """Seconds between copies while a command is at work; one more is made at its end."""

    @field_validator("url")
    @classmethod
    def _url(cls, text: str) -> str:
        return f"sqlite://{quote(str(values.manifest_path(text)))}"

    @property
    def path(self) -> Path:
        """The database file, absolute. Use this, not ``url``: some read three slashes as a relative path."""
        return values.manifest_path(self.url)


class WindowsConfig(Section):
    """Which days are listed."""

    since: date | None = None
    """First day (UTC) that has to be archived; null: as far back as the provider keeps recordings."""
    lookback_days: Annotated[int, Field(strict=True, ge=0, le=60)] = 3
    """Days before today that every run lists again, for recordings that appear late."""


class VerifyConfig(Section):
    """What a recording must prove before it is called archived."""

    duration_tolerance_seconds: tuple[Seconds, Seconds] = (-1.1, 1.5)
    """Least and greatest accepted difference, walked length minus reported duration, in seconds."""
    level: Level = Level.FULL
    """How far audio is verified: transport (lengths, digests), structure (and every frame, and duration), full (and
    embedded checksums and content)."""

    @field_validator("duration_tolerance_seconds")
    @classmethod
    def _around_zero(cls, tolerance: tuple[float, float]) -> tuple[float, float]:
        if not tolerance[0] <= 0 <= tolerance[1]:
            raise ValueError("must be a lower bound of at most 0 and an upper bound of at least 0")
        return tolerance


class CallsConfig(Section):
    """The call log, which is archived beside the recordings."""

    archive: Flag = True
    """Archive the call log of every listed day, as newline JSON."""
    parquet: Flag = False
    """Put a Parquet copy of each part under calls-parquet/, for DuckDB, Athena, …; needs the extra parquet."""

    @field_validator("parquet")
    @classmethod
    def _can_be_made(cls, wanted: bool) -> bool:
        if wanted and find_spec("pyarrow") is None:
            raise ValueError("needs pyarrow, which is not installed: pip install 'recording-archiver[parquet]'")
        return wanted


class LogFormat(StrEnum):
    """The form of the lines on stderr."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


class LogConfig(Section):
    """What is said on stderr."""

    format: LogFormat = LogFormat.AUTO
    """Form of the lines on stderr: text, or json (one object a line, with run, window and recording id); auto is
    text. The flag --log-format counts more."""


class MetricsConfig(Section):
    """Metrics for Prometheus, told at the end of every run."""

    textfile: Annotated[Path, AfterValidator(values.textfile)] | None = None
    """Absolute path of a file NAME.prom in the directory of node_exporter's textfile collector; null: none."""
    pushgateway: Annotated[str, AfterValidator(values.web_root)] | None = None
    """Root of a Pushgateway: http://HOST:9091; null: none."""
    archive: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Value of the label archive, which tells several archives apart; null: the destination's URL."""


class PingConfig(Section):
    """A watchdog in the manner of healthchecks, which raises the alarm when a run fails or does not come."""

    url: Annotated[SecretStr, AfterValidator(values.ping_url)] | None = None
    """URL of the check, a secret: asked with /start at the start, as it is after success, with /EXIT-CODE otherwise;
    null: none."""
    success_codes: tuple[Annotated[int, Field(strict=True, ge=0, le=255)], ...] = (0,)
    """Exit codes that are told as success; 3 and 13 (worth running again) may be wanted among them."""


class ReconcileConfig(Section):
    """Which calls must have a recording; an unanswered one and one of zero duration need none, whatever stands here."""

    expected: tuple[FieldValue, ...] = ()
    """FIELD=VALUE of call log rows with which a recording is due: any value of one field, and every field named. None:
    every answered call."""
    excluded: tuple[FieldValue, ...] = ()
    """FIELD=VALUE of call log rows with which none is due."""
    minimum_seconds: Annotated[Seconds, Field(ge=0)] = 1.0
    """Calls that are shorter, in seconds, need no recording."""


class LimitsConfig(Section):
    """How much is used at once."""

    concurrency: InFlight = "auto"
    """Recordings in flight: a number, or auto: as many as prove worth it, at most one for 2 MiB of memory, and 256."""
    memory_mib: Annotated[int, Field(strict=True, ge=64, le=1024 * 1024)] = 256
    """MiB for what is in flight, audio and buffers; audio that does not fit goes through the spool directory."""
    max_recording_mib: Annotated[int, Field(strict=True, ge=1, le=5 * 1024)] = 2048
    """MiB; a larger recording is refused. At most 5 GiB, the greatest object of a single put."""
    spool_dir: AbsolutePath | None = None
    """Absolute path of the directory for scratch files; null: the system's temporary directory."""
    attempts_per_recording: Annotated[int, Field(strict=True, ge=1, le=1000)] = 30
    """Failed attempts, over all runs, after which a recording is given up as failed."""

    @property
    def first_in_flight(self) -> int:
        """Recordings in flight when a run begins."""
        return self.concurrency if isinstance(self.concurrency, int) else START

    @property
    def most_in_flight(self) -> int:
        """Recordings in flight at any time; as many as at first where ``concurrency`` is a number."""
        return self.concurrency if isinstance(self.concurrency, int) else most(self.memory_mib * MIB)

    @property
    def steady(self) -> bool:
        """True if that is a number which stays."""
        return isinstance(self.concurrency, int)

    @property
    def audio_bytes(self) -> int:
        """What of ``memory_mib`` audio may take, in bytes: the rest, never more than half, is for buffers beside it."""
        memory = self.memory_mib * MIB
        return max(memory // 2, memory - self.most_in_flight * BUFFERS)

    @property
    def max_recording_bytes(self) -> int:
        """``max_recording_mib`` in bytes."""
        return self.max_recording_mib * MIB


class Config(Section):
    """Everything the program lets itself be told, checked and frozen."""

    source: SourceConfig
    destination: DestinationConfig
    second_destination: SecondDestinationConfig = Field(default_factory=SecondDestinationConfig)
    manifest: ManifestConfig = Field(default_factory=ManifestConfig)
    windows: WindowsConfig = Field(default_factory=WindowsConfig)
    verify: VerifyConfig = Field(default_factory=VerifyConfig)
    calls: CallsConfig = Field(default_factory=CallsConfig)
    retention: RetentionConfig = Field(default_factory=RetentionConfig)
    reconcile: ReconcileConfig = Field(default_factory=ReconcileConfig)
    limits: LimitsConfig = Field(default_factory=LimitsConfig)
    log: LogConfig = Field(default_factory=LogConfig)
    metrics: MetricsConfig = Field(default_factory=MetricsConfig)
    ping: PingConfig = Field(default_factory=PingConfig)

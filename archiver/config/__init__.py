"""The configuration: YAML and environment, read once, frozen, all problems reported together.

``load`` is the only way in; it returns the ``Config`` with the origin of every value. Nothing is global.
"""

from archiver.config.loading import DEFAULT_PATH, Loaded, load
from archiver.config.problems import Origin, Precedence
from archiver.config.sections import (
    Auth,
    Config,
    DestinationConfig,
    LimitsConfig,
    LogFormat,
    ManifestConfig,
    MetricsConfig,
    PingConfig,
    Place,
    SourceConfig,
    VerifyConfig,
    WindowsConfig,
)
from archiver.config.values import BucketTarget, DirectoryTarget

__all__ = [
    "DEFAULT_PATH",
    "Auth",
    "BucketTarget",
    "Config",
    "DestinationConfig",
    "DirectoryTarget",
    "LimitsConfig",
    "Loaded",
    "LogFormat",
    "ManifestConfig",
    "MetricsConfig",
    "Origin",
    "PingConfig",
    "Place",
    "Precedence",
    "SourceConfig",
    "VerifyConfig",
    "WindowsConfig",
    "load",
]

"""Every error the program raises on purpose, as one tree::

    ArchiverError                    a fact, a hint, an exit code
    ├── ConfigInvalid          78    the configuration cannot be used (all problems at once)
    ├── UsageInvalid            2    the command line asks for something that makes no sense
    ├── SourceRefused          12    the voice API does not take our credentials
    ├── SourceFailed            3    the voice API did not give a usable answer, after retries
    ├── DestinationUnusable    10    the bucket cannot be written as configured
    ├── StoreFailed             3    one object operation failed, after retries; another may succeed
    ├── SpoolFull               3    the local scratch has no room for a recording in flight
    ├── ManifestLocked         11    another run holds the manifest
    └── ManifestUnusable       10    the manifest cannot be opened or written

Expected outcomes (a link that expired, audio that is gone, bytes that were rejected) are values, not exceptions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process says to its scheduler."""

    COMPLETE = 0
    BUG = 1
    USAGE = 2
    INCOMPLETE = 3
    NEEDS_A_PERSON = 4
    INTEGRITY = 5
    DESTINATION = 10
    LOCKED = 11
    CREDENTIALS = 12
    BUDGET = 13
    CONFIG = 78
    SIGINT = 130
    SIGTERM = 143


PRECEDENCE = (
    ExitCode.BUG,
    ExitCode.CONFIG,
    ExitCode.USAGE,
    ExitCode.LOCKED,
    ExitCode.CREDENTIALS,
    ExitCode.DESTINATION,
    ExitCode.SIGINT,
    ExitCode.SIGTERM,
    ExitCode.INTEGRITY,
    ExitCode.NEEDS_A_PERSON,
    ExitCode.INCOMPLETE,
    ExitCode.BUDGET,
    ExitCode.COMPLETE,
)
"""Of several at once, the first that applies."""


def first_of(codes: Iterable[ExitCode]) -> ExitCode:
    """The exit code where all of ``codes`` apply; COMPLETE where none does."""
    return min(codes, key=PRECEDENCE.index, default=ExitCode.COMPLETE)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in ``error``: task groups raise groups of them."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from leaves(each)
    else:
        yield error


def code_of(error: BaseException) -> ExitCode:
    """What the process says to its scheduler if it ends with this."""
    found = list(leaves(error))
    known = [each.exit_code for each in found if isinstance(each, ArchiverError)]
    if len(known) < len(found):
        interrupted = all(isinstance(each, ArchiverError | KeyboardInterrupt) for each in found)
        known.append(ExitCode.SIGINT if interrupted else ExitCode.BUG)
    return first_of(known)


class ArchiverError(Exception):
    """A fact in lower case, and a hint what to do about it. Neither may carry a secret."""

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(self, fact: str, hint: str = "") -> None:
        super().__init__(fact)
        self.fact = fact
        self.hint = hint


class ConfigInvalid(ArchiverError):
    """The configuration has problems; ``problems`` names each as ``path:line:col: what``."""

    exit_code = ExitCode.CONFIG

    def __init__(self, problems: Sequence[str], hint: str = "") -> None:
        super().__init__("\n".join(problems), hint)
        self.problems = tuple(problems)


class UsageInvalid(ArchiverError):
    """The command line asks for something that makes no sense."""

    exit_code = ExitCode.USAGE


class SourceRefused(ArchiverError):
    """The voice API answered 401 or 403: no further request is worth making."""

    exit_code = ExitCode.CREDENTIALS


class SourceFailed(ArchiverError):
    """The voice API gave no usable answer, after retries."""

    exit_code = ExitCode.INCOMPLETE


class DestinationUnusable(ArchiverError):
    """Nothing can be put: bucket missing, access denied, not as configured."""

    exit_code = ExitCode.DESTINATION


class StoreFailed(ArchiverError):
    """One operation on one object failed, after the adapter's own retries."""

    exit_code = ExitCode.INCOMPLETE

    def __init__(self, fact: str, hint: str = "", *, pushed_back: bool = False) -> None:
        super().__init__(fact, hint)
        self.pushed_back = pushed_back
        """True if the store asked to be spared (429, 503)."""


class SpoolFull(ArchiverError):
    """The local scratch directory cannot take a recording in flight: no room beyond the reserve, or not writable."""

    exit_code = ExitCode.INCOMPLETE


class ManifestLocked(ArchiverError):
    """Another run holds the manifest."""

    exit_code = ExitCode.LOCKED


class ManifestUnusable(ArchiverError):
    """The manifest cannot be opened, migrated or written."""

    exit_code = ExitCode.DESTINATION

"""Files that a command writes where the user says, for nobody else to read."""

from __future__ import annotations

import os
from pathlib import Path

from archiver.errors import UsageInvalid


def write(path: Path, content: bytes, *, again: bool = False) -> None:
    """A new file, mode 0600; written over only where it is made ``again``. UsageInvalid where that is not possible."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if again else os.O_EXCL)
    try:
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(content)
    except FileExistsError:
        raise exists_already(path) from None
    except OSError as error:
        raise UsageInvalid(f"{path} cannot be written: {error.strerror}", "--output FILE names another place") from None


def exists_already(path: Path) -> UsageInvalid:
    """The error of a file that is not to be written over."""
    return UsageInvalid(f"{path} exists already", "--output FILE names another; nothing is ever overwritten")

"""The books of one window while it is listed: what was seen, and whether it was the same every time."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from archiver.custody import BucketDay
from archiver.model import BadRow, Recording, Window


class Sighting(Enum):
    """What a listed row is to the window's books."""

    NEW = "new"
    AGAIN = "again"  # as it was: pages overlap, and a moving list is read more than once
    DIFFERS = "differs"  # its id stood in a row that said something else


@dataclass(slots=True)
class Intake:
    """One window's listing, in this run."""

    window: Window
    bucket_day: BucketDay
    complete: bool = False
    """True once the listing has ended, however: what it shares paths with is known."""
    rows_lost: int = 0
    """Distinct rows from which nothing can be archived."""
    _bad_rows: set[str] = field(default_factory=set)
    _contents: dict[str, int] = field(default_factory=dict)
    """Ids, each with a hash of its row as first seen."""
    _paths: dict[str, str] = field(default_factory=dict)
    """Audio paths, each with the recording that named it first."""

    def __len__(self) -> int:
        return len(self._contents)

    def __contains__(self, recording_id: str) -> bool:
        return recording_id in self._contents

    def sight(self, row: Recording) -> Sighting:
        """Enter a row. Its link is left out of the comparison: it is signed anew in every listing."""
        content = hash(str({name: value for name, value in row.row.items() if name != "audio"}))
        if row.id not in self._contents:
            self._contents[row.id] = content
            return Sighting.NEW
        return Sighting.AGAIN if self._contents[row.id] == content else Sighting.DIFFERS

    def note_bad(self, bad: BadRow) -> str | None:
        """Enter a row that could not be read; a key to tell it by in other windows, None if it was entered before.

        Each window is asked a day wider, so a row whose day cannot be read is lost to every window that it shows up in.
        """
        key = f"{bad.id}|{bad.problem}|{'' if bad.id else sorted(bad.row.items(), key=str)}"
        if key in self._bad_rows:
            return None
        self._bad_rows.add(key)
        self.rows_lost += bad.lost
        return key

    def shares_path(self, row: Recording) -> bool:
        """True if another recording named the same audio path before."""
        return row.link is not None and self._paths.setdefault(row.link.public, row.id) != row.id

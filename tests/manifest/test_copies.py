"""Which days a comparison with the second destination looks at."""

from __future__ import annotations

from datetime import timedelta

import pytest

from archiver.manifest.sql import SqlManifest
from archiver.rules.windows import days

from .build import DAY, NOW, listed, recording

pytestmark = pytest.mark.anyio
LISTED, IN_PART, BEFORE = days(DAY.day, DAY.day + timedelta(days=2))
HOUR = timedelta(hours=1)


async def test_days_listed_in_part_are_looked_at(manifest: SqlManifest) -> None:
    """A run that stops early may have archived recordings of a day whose listing it never ended."""
    await manifest.begin_run("one", NOW)
    await manifest.note_listed("one", NOW, [recording("old", window=BEFORE)])
    await manifest.note_window("one", NOW, listed(BEFORE))
    await manifest.end_run("one", NOW, 0, {})
    assert await manifest.copies.begin("one", NOW + HOUR) is None, "the first comparison looks at everything"
    await manifest.copies.end(NOW + HOUR, NOW + HOUR, whole=True)

    await manifest.begin_run("two", NOW + 2 * HOUR)
    await manifest.note_listed("two", NOW + 2 * HOUR, [recording("new", window=LISTED)])
    await manifest.note_window("two", NOW + 2 * HOUR, listed(LISTED))
    await manifest.note_listed("two", NOW + 2 * HOUR, [recording("cut", window=IN_PART)])
    scope = await manifest.copies.begin("two", NOW + 3 * HOUR)

    assert scope is not None
    assert scope.days == {LISTED.day, IN_PART.day}

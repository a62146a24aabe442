"""Three hundred and sixty-five daily runs in about a minute: every period adds up, nothing is lost, the chain holds."""

from __future__ import annotations

import json
import os
from pathlib import Path

import anyio
import pytest

from archiver.periods.verification import Verification, Verified
from archiver.store.directory import DirectoryStore
from tests.simulation.checker import violations
from tests.simulation.one_run import Counts
from tests.simulation.year import START, Year

DAYS = int(os.environ.get("YEAR_DAYS", "365"))
BUSY = int(os.environ.get("YEAR_BUSY", "2"))
SEED = int(os.environ.get("YEAR_SEED", "1"))


def verified(archive: Path) -> Verified:
    async def verify() -> Verified:
        store = DirectoryStore(archive)
        try:
            return await Verification(store, Counts()).perform()
        finally:
            await store.aclose()

    return anyio.run(verify)


@pytest.mark.timeout(3600)
def test_a_year_of_daily_runs(tmp_path: Path) -> None:
    year = Year(tmp_path, seed=SEED, days=DAYS, busy=BUSY)
    year.live()

    assert violations(year) == []
    assert year.exit_codes.count("killed") == year.kills, "the kills did not fire: they prove nothing"
    kinds = {"late", "straggler", "vanished", "no run", "store away", "source down", "clock jumps", "pages drift"}
    assert kinds <= year.ledger.happened.keys(), year.ledger.happened
    whole = verified(year.archive)
    assert whole.flaws == 0
    assert whole.days >= DAYS - 70

    path = year.archive / f"periods/dt={START}/statement.json"
    said = json.loads(path.read_bytes())
    said["recordings"]["states"]["archived"] += 1
    path.write_text(json.dumps(said))
    assert verified(year.archive).flaws > 0, "a statement that was tampered with"

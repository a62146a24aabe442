"""Two reconciliations of one day at once: what both came to is written once, what they differ in stands twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from archiver.amendments import Amender
from archiver.clock import SystemClock
from archiver.manifest.interface import Manifest
from archiver.model import Call, Digest
from archiver.reconciliation.days import DayReconciled, Inputs
from archiver.reconciliation.writing import Writer
from archiver.rules import keys
from archiver.rules.evidence import EVERY_ANSWERED_CALL
from archiver.rules.reconcile import reconcile
from archiver.store.interface import Body, PutOutcome
from archiver.store.memory import MemoryStore

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 9, 22, 12, tzinfo=UTC)
DAY = NOON.date()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def day_of(calls: int) -> DayReconciled:
    """A day on which so many calls lack their recording."""
    length = timedelta(seconds=60)
    lacking = [Call(f"c{number}", NOON, NOON + length, length, "ANSWER", {}) for number in range(calls)]
    result = reconcile(lacking, [], settled=NOON + timedelta(days=9))
    inputs = Inputs({}, 0, "sha256:00")
    return DayReconciled(DAY, result, "", EVERY_ANSWERED_CALL, recorded=True, inputs=inputs, calls={})


def writer(store: MemoryStore) -> Writer:
    return Writer(Amender(store, SystemClock(), "run-1", "test 1"), cast("Manifest", None))  # no recording is told


@pytest.mark.parametrize(("theirs", "numbers"), [(1, [1]), (2, [1, 2])])
async def test_another_writer_was_faster(theirs: int, numbers: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    put = store.put_new

    async def late(key: str, body: Body, digest: Digest, mediatype: str, protection: Any = None) -> PutOutcome:
        monkeypatch.setattr(store, "put_new", put)
        await writer(store).write(day_of(theirs))
        return await put(key, body, digest, mediatype, protection)

    monkeypatch.setattr(store, "put_new", late)
    written = await writer(store).write(day_of(1))
    assert sorted(store.objects) == sorted(keys.reconciliation_key(DAY, number) for number in numbers)
    assert written.key == (keys.reconciliation_key(DAY, 2) if theirs == 2 else None)

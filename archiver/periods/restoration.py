"""Periods between bucket and manifest: a manifest that was lost learns them again, one that was not is held to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

from anyio.to_thread import run_sync

from archiver.clock import Clock
from archiver.errors import StoreFailed
from archiver.manifest.interface import Entry, Manifest, WindowRecord
from archiver.model import Window
from archiver.periods.chain import documents, read_chain
from archiver.periods.companions import read_whole, standings_in
from archiver.rules import statement
from archiver.rules.lifecycle import State
from archiver.rules.period import Account, Filed, Standing, last_of
from archiver.rules.statement import account_of, parts_of
from archiver.store.interface import Store

BATCH = 500
WITHOUT_OBJECTS = (State.SKIPPED, State.UNAVAILABLE, State.EXPIRED)
"""Of these the statement is the only trace in the bucket."""


async def restore_periods(store: Store, manifest: Manifest, clock: Clock) -> list[str]:
    """Take closed days into a manifest that has just taken the sealed recordings in; what stood against it, in words.

    Days that it knows stay as they are. One of which something is not as its statement says is not closed.
    """
    chain = await read_chain(store, manifest)
    problems = [f"{key}: no statement that can be read" for key in chain.unreadable]
    known = {record.window for record in await manifest.windows()}
    for day in sorted({filed.day for filed in chain.filed}):
        last = chain.last(day)
        if last is None or Window.of_day(day) in known:
            continue
        try:
            problems += await _restore_day(store, manifest, clock, last)
        except (StoreFailed, ValueError, KeyError, TypeError) as error:
            words = f"not as its schema says ({type(error).__name__})" if isinstance(error, KeyError) else str(error)
            problems.append(f"{last.key}: {words}")
    return problems


async def _restore_day(store: Store, manifest: Manifest, clock: Clock, last: Filed) -> list[str]:
    document = await _document(store, last)
    recordings, differing = document["recordings"], 0
    standings: Sequence[Standing] = ()
    if recordings["ids"] is not None:
        content = await read_whole(store, recordings["ids"]["key"])
        standings = await run_sync(lambda: [standing for standing, _ in standings_in(BytesIO(content))])
    for start in range(0, len(standings), BATCH):
        differing += await _restore_standings(manifest, clock, standings[start : start + BATCH])
    held = sum((await manifest.days()).get(last.day, {}).values())
    whole = not differing and held == recordings["known"]
    record = _record(last, document, closed_at=last.closed_at if whole else None)
    await manifest.restore_window(record, document["listings"]["recordings"]["unique"], last.run_id)
    if differing:
        return [f"{last.key}: {differing} of its recordings are not in the bucket as it says"]
    return []


async def _restore_standings(manifest: Manifest, clock: Clock, standings: Sequence[Standing]) -> int:
    """Bring a batch in; how many of them are not as they should be."""
    entries = await manifest.entries([standing.id for standing in standings])
    differing = 0
    for standing in standings:
        entry = entries.get(standing.id)
        if entry is None and standing.state in WITHOUT_OBJECTS:
            await manifest.restore(_entry(standing), {}, clock.now(), None)
        elif entry is None or entry.state is not standing.state:
            differing += 1
    await manifest.restore_standings(standings)
    return differing


async def check_periods(store: Store, manifest: Manifest) -> list[str]:
    """What manifest and bucket do not say alike of closed days, in words. Changes nothing."""
    filed = await manifest.filed()
    known, held = {each.key for each in filed}, {key async for key in documents(store)}
    problems = [f"{key}: in the manifest, not in the bucket" for key in sorted(known - held)]
    problems += [f"{key}: the manifest does not know it" for key in sorted(held - known)]
    for record in await manifest.windows():
        if record.closed_at is None:
            continue
        last = last_of(filed, record.window.day)
        if last is None:
            problems.append(f"{record.window}: closed in the manifest, without a statement")
        elif last.key in held:
            problems += await _check_day(store, manifest, last)
    return problems


async def _check_day(store: Store, manifest: Manifest, last: Filed) -> list[str]:
    try:
        document = await _document(store, last)
        parts = parts_of(document["calls"])
    except (StoreFailed, ValueError, KeyError, TypeError) as error:
        return [f"{last.key}: {error}"]
    account = Account()
    async for standing in manifest.standings(last.day):
        account.enter(standing)
    if account_of(account, parts) != last.account:
        return [f"{last.key}: what it says of the day's recordings is not what the manifest says"]
    return []


async def _document(store: Store, last: Filed) -> Mapping[str, Any]:
    """The document as it lies there; ValueError if it is not the one that is filed."""
    filed, document = statement.read(last.key, await store.read(last.key, statement.SIZE_LIMIT) or b"")
    if filed.digest != last.digest:
        raise ValueError("its digest is not the manifest's")
    return document


def _entry(standing: Standing) -> Entry:
    return Entry(
        recording_id=standing.id,
        created_at=standing.created_at,
        duration=standing.duration,
        state=standing.state,
        attempts=0,
        reason=standing.reason,
    )


def _record(last: Filed, document: Mapping[str, Any], closed_at: datetime | None) -> WindowRecord:
    listed = document["listed"]
    whole = listed["first_whole"]
    return WindowRecord(
        window=Window.of_day(last.day),
        first_listed_at=datetime.fromisoformat(listed["first"]),
        whole_at=None if whole is None else datetime.fromisoformat(whole),
        last_listed_at=datetime.fromisoformat(listed["last"]),
        agreed=True,
        reason="",
        rows_unreadable=0,
        closed_at=closed_at,
    )

"""How an audit is told, and the run that fetches again what it missed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

from archiver.cli.console import Console
from archiver.cli.redaction import printable
from archiver.cli.watching import DRAIN_SECONDS, HEARTBEAT_SECONDS, LEAVE_SECONDS, Watcher
from archiver.errors import ExitCode
from archiver.rules.audit import Kind
from archiver.rules.counting import counted

if TYPE_CHECKING:
    from archiver.audit import Audit, Tally
    from archiver.config import Config

WORSE = (ExitCode.CREDENTIALS, ExitCode.DESTINATION, ExitCode.BUG, ExitCode.SIGINT, ExitCode.SIGTERM)
"""What a repairing run may end with that matters more than the findings."""


class Teller:
    """A ``Reporter`` of audits: findings are data, a line or an object each."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._recordings = 0
        self._warned = False

    def event(self, kind: str, /, **fields: object) -> None:
        """A finding, something unreadable, or something that no repair can mend."""
        self._console.event(kind, **fields)
        if self._console.flags.json:
            return
        if kind == "not_repairable":
            if not self._warned:
                self._console.warn("what is damaged cannot be repaired by this program", str(fields["reason"]))
            self._warned = True
        elif "key" in fields:
            self._console.data(printable(f"{kind}: {fields['key']}: {fields['reason']}"))
        else:
            self._console.warn(f"{fields.get('recording_id')}: {kind}: {fields.get('reason')}")

    def progress(self, *, listed: int, settled: int, size: int) -> None:
        """Remember how far it is."""
        self._recordings = listed

    @asynccontextmanager
    async def attending(self, audit: Audit) -> AsyncIterator[None]:
        """One line every 30 s meanwhile; a signal ends the audit. Errors of the block pass as they are."""
        beside = [asyncio.create_task(self._heartbeat()), asyncio.create_task(self._heed_signals(audit))]
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _heed_signals(self, audit: Audit) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for number in signals:
                audit.stop(number.name)
                self._console.say(f"{number.name}: the audit ends here")
                break
            await anyio.sleep(DRAIN_SECONDS + LEAVE_SECONDS)
        self.summary(audit.to_json())
        # A thread hangs in a call to the store. Every conclusion is a transaction of its own: as after a kill.
        os._exit(audit.tally.exit_code)

    async def _heartbeat(self) -> None:
        while True:
            await anyio.sleep(HEARTBEAT_SECONDS)
            self._console.say(f"{self._recordings} recordings audited")

    def summary(self, fields: dict[str, Any]) -> None:
        """The last object, or the last lines."""
        self._console.event("summary", **fields)
        if self._console.flags.json:
            return
        part = "" if fields["shard"] == "1/1" else f" in shard {fields['shard']}"
        found = ", ".join(f"{fields[kind.value]} {kind}" for kind in Kind if fields[kind.value])
        words = "dry run: " if fields["dry_run"] else ""
        self._console.data(
            f"{words}{counted(fields['recordings'], 'recording')}{part} audited: {found or 'nothing found'}"
        )
        how = "bytes read" if fields["deep"] else "digests compared"
        sample = "" if fields["sample"] == 1 else f" (a sample of {fields['sample'] * 100:.4g}%, seed {fields['seed']})"
        self._console.data(
            f"{how} of {fields['read']}{sample}, {counted(fields['objects'], 'object')} listed, {fields['run_id']}"
        )
        if fields["drifted"] or fields["unsealed"] or fields["corrupted"]:
            again = f"{fields['drifted']} to be fetched again, {fields['unsealed']} to be sealed again"
            self._console.data(f"{again}, {fields['corrupted']} quarantined")
        if fields["call_days_differ"]:
            self._console.data(
                f"{counted(fields['call_days_differ'], 'day')} whose calls differ: a run over them compares again"
            )
        if fields["period_flaws"]:
            self._console.data(f"{counted(fields['period_flaws'], 'flaw')} in the statements of closed days")
        if fields["stopped"]:
            day = fields["whole_before"]
            self._console.data(f"stopped by {fields['stopped']}: {f'whole before {day}' if day else 'no day is whole'}")
        if fields["versions_unknown"]:
            self._console.warn("versions were not looked at", "give these credentials s3:ListBucketVersions")
        if "repaired" in fields:
            self._console.data(f"{fields['repaired']} repaired, {fields['not_repaired']} not")


async def mend(console: Console, config: Config, tally: Tally, fields: dict[str, Any]) -> ExitCode:
    """A run over the days of what is missing; its outcome goes into ``fields``. What is not archived then is told."""
    from archiver import wiring
    from archiver.clock import SystemClock
    from archiver.due import Request

    watcher = Watcher(console)
    missing = tally.drifted | tally.unsealed
    request = Request(days=tuple(sorted({*missing.values(), *tally.call_days})))
    with watcher.shown():
        ended = await wiring.run(config, request, SystemClock(), watcher, watcher.alongside)
    console.event("repair_run", **{name: value for name, value in ended.summary.to_json().items() if name != "type"})
    if ended.fatal is not None:
        console.error(ended.fatal.fact, ended.fatal.hint)
    repaired = 0
    for recording_id, state, reason in await _ends(config, sorted(missing)):
        if state == "archived":
            repaired += 1
            continue
        console.event("not_repaired", recording_id=recording_id, state=state, reason=reason)
        console.warn(f"{recording_id}: not repaired, {state}: {reason or 'to be tried again'}")
    fields |= {"repaired": repaired, "not_repaired": len(missing) - repaired + tally.corrupted}
    return ended.exit_code if ended.exit_code in WORSE else ExitCode.INTEGRITY


async def _ends(config: Config, ids: list[str]) -> list[tuple[str, str, str]]:
    """Id, state and reason of each now."""
    from archiver.wiring import manifest_of

    async with manifest_of(config, read_only=True) as manifest:
        entries = await manifest.entries(ids)
    return [(entry.recording_id, entry.state.value, entry.reason) for entry in entries.values()]

"""``archiver periods``: which days are closed, what their statements say, and whether they hold."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.console import Console
from archiver.cli.parameters import Day
from archiver.cli.redaction import printable
from archiver.errors import ExitCode, StoreFailed, UsageInvalid
from archiver.rules.counting import counted

if TYPE_CHECKING:
    from archiver.config import Config
    from archiver.periods.verification import Verified
    from archiver.reporting import Reporter


@click.group()
def periods() -> None:
    """Closed days: their statements and amendments."""


@periods.command(name="list")
@click.pass_obj
def list_(console: Console) -> ExitCode:
    """Every day that was listed: closed, or why not; counts, late arrivals, amendments. Reads the manifest only."""
    import anyio

    loaded = console.load_config()
    days = anyio.run(_gather, loaded.config)
    for day in days:
        console.event("period", **day)
    console.event("summary", periods=len(days), closed=sum(day["closed"] for day in days))
    if not console.flags.json:
        for day in days:
            counts = ", ".join(f"{count} {state}" for state, count in sorted(day["states"].items())) or "no recordings"
            amended = f", {counted(day['amendments'], 'amendment')}" if day["amendments"] else ""
            words = "closed" if day["closed"] else f"open: {'; '.join(day['because'])}"
            console.data(printable(f"{day['day']}  {counts}, {counted(day['calls'], 'call')}{amended}: {words}"))
    return ExitCode.COMPLETE


@periods.command()
@click.argument("day", type=Day())
@click.pass_obj
def show(console: Console, day: date) -> ExitCode:
    """The documents of a day as they lie in the bucket: the statement, then its amendments, as JSON."""
    import anyio

    loaded = console.load_config()
    documents = anyio.run(_read, loaded.config, day)
    if not documents:
        raise UsageInvalid(f"there is no statement of {day}", "archiver periods list tells which days are closed")
    for key, text in documents:
        if console.flags.json:
            console.event("document", key=key, document=json.loads(text))
        else:
            console.data(text.rstrip("\n"))
    return ExitCode.COMPLETE


@periods.command()
@click.pass_obj
def verify(console: Console) -> ExitCode:
    """Check every statement from the bucket alone: schema, digests, counts, chain, and that what it says is there.

    Exit code 5 with what differs.
    """
    import anyio

    loaded = console.load_config()
    verified = anyio.run(_verify, loaded.config, _Teller(console))
    console.event("summary", **summary_of(verified))
    if not console.flags.json:
        console.data(words_of(verified))
    return verified.exit_code


def summary_of(verified: Verified) -> dict[str, int]:
    """What a verification came to, as JSON."""
    return {
        "documents": verified.documents,
        "days": verified.days,
        "recordings": verified.recordings,
        "flaws": verified.flaws,
        "unreadable": verified.unreadable,
    }


def words_of(verified: Verified) -> str:
    """The same in a line."""
    found = counted(verified.flaws, "flaw") if verified.flaws else "nothing found"
    more = f", {verified.unreadable} could not be read" if verified.unreadable else ""
    return f"{counted(verified.documents, 'document')} of {counted(verified.days, 'day')} verified: {found}{more}"


class _Teller:
    """A ``Reporter``: findings are data, a line or an object each."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def event(self, kind: str, /, **fields: object) -> None:
        """A flaw, something unreadable, or something that no statement speaks of."""
        self._console.event(kind, **fields)
        if not self._console.flags.json:
            self._console.data(printable(f"{kind}: {fields.get('recording', fields['key'])}: {fields['reason']}"))

    def progress(self, *, listed: int, settled: int, size: int) -> None:
        """Nothing: a verification is short, or its lines are many."""


async def _gather(config: Config) -> list[dict[str, Any]]:
    from archiver.clock import SystemClock
    from archiver.periods.overview import overview
    from archiver.rules.windows import closable_before
    from archiver.wiring import manifest_of

    settled = closable_before(SystemClock().now(), config.windows.lookback_days)
    async with manifest_of(config, read_only=True) as manifest:
        return await overview(manifest, settled, with_calls=config.calls.archive)


async def _read(config: Config, day: date) -> list[tuple[str, str]]:
    from archiver.periods.chain import documents
    from archiver.rules import keys
    from archiver.rules.statement import SIZE_LIMIT, read
    from archiver.wiring import store_of

    found = []
    async with store_of(config) as store:
        held = [key async for key in documents(store, day)]
        for key in sorted(held, key=lambda key: (keys.period_document_of(key) or (day, 0))[1]):
            content = await store.read(key, SIZE_LIMIT) or b""
            try:
                read(key, content)
            except ValueError as error:
                raise StoreFailed(f"{key}: {error}", "archiver periods verify looks closer") from None
            found.append((key, content.decode()))
    return found


async def _verify(config: Config, reporter: Reporter) -> Verified:
    from archiver.periods.verification import Verification
    from archiver.wiring import store_of

    async with store_of(config) as store:
        return await Verification(store, reporter).perform()

"""``archiver hold``: legal holds, by matter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.console import Console
from archiver.cli.parameters import Day, in_order
from archiver.errors import ExitCode, UsageInvalid
from archiver.rules.counting import counted

if TYPE_CHECKING:
    from archiver.caretaker import Tally
    from archiver.config import Config
    from archiver.rules.hold import Action, Order, Selector


@click.group()
def hold() -> None:
    """Hold recordings for a legal matter, release them, list what is held.

    What is held cannot be deleted by anybody, whatever its retention, until the last of its matters is released. The
    orders lie in the bucket (holds/<matter>/): recordings that are archived later are held at once.
    """


def selecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that choose recordings."""
    for option in reversed(
        (
            click.option("--matter", required=True, metavar="M", help="Its name: letters, digits, dots, hyphens."),
            click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the order, for ever."),
            click.option("--id", "ids", metavar="ID", multiple=True, help="This recording; may be repeated."),
            click.option(
                "--number",
                "numbers",
                metavar="NUMBER",
                multiple=True,
                help="Of a party; * and ? allowed; may be repeated.",
            ),
            click.option(
                "--agent",
                "agents",
                metavar="AGENT",
                multiple=True,
                help="agent_id or agent of the row; may be repeated.",
            ),
            click.option("--from", "first", type=Day(), metavar="DATE", help="First UTC day."),
            click.option("--to", "last", type=Day(), metavar="DATE", help="Last UTC day, included."),
            click.option("--query", metavar="FIELD=VALUE", multiple=True, help="Field of the row; may be repeated."),
        )
    ):
        command = option(command)
    return command


@hold.command()
@selecting
@click.option("--all", "everything", is_flag=True, help="Every recording there is and will be.")
@click.pass_obj
def add(console: Console, /, matter: str, reason: str, everything: bool, **chosen: Any) -> ExitCode:
    """Hold recordings: those that fulfil every kind of condition given, and of one kind any.

    May be repeated: what was cut short is finished, what is held already is left as it is.
    """
    from archiver.rules.hold import Action, Selector

    selector = _selector(**chosen)
    if selector == Selector() and not everything:
        raise UsageInvalid(
            "nothing chosen to hold", "choose by --id, --number, --agent, --from, --to, --query; or --all"
        )
    return _order(console, matter, reason, Action.ADD, selector)


@hold.command()
@selecting
@click.pass_obj
def release(console: Console, /, matter: str, reason: str, **chosen: Any) -> ExitCode:
    """Release a matter, or what is chosen of it. What another matter covers stays held."""
    from archiver.rules.hold import Action

    return _order(console, matter, reason, Action.RELEASE, _selector(**chosen))


@hold.command("list")
@click.option("--matter", metavar="M", help="This one alone.")
@click.pass_obj
def list_(console: Console, matter: str | None) -> None:
    """The orders of every matter, and how many recordings it holds now."""
    import anyio

    anyio.run(_list, console, console.load_config().config, matter)


def _selector(
    ids: tuple[str, ...],
    numbers: tuple[str, ...],
    agents: tuple[str, ...],
    first: date | None,
    last: date | None,
    query: tuple[str, ...],
) -> Selector:
    from archiver.rules.hold import Selector
    from archiver.rules.retention import Condition

    in_order(first, last)
    wanted: dict[str, tuple[str, ...]] = {}
    for each in query:
        name, equals, value = each.partition("=")
        if not (name and equals and value):
            raise UsageInvalid(f"--query needs FIELD=VALUE, not {each!r}")
        wanted[name] = (*wanted.get(name, ()), value)
    digits = tuple(number.lstrip("+") for number in numbers)
    conditions = tuple(Condition(name, values) for name, values in wanted.items())
    return Selector(ids, digits, agents, first, last, conditions)


def _order(console: Console, matter: str, reason: str, action: Action, selector: Selector) -> ExitCode:
    import anyio

    from archiver.clock import SystemClock
    from archiver.rules.hold import Order
    from archiver.rules.keys import MATTER
    from archiver.wiring import SOFTWARE

    if not MATTER.fullmatch(matter):
        raise UsageInvalid("that is no name for a matter", "1 to 64 letters, digits, dots, hyphens and underscores")
    order = Order(matter, 1, action, reason, selector, SystemClock().now(), SOFTWARE, None)
    tally = anyio.run(_perform, console, console.load_config().config, order)
    for problem in tally.problems:
        console.error(problem)
    console.event(
        "summary",
        matter=matter,
        action=action.value,
        matched=tally.matched,
        changed=tally.changed,
        problems=len(tally.problems),
    )
    if not console.flags.json:
        console.data(
            f"{matter}: {action.value}, {counted(tally.matched, 'recording')} matched, {tally.changed} changed"
        )
    return ExitCode.INCOMPLETE if tally.problems else ExitCode.COMPLETE


async def _perform(console: Console, config: Config, order: Order) -> Tally:
    """The order first: a run that archives meanwhile obeys it as well."""
    from archiver.clock import SystemClock
    from archiver.matters import read_orders, write_order
    from archiver.rules.hold import Action
    from archiver.wiring import caretaker_of, manifest_of, store_of

    async with manifest_of(config, existing=True) as manifest, store_of(config) as store:
        if order.action is Action.RELEASE and not await read_orders(store, order.matter):
            raise UsageInvalid(f"there is no matter {order.matter}", "archiver hold list names them")
        written = await write_order(store, order)
        known = await manifest.entries(order.selector.ids)
        for recording_id in order.selector.ids:
            if recording_id not in known:
                console.warn(f"{recording_id} is not in the manifest", "check the id; the order stands if it is listed")
        async with caretaker_of(config, manifest, store, SystemClock(), console.event) as caretaker:
            return await caretaker.apply_holds(written)


async def _list(console: Console, config: Config, matter: str | None) -> None:
    from collections import Counter

    from archiver.matters import read_orders
    from archiver.wiring import manifest_of, store_of

    held: Counter[str] = Counter()
    async with store_of(config) as store:
        orders = await read_orders(store, matter)
    if matter is not None and not orders:
        raise UsageInvalid(f"there is no matter {matter}", "archiver hold list names them")
    async with manifest_of(config, read_only=True) as manifest:
        for day in await manifest.days():
            async for entry, _ in manifest.kept(day):
                held.update(entry.matters)
    for order in orders:
        fields = {"matter": order.matter, "number": order.number, "action": order.action.value, "reason": order.reason}
        console.event("order", **fields, at=order.at.isoformat())
        if not console.flags.json:
            console.data(f"{order.matter} {order.number}: {order.action}, {order.at:%Y-%m-%d %H:%M}Z: {order.reason}")
    names = sorted({order.matter for order in orders})
    for name in names:
        console.event("matter", matter=name, recordings=held[name])
        if not console.flags.json:
            console.data(f"{name} holds {counted(held[name], 'recording')}")
    console.event("summary", matters=len(names), orders=len(orders))
    if not orders:
        console.say("no matter holds anything")

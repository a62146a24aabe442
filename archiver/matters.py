"""The orders of legal holds in the bucket: numbered documents per matter, write-once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archiver.errors import StoreFailed
from archiver.model import Digest
from archiver.rules import hold, keys
from archiver.rules.hold import Order
from archiver.store.body import Document
from archiver.store.interface import Conflict, Store

TRIES = 5
"""Times that a matter is read again because another writer was faster with a number."""


async def read_orders(store: Store, matter: str | None = None) -> Sequence[Order]:
    """Every order (of one matter), those of a matter in the order of their numbers.

    StoreFailed where one cannot be read: nobody may act as if it were not there.
    """
    found: list[Order] = []
    previous: Digest | None = None
    async for stored in store.list(keys.orders_prefix(matter)):
        named = keys.order_of(stored.key)
        if named is None:
            continue
        content = await store.read(stored.key, hold.SIZE_LIMIT) or b""
        try:
            order = hold.read(content)
        except ValueError as error:
            raise StoreFailed(f"{stored.key}: {error}", "a legal hold must not be overlooked: look at it") from None
        before = found[-1] if found and found[-1].matter == order.matter else None
        if (order.matter, order.number) != named or order.previous != (previous if before else None):
            hint = "somebody has exchanged or removed an order of this matter"
            raise StoreFailed(f"{stored.key} does not follow the order before it", hint)
        found.append(order)
        previous = Digest.sha256_of(content)
    return found


async def write_order(store: Store, order: Order) -> Order:
    """Put ``order`` behind those that its matter has, with the next number; the last one, if that says the same."""
    for _ in range(TRIES):
        known = await read_orders(store, order.matter)
        last = known[-1] if known else None
        if last is not None and (last.action, last.selector, last.reason) == (
            order.action,
            order.selector,
            order.reason,
        ):
            return last
        number = last.number + 1 if last else 1
        numbered = replace(order, number=number, previous=Digest.sha256_of(hold.build(last)) if last else None)
        document = Document(hold.build(numbered))
        key = keys.order_key(order.matter, number)
        outcome = await store.put_new(key, document, document.digest, hold.MEDIATYPE)
        if not isinstance(outcome, Conflict):
            return numbered
    raise StoreFailed(f"other writers keep the matter {order.matter} busy")

"""Whoever disposes, put together for a configuration, and what is kept of it in the destination."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from archiver.clock import Clock
from archiver.config import Config
from archiver.copy_disposal import CopyDisposal, Gone
from archiver.disposal import Disposal
from archiver.manifest.interface import Manifest
from archiver.rules import disposal, keys
from archiver.store.body import Document
from archiver.store.interface import Store
from archiver.wiring import SOFTWARE, keeper_of, new_run_id, second_store_of


async def disposal_of(
    config: Config, manifest: Manifest, store: Store, clock: Clock, run_id: str, tell: Callable[..., None]
) -> Disposal:
    """Whoever deletes what is past its retention."""
    copied = config.second_destination.url is not None
    return Disposal(store, manifest, await keeper_of(config, store, clock), clock, run_id, SOFTWARE, tell, copied)


async def dispose_of_copies(
    config: Config, manifest: Manifest, store: Store, clock: Clock, tell: Callable[..., None]
) -> Gone | None:
    """Delete what is left in the second destination of what was disposed of; None where there is none."""
    if config.second_destination.url is None:
        return None
    keeper = await keeper_of(config, store, clock)
    async with second_store_of(config) as second:
        return await CopyDisposal(store, second, manifest.copies, keeper, clock, tell).carry_out()


async def file_disposal(store: Store, plan: disposal.Plan, said: Mapping[str, Any]) -> None:
    """Keep the plan and what came of it in the destination, beside what was kept of others."""
    documents = {
        keys.disposal_key(plan.digest, "plan"): disposal.plan_bytes(plan),
        keys.disposal_key(plan.digest, f"certificate-{said['ended_at']}"): json.dumps(said, indent=2).encode() + b"\n",
    }
    for key, content in documents.items():
        body = Document(content)
        await store.put_new(key, body, body.digest, disposal.MEDIATYPE)


def new_disposal_id(clock: Clock) -> str:
    """Tells a disposal from a run, as ``wiring.new_audit_id`` does."""
    return f"dispose-{new_run_id(clock)}"

"""What ``archiver reconcile`` said and wrote, and worlds as most tenants see them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

from archiver.sandbox import World
from tests.stories.operator import Destination, Operator, Result


def reconciles(someone: Operator, *words: str, **sections: Any) -> Result:
    """Over the days of the world's recordings."""
    return someone.types("reconcile", *someone.days(), *words, **sections)


def statuses(result: Result) -> Counter[str]:
    return Counter(finding["status"] for finding in result.of("finding"))


def finding_of(result: Result, call_id: str) -> dict[str, Any]:
    (finding,) = [each for each in result.of("finding") if each["call_id"] == call_id]
    return finding


def forget_keys(world: World) -> None:
    """As most tenants see it: no call id in a recording, no link in a call."""
    for each in world.recordings():
        world.replace(each.evolve(call_id=None))
    world.insert_calls(*(replace(call, audio_key=None) for call in world.calls()))


def documents(destination: Destination) -> dict[str, dict[str, Any]]:
    """Reconciliations by key."""
    found = destination.objects()
    return {key: json.loads(found[key]) for key in sorted(found) if key.startswith("periods/") and "reconcil" in key}


def amendments(destination: Destination) -> dict[str, dict[str, Any]]:
    """By key."""
    found = destination.objects()
    return {key: json.loads(found[key]) for key in sorted(found) if ".amendment-" in key}

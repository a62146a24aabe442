"""What a day's reconciliation came to, as a document of its own: ``periods/dt=…/reconciliation.json``.

It names calls and recordings by id, and nobody by number. A later reconciliation that comes to something else is a
document of its own; what it was made from, when and by what does not make it another. JSON Schema:
``archiver/schemas/reconciliation.schema.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from archiver.model import Window
from archiver.rules.calibration import Calibration
from archiver.rules.evidence import Policy
from archiver.rules.reconcile import Finding, HeldOut, Reconciliation, Status

SCHEMA_VERSION = 1
MEDIATYPE = "application/json"
SIZE_LIMIT = 256 * 2**20
"""Bytes: some 800,000 calls."""
CIRCUMSTANCES = ("made", "inputs")
"""Members that do not make a document another one."""


def result_of(day: date, result: Reconciliation, policy: Policy, doubt: str, *, complete: bool) -> dict[str, Any]:
    """The document without its circumstances. ``doubt`` says why a listing cannot be relied on; empty if both can."""
    window = Window.of_day(day)
    return {
        "schema_version": SCHEMA_VERSION,
        "day": day.isoformat(),
        "bounds": {"start": window.start.isoformat(), "end": window.end.isoformat()},
        "policy": policy.to_json(),
        "complete": complete,
        "doubt": doubt,
        "counts": {status.value: count for status, count in result.counts().items()},
        "calls": [_call(finding) for finding in result.findings if finding.call_id is not None],
        "recordings": _recordings(result.findings),
        "calibration": calibration_of(result.calibration),
        "held_out": held_out_of(result.held_out),
    }


def build(result: Mapping[str, Any], made: Mapping[str, Any], inputs: Mapping[str, Any]) -> bytes:
    """The document as it is put: JSON, a line per call and per recording, with a final newline."""
    members = {**result, "inputs": inputs, "made": made}
    lines = [f"{json.dumps(name)}: {_laid_out(value)}" for name, value in members.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def read(content: bytes) -> dict[str, Any]:
    """A document; ValueError if it is none of ours."""
    try:
        parsed = json.loads(content)
        version = parsed["schema_version"]
    except (KeyError, TypeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a reconciliation of this program ({type(error).__name__})") from None
    if version != SCHEMA_VERSION:
        raise ValueError(f"reconciliation schema {version} is not known to this version")
    return dict(parsed)


def same_result(document: Mapping[str, Any], result: Mapping[str, Any]) -> bool:
    """True if a document says what ``result`` says, whatever it was made from."""
    said = {name: value for name, value in document.items() if name not in CIRCUMSTANCES}
    return bool(said == json.loads(json.dumps(result)))


def calibration_of(found: Calibration) -> dict[str, Any]:
    """What was learnt of the two reports, as JSON values: seconds."""
    return {
        "anchor": [anchor.value for anchor in found.anchors],
        "lag_seconds": found.lag.middle,
        "lag_bounds": [found.lag.low, found.lag.high],
        "delta_seconds": found.delta.middle,
        "delta_bounds": [found.delta.low, found.delta.high],
        "zone_offset_seconds": found.zone_offset,
        "pairs": found.pairs,
        "by_key": found.by_key,
    }


def held_out_of(found: HeldOut | None) -> dict[str, Any] | None:
    """How inference did on pairs whose key it was not shown; None where they are too few."""
    if found is None:
        return None
    return {"pairs": found.pairs, "claimed": found.claimed, "precision": found.precision, "recall": found.recall}


def candidates_of(finding: Finding) -> list[dict[str, Any]]:
    """Of an ambiguous call, best first."""
    return [{"recording_ids": list(ids), "cost": cost} for ids, cost in finding.candidates]


def _call(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.call_id,
        "status": finding.status.value,
        "recording_ids": list(finding.recording_ids),
        "reason": finding.reason,
        "lag_seconds": finding.lag,
        "delta_seconds": finding.delta,
        "margin": finding.margin,
        "candidates": candidates_of(finding),
    }


def _recordings(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Each once, with the status of its call; a candidate of an ambiguous call is ambiguous itself."""
    found: dict[str, dict[str, Any]] = {}
    for finding in findings:
        for recording_id in finding.recording_ids:
            found[recording_id] = {"id": recording_id, "status": finding.status.value, "call_id": finding.call_id}
        for ids, _ in finding.candidates:
            for recording_id in ids:
                found[recording_id] = {"id": recording_id, "status": Status.AMBIGUOUS.value, "call_id": None}
    return list(found.values())


def _laid_out(value: Any) -> str:
    if not (isinstance(value, list) and value):
        return json.dumps(value)
    return "[\n" + ",\n".join(json.dumps(each) for each in value) + "\n]"

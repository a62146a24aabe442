"""What is said of the call that a recording belongs to: in its sidecar where a key tells, in an amendment otherwise.

No phone number, and of the agent only what the recording's own row says already: sidecar and amendments lie side by
side, and whoever has to forget a person has to find every place that names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from archiver.model import Call, Row

EVIDENCE = ("matched", "evidence")
"""Members that say how the call was found, not what it was."""
_AGENT = ("agent_id", "agent")


def by_key(call: Call, recording_row: Row, key: str = "call_id") -> dict[str, Any]:
    """Where the source names the call; ``key`` says by what."""
    return _facts(call, recording_row, "key", {"key": key})


def inferred(call: Call, recording_row: Row, evidence: Mapping[str, float | None]) -> dict[str, Any]:
    """Where it was inferred; ``evidence`` says on what grounds."""
    return _facts(call, recording_row, "inferred", evidence)


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """True if both say the same of the call, however it was found."""
    said, also_said = ({name: each[name] for name in each if name not in EVIDENCE} for each in (one, other))
    return said == also_said


def _facts(call: Call, recording_row: Row, matched: str, evidence: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "call_id": call.id,
        "start_at": call.start_at.isoformat(),
        "end_at": _time(call.end_at),
        "duration_seconds": None if call.duration is None else call.duration.total_seconds(),
        "status": call.status,
        "hangup_by": _word(call.row.get("hangup_by")),
        "agent": _agent(call.row, recording_row),
        "matched": matched,
        "evidence": dict(evidence),
    }


def _agent(call_row: Row, recording_row: Row) -> str | None:
    """The agent as the call's row has it, if the recording's row says so too."""
    said = {_word(recording_row.get(name)) for name in _AGENT}
    named = [_word(call_row.get(name)) for name in _AGENT]
    return next((each for each in named if each not in (None, "0") and each in said), None)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _word(value: object) -> str | None:
    if isinstance(value, bool):
        return None
    return str(value) if isinstance(value, str | int) and str(value) else None

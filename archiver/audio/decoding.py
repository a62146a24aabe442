"""Decoding as the last proof of formats that embed none (AAC, WebM), in a child that may die of it.

A decoder is the largest piece of code that hostile bytes can reach: in-process it has crashed the interpreter on a
damaged M4A. The child has its own limits of CPU seconds and memory, is killed at the end of its time, gets the bytes
through a pipe and an empty environment, and says one line of JSON. Needs the extra ``decode`` (PyAV).
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from mmap import mmap
from pathlib import Path
from typing import Any

from archiver.model import AudioFacts, Finding

CHILD = Path(__file__).with_name("decode_child.py")
UNPROVED = frozenset({"mp4", "adts", "webm", "matroska"})
"""Containers of which only a decoder can tell more. MP3 is proved without; free format ffmpeg does not even open."""
CLEARLY = 0.25
"""Seconds by which decoded and walked length may differ: a decoder drops or adds a frame at the edges."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use: seconds of CPU and of clock, bytes of memory."""

    cpu_seconds: int = 60
    seconds: float = 120.0
    memory: int = 2**30


def available() -> bool:
    """True if the extra ``decode`` is installed."""
    return importlib.util.find_spec("av") is not None


def worth_decoding(facts: AudioFacts) -> bool:
    """True if decoding can tell more than the walk did."""
    return facts.container in UNPROVED and "decoded" not in facts.details


def decoded(facts: AudioFacts, data: bytes | mmap, limits: Limits | None = None) -> AudioFacts:
    """``facts`` with what a decoder says: a proof ``decoded``, or a finding ``decode_failed``.

    Blocks for as long as the child may take, so call it in a thread. Facts that need no decoding come back unchanged.
    """
    if not worth_decoding(facts) or not available():
        return facts
    outcome = _ask_child(data, limits or Limits())
    details = {**facts.details, "decoded": outcome}
    trouble = _trouble(facts, outcome)
    if trouble:
        return replace(facts, findings=(*facts.findings, Finding("decode_failed", trouble)), details=details)
    proof = Finding("decoded", f"{outcome['seconds']:.3f} s")
    return replace(facts, proofs=(*facts.proofs, proof), details=details)


def _trouble(facts: AudioFacts, outcome: Mapping[str, Any]) -> str:
    """What went wrong; empty if nothing did."""
    if "error" in outcome:
        return str(outcome["error"])
    if outcome["errors"]:
        return f"{outcome['errors']} packets do not decode: {outcome['first']}"
    if facts.length is not None and facts.length - outcome["seconds"] > CLEARLY:
        return f"{outcome['seconds']:.3f} s come out of {facts.length:.3f} s"
    return ""


def _ask_child(data: bytes | mmap, limits: Limits) -> dict[str, Any]:
    command = [sys.executable, "-I", str(CHILD), str(limits.cpu_seconds), str(limits.memory)]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and file; the bytes go through a pipe
            command, input=memoryview(data), capture_output=True, timeout=limits.seconds, check=False, env={}
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not decoded within {limits.seconds:g} s"}
    except OSError as problem:
        return {"error": f"no child process: {type(problem).__name__}"}
    try:
        outcome = json.loads(done.stdout)
    except ValueError:
        return {"error": f"the decoder ended with status {done.returncode}"}
    return outcome if isinstance(outcome, dict) else {"error": "the decoder answered nonsense"}

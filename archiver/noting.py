"""What the manifest keeps of a run, an audit, a rebuild or a disposal, whatever ends it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import anyio

from archiver.clock import Clock
from archiver.errors import ExitCode, code_of
from archiver.manifest.interface import Manifest
from archiver.rules.summary import Summary


@dataclass(slots=True)
class Noted:
    """What the manifest will keep of a run; for what is done in it to fill in."""

    run_id: str
    exit_code: ExitCode = ExitCode.BUG
    tells: Callable[[], Mapping[str, Any]] = dict
    """Its last words, asked for at its end."""


@asynccontextmanager
async def noted(manifest: Manifest, clock: Clock, run_id: str) -> AsyncIterator[Noted]:
    """Holds the manifest, and notes a run there from begin to end, whatever ends it.

    An error brings its own exit code. Raises ManifestLocked.
    """
    await manifest.begin_run(run_id, clock.now())
    note = Noted(run_id)
    try:
        yield note
    except BaseException as error:
        note.exit_code = code_of(error)
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await manifest.end_run(run_id, clock.now(), note.exit_code, note.tells())


@contextmanager
def ending_early(summary: Summary) -> Iterator[None]:
    """Whatever error leaves the block has ended the run early, so that its summary never reads as complete."""
    try:
        yield
    except BaseException as error:
        summary.ended_early = code_of(error)
        raise

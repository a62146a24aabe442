"""The named steps of a run, and how to die at one of them: SIGKILL in front of its n-th turn, or right behind it.

A step is a method of an adapter, wrapped in the process that is to die. Nothing of it is in the program.
"""

from __future__ import annotations

import functools
import inspect
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

When = Literal["before", "after"]
Meets = Callable[[tuple[Any, ...], dict[str, Any]], bool]


@dataclass(frozen=True)
class Step:
    """Where a run may die. ``owner`` is ``module:Class`` or ``module``; ``meets`` names a choice among its calls."""

    name: str
    owner: str
    method: str
    meets: str = ""
    """A substring of the repr of the call's arguments, or nothing."""


_MANIFEST = "archiver.manifest.sql:SqlManifest"
_DIRECTORY = "archiver.store.directory"
COMMON = (
    Step("run begun", _MANIFEST, "begin_run"),
    Step("page read", "archiver.source.api_client:ApiClient", "report"),
    Step("page noted", _MANIFEST, "note_listed"),
    Step("window noted", _MANIFEST, "note_window"),
    Step("audio fetched", "archiver.source.voice_api:VoiceApi", "fetch"),
    Step("piece received", "archiver.spool:Receiver", "write"),
    Step("audio probed", "archiver.audio", "probe"),
    Step("same audio looked up", _MANIFEST, "same_content"),
    Step("audio put", "{store}", "put_new", "recordings/&.mp3"),
    Step("row stored", _MANIFEST, "advance", "uploaded"),
    Step("sidecar put", "{store}", "put_new", "recordings/&.vcon.json"),
    Step("row archived", _MANIFEST, "advance", "sealed"),
    Step("rejected audio put", "{store}", "put_new", "quarantine/&.mp3"),
    Step("reasons put", "{store}", "put_new", "quarantine/&.vcon.json"),
    Step("row quarantined", _MANIFEST, "advance", "rejected"),
    Step("attempt noted", _MANIFEST, "note_attempt"),
    Step("call part put", "{store}", "put_new", "calls/"),
    Step("call day noted", _MANIFEST, "note_call_day"),
    Step("commit", "archiver.manifest.database:Database", "commit"),
    Step("windows closed", _MANIFEST, "close_windows"),
    Step("run ended", _MANIFEST, "end_run"),
    Step("scratch entered", "archiver.scratch:ScratchDirectory", "__enter__"),
    Step("scratch left", "archiver.scratch:ScratchDirectory", "__exit__"),
)
OF_DIRECTORY = (
    Step("file filled", _DIRECTORY, "_fill"),
    Step("file linked", "os", "link"),
    Step("temporary removed", "pathlib:Path", "unlink"),
    Step("names synced", _DIRECTORY, "_sync_directory"),
)
OF_S3 = (
    Step("request sent", "archiver.wire:Wire", "exchange", "PUT"),
    Step("body read", "archiver.store.s3_body:NamedBody", "read"),
)
STORES = {"directory": "archiver.store.directory:DirectoryStore", "s3": "archiver.store.s3:S3Store"}


def steps_of(destination: str) -> tuple[Step, ...]:
    """The steps of a run to ``directory`` or ``s3``."""
    return COMMON + (OF_DIRECTORY if destination == "directory" else OF_S3)


@dataclass(frozen=True)
class DieAt:
    """``prepare`` for the launcher: kills its own process, from within, at the n-th turn of a step (from 1)."""

    step: Step
    when: When
    destination: str
    turn: int = 1

    def __call__(self) -> None:
        module, _, name = self.step.owner.format(store=STORES[self.destination]).partition(":")
        owner: Any = import_module(module)
        if name:
            owner = getattr(owner, name)
        original = getattr(owner, self.step.method)
        setattr(owner, self.step.method, self._wrapped(original))

    def _wrapped(self, original: Callable[..., Any]) -> Callable[..., Any]:
        seen, lock = 0, threading.Lock()

        def due(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
            nonlocal seen
            told = repr((args[1:], kwargs)) if "." in self.step.owner or "{" in self.step.owner else ""
            if not all(word in told for word in self.step.meets.split("&") if word):
                return False
            with lock:
                seen += 1
                return seen == self.turn

        if inspect.iscoroutinefunction(original):

            @functools.wraps(original)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                dies = due(args, kwargs)
                if dies and self.when == "before":
                    die()
                result = await original(*args, **kwargs)
                if dies:
                    die()
                return result

            return awaited

        @functools.wraps(original)
        def called(*args: Any, **kwargs: Any) -> Any:
            dies = due(args, kwargs)
            if dies and self.when == "before":
                die()
            result = original(*args, **kwargs)
            if dies:
                die()
            return result

        return called


def die() -> None:
    """As the kernel's OOM killer would have it: no handler, no finally, no flush."""
    os.kill(os.getpid(), signal.SIGKILL)

"""A sidecar that was lost while its audio is whole: drafted again from the manifest and the audio's own bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta

import anyio
from anyio.to_thread import run_sync

from archiver.audio import probe
from archiver.clock import Clock
from archiver.errors import StoreFailed
from archiver.manifest.interface import Entry, Manifest
from archiver.model import Digest, Grade, Recording, Row, Verdict
from archiver.rules import sidecar
from archiver.rules.numbers import number_of
from archiver.store.interface import Store

READ_LIMIT = 64 * 2**20
"""Bytes: larger audio is not read into memory for this; its recording is fetched again instead."""


@dataclass(frozen=True, slots=True)
class Resealer:
    """Reads one recording's audio at a time; writes nothing."""

    store: Store
    manifest: Manifest
    clock: Clock
    source: str
    software: str
    _turn: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(1))

    async def draft(self, entry: Entry, run_id: str) -> bytes | None:
        """A new sidecar, marked as reconstructed; None where the audio is not there as recorded, or is too large."""
        audio = entry.audio
        if audio is None or audio.digest is None or audio.size > READ_LIMIT:
            return None
        async with self._turn:
            try:
                content = await self.store.read(audio.key, audio.size)
            except StoreFailed:
                return None  # told by whoever looks at the audio itself
            if content is None or Digest.sha256_of(content) != audio.digest:
                return None
            row = await self.manifest.source_row(entry.recording_id)
            return await run_sync(self._build, entry, row, content, run_id)

    def _build(self, entry: Entry, row: Row, content: bytes, run_id: str) -> bytes | None:
        if entry.audio is None:
            return None
        recording = Recording(
            id=entry.recording_id,
            created_at=entry.created_at,
            duration=None if entry.duration is None else timedelta(seconds=entry.duration),
            link=None,
            row=row,
            call_from=number_of(row.get("call_from")),
            call_to=number_of(row.get("call_to")),
        )
        kept = None
        if entry.retention is not None and entry.retention_class is not None:
            kept = sidecar.Kept(entry.retention_class, entry.retention)
        return sidecar.build(
            recording,
            entry.audio,
            Digest("sha512", hashlib.sha512(content).hexdigest()),
            None,
            probe(content),
            Verdict(Grade(entry.grade or Grade.CONSISTENT), (), None),
            sidecar.Provenance(run_id, self.clock.now(), self.source, self.software),
            kept,
        )

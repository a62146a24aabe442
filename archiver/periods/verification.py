"""Are the statements true to themselves? Read from the bucket alone: no manifest, no source.

Every document: its schema, its place in the chain, everything it refers to by digest, its counts from its own ids, its
pages from the kept ones. Of what holds of a day now: that what is said to be archived or quarantined is there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any

from anyio.to_thread import run_sync
from jsonschema import Draft202012Validator

from archiver.errors import ExitCode, StoreFailed
from archiver.model import Digest
from archiver.periods.chain import documents
from archiver.periods.companions import READ_LIMIT, standings_in
from archiver.periods.listing_archive import pages_in
from archiver.reporting import Reporter
from archiver.rules import keys, statement
from archiver.rules.lifecycle import State
from archiver.rules.period import Filed, Place, Reference, chain_flaws, last_of
from archiver.rules.statement import Books, account_of, parts_of, reference_of
from archiver.store.interface import Store


@dataclass(slots=True)
class Verified:
    """What a verification came to."""

    documents: int = 0
    days: int = 0
    recordings: int = 0
    """That hold in the documents that count now."""
    flaws: int = 0
    unreadable: int = 0
    """Objects that the store did not hand out."""

    @property
    def exit_code(self) -> ExitCode:
        """Flaws first, then what could not be looked at."""
        if self.flaws:
            return ExitCode.INTEGRITY
        return ExitCode.INCOMPLETE if self.unreadable else ExitCode.COMPLETE


@dataclass(slots=True)
class _Ids:
    """Of one document."""

    named: set[str] = field(default_factory=set)
    """In the listing, as it says."""
    kept: dict[str, State] = field(default_factory=dict)
    """Whose audio must be in the bucket, by the stem of their keys."""


@dataclass(slots=True)
class Verification:
    """One verification. Use once. In memory is one day at a time, and a few hundred bytes a document."""

    store: Store
    reporter: Reporter
    presence: bool = True
    """Whether to look for what is said to be archived; an audit has done so."""
    verified: Verified = field(default_factory=Verified)
    _filed: list[Filed] = field(default_factory=list)
    _amends: dict[str, Reference | None] = field(default_factory=dict)
    _flawed: set[str] = field(default_factory=set)

    async def perform(self) -> Verified:
        """Do it. Raises StoreFailed where the bucket cannot be listed, DestinationUnusable."""
        keys_of_day: list[str] = []
        async for key in documents(self.store):
            if keys_of_day and key.rpartition("/")[0] != keys_of_day[0].rpartition("/")[0]:
                await self._day(keys_of_day)
                keys_of_day = []
            keys_of_day.append(key)
        if keys_of_day:
            await self._day(keys_of_day)
        for key, words in [*chain_flaws(self._filed), *self._amendment_flaws()]:
            self._tell(key, words)
        return self.verified

    async def _day(self, keys_of_day: list[str]) -> None:
        self.verified.days += 1
        found: dict[str, _Ids] = {}
        for key in keys_of_day:
            self.verified.documents += 1
            try:
                ids = await self._document(key)
            except StoreFailed as error:
                self.verified.unreadable += 1
                self.reporter.event("unreadable", key=key, reason=error.fact)
                continue
            if ids is not None:
                found[key] = ids
        day_of = keys.period_document_of(keys_of_day[0])
        last = None if day_of is None else last_of(self._filed, day_of[0])
        if self.presence and last is not None and last.key in found:
            await self._presence(last.day, last.key, found[last.key])

    async def _document(self, key: str) -> _Ids | None:
        """Everything that one document says of itself; its ids, None if they cannot be told."""
        content = await self.store.read(key, statement.SIZE_LIMIT) or b""
        try:
            filed, document = statement.read(key, content)
            self._filed.append(filed)
            for flaw in schema_flaws(document):
                self._tell(key, flaw)
            amends = document["amends"]
            self._amends[key] = None if amends is None else reference_of(amends)
            parts = parts_of(document["calls"])
            ids = await self._ids(filed, document["recordings"], parts)
            for part, _ in parts:
                await self._digest(key, part)
            for report, listing in document["listings"].items():
                if listing is not None:
                    await self._listing(key, report, listing, ids if report == "recordings" else None)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            words = str(error) if type(error) is ValueError else f"not as its schema says ({type(error).__name__})"
            self._tell(key, words)
            return None
        return ids

    async def _ids(self, filed: Filed, said: Mapping[str, Any], parts: list[tuple[Reference, int]]) -> _Ids | None:
        """Count again what the document counts, from its own ids; None where they cannot be read."""
        content = b"" if said["ids"] is None else await self._companion(filed.key, said["ids"])
        if content is None:
            return None
        ids, books = _Ids(), Books(filed.run_id)

        def count() -> None:
            for standing, place in standings_in(BytesIO(content)) if content else ():
                books.enter(standing, place)
                if place is Place.NAMED:
                    ids.named.add(standing.id)
                if standing.state in (State.ARCHIVED, State.QUARANTINED):
                    ids.kept[keys.stem(standing.id)] = standing.state

        try:
            await run_sync(count)
        except ValueError as error:
            self._tell(filed.key, f"its ids cannot be read: {error}")
            return None
        counted = books.to_json(said["ids"])
        for name in counted:
            if counted[name] != said.get(name):
                self._tell(filed.key, f"recordings.{name} is not what its ids add up to")
        if account_of(books.account, parts) != filed.account:
            self._tell(filed.key, "its account is not that of its ids and parts")
        return ids

    async def _listing(self, key: str, report: str, said: Mapping[str, Any], ids: _Ids | None) -> None:
        """Hold the kept pages against those stated, and the ids of the day against the rows of the pages."""
        content = await self._companion(key, said["archive"])
        if content is None:
            return
        stated, rows = said["pages"]["stated"], 0
        flaws: list[str] = []
        seen: set[str] = set()

        def walk() -> int:
            number, count = 0, 0
            for number, page in enumerate(pages_in(BytesIO(content)), 1):
                count += page.described["rows"]
                if page.digest != page.described["kept"]:
                    flaws.append(f"page {number} of the kept {report} is not the one that it describes")
                if number <= len(stated) and stated[number - 1] != page.described:
                    flaws.append(f"page {number} of the kept {report} is not the one that is stated")
                seen.update(page.ids if ids is not None else ())
            if number != said["pages"]["kept"]:
                flaws.append(f"{number} pages of {report} are kept, {said['pages']['kept']} are stated")
            return count

        try:
            rows = await run_sync(walk)
        except ValueError as error:
            flaws.append(f"the kept {report} cannot be read: {error}")
        if not flaws and said["pages"]["kept"] == said["pages"]["count"]:
            if rows != said["rows"]:
                flaws.append(f"{rows} rows of {report} are kept, {said['rows']} are stated")
            missing = sorted(ids.named - seen) if ids is not None else []
            if missing:
                flaws.append(f"{len(missing)} recordings are in no page of the listing, the first is {missing[0]!r}")
        for words in flaws:
            self._tell(key, words)

    async def _companion(self, key: str, said: Mapping[str, Any]) -> bytes | None:
        """The bytes of what a document refers to; None where they are not those, which is told, or too many to read."""
        reference = reference_of(said)
        if said["size"] > READ_LIMIT:
            await self._digest(key, reference)
            return None
        content = await self.store.read(reference.key, READ_LIMIT)
        if content is None:
            self._tell(key, f"it refers to {reference.key}, which is not there")
            return None
        if Digest("sha256", hashlib.sha256(content).hexdigest()) != reference.digest:
            self._tell(reference.key, f"it is not what {key} refers to")
            return None
        return content

    async def _digest(self, key: str, reference: Reference) -> None:
        held = await self.store.rehash(reference.key)
        if held is None:
            self._tell(key, f"it refers to {reference.key}, which is not there")
        elif held.digest != reference.digest:
            self._tell(reference.key, f"it is not what {key} refers to")

    async def _presence(self, day: date, key: str, ids: _Ids) -> None:
        """Is there what is said to be kept? And is anything there that nothing is said of?"""
        self.verified.recordings += len(ids.kept)
        held = {area: await self._stems(area, day) for area in (keys.RECORDINGS, keys.QUARANTINE)}
        for stem, state in ids.kept.items():
            area = keys.RECORDINGS if state is State.ARCHIVED else keys.QUARANTINE
            if held[area].get(stem) != (True, True):
                self._tell(key, f"{stem} is {state}, and audio or sidecar is not in {area}")
        for stem in sorted(held[keys.RECORDINGS].keys() - ids.kept.keys()):
            self.reporter.event("not_stated", key=key, recording=stem, reason="in the bucket, and in no statement yet")

    async def _stems(self, area: str, day: date) -> dict[str, tuple[bool, bool]]:
        """Stems of keys, and whether there is audio and a sidecar under them."""
        found: dict[str, tuple[bool, bool]] = {}
        async for stored in self.store.list(keys.day_prefix(area, day)):
            stem = stored.key.rpartition("/")[2].partition(".")[0]
            audio, sidecar = found.get(stem, (False, False))
            is_sidecar = stored.key.endswith(keys.SIDECAR_SUFFIX)
            is_audio = not stored.key.endswith(".json")
            found[stem] = (audio or is_audio, sidecar or is_sidecar)
        return found

    def _amendment_flaws(self) -> list[tuple[str, str]]:
        """Each amendment amends the document numbered one less."""
        by_key, found = {each.key: each for each in self._filed}, []
        for filed in self._filed:
            _, number = keys.period_document_of(filed.key) or (filed.day, 0)
            amends = self._amends.get(filed.key)
            before = by_key.get(keys.period_document_key(filed.day, number - 1)) if number else None
            if number and before is None:
                found.append((filed.key, "the document that it amends is not there, or cannot be read"))
            elif (before.reference if before else None) != amends:
                found.append((filed.key, "it amends another document than the one numbered before it"))
        return found

    def _tell(self, key: str, words: str) -> None:
        self.verified.flaws += 1
        self.reporter.event("period_flaw", key=key, reason=words)


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(files("archiver").joinpath("schemas/statement.schema.json").read_text()))


def schema_flaws(document: Mapping[str, Any]) -> list[str]:
    """Where a document is not as its JSON Schema says; at most five."""
    errors = sorted(_validator().iter_errors(document), key=lambda error: error.json_path)
    return [f"{error.json_path}: not as its schema says ({error.validator})" for error in errors[:5]]

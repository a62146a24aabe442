"""The API origin: `voice/recordings`, `voice/calls` and `auth/me`."""

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from archiver.sandbox.dialects import FILTERS, Page, Report, call_row, document, recording_row, span_bounds
from archiver.sandbox.faults import Row, RowFault
from archiver.sandbox.http import Exchange, Reply, Request
from archiver.sandbox.listing_faults import ListingFault, MoveFault, PageFault
from archiver.sandbox.provider import Provider
from archiver.sandbox.records import SandboxCall, SandboxRecording

_ROOT = "/api/v2/"
_REPORTS: dict[str, Report] = {f"{_ROOT}voice/recordings": "recordings", f"{_ROOT}voice/calls": "calls"}


@dataclass(frozen=True)
class _Question:
    """A listing request, read: which report, which page, which stretch of time."""

    report: Report
    page: int
    start: datetime | None
    end: datetime | None


class VoiceApi:
    """Answers for one provider."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def __call__(self, exchange: Exchange) -> Reply:
        provider = self._provider
        entry = provider.journal.enter("api", exchange)
        request = exchange.request
        entry.report = _REPORTS.get(request.path)
        entry.page = _page_number(request)
        refused = self._too_many() or self._unauthorized(request)
        if refused is not None:
            return refused
        if request.method != "GET":
            return _failure(405, "Method Not Allowed")
        if request.path == f"{_ROOT}auth/me":
            me = {"id": 13016, "name": "Sandbox", "email": "sandbox@example.com", "status": "active"}
            return _json({"status": "OK", "data": me})
        if entry.report is None:
            return _failure(404, "Not Found")
        try:
            question = self._question(entry.report, entry.page, request)
        except ValueError as problem:
            return _failure(422, str(problem))
        return self._listing(question)

    def _too_many(self) -> Reply | None:
        provider = self._provider
        if provider.rate_limit is None:
            return None
        wait = provider.rate_gate.wait(provider.rate_limit, provider.rate_seconds)
        if wait <= 0:
            return None
        reply = _failure(429, "Too Many Attempts.")
        return reply.with_headers(retry_after=str(int(wait) + 1)) if provider.rate_says_when else reply

    def _unauthorized(self, request: Request) -> Reply | None:
        provider = self._provider
        given: list[str] = []
        if provider.auth != "query":
            scheme, _, credentials = (request.header("authorization") or "").partition(" ")
            given += [credentials] if scheme.lower() == "bearer" else []
        if provider.auth != "bearer":
            given += [value for name, value in request.query if name == "access_token"]
        if any(hmac.compare_digest(token.encode(), provider.token.encode()) for token in given):
            return None
        return _failure(401, "Unauthenticated.")

    def _question(self, report: Report, page: int, request: Request) -> _Question:
        start = end = None
        for name, value in request.query:
            if not name.startswith("datetime"):
                continue
            if name != FILTERS[report]:
                # Stricter than the provider, who ignores it: a client would be given everything and notice nothing.
                raise ValueError(f"the {report} report has no filter {name}")
            provider = self._provider
            start, end = span_bounds(value, provider.filter_zone, last_day_included=provider.last_day_included)
        return _Question(report, page, start, end)

    def _listing(self, question: _Question) -> Reply:
        provider = self._provider
        faults = provider.desk.listing(question.report, question.page)
        page = self._page(question, question.page)
        for fault in faults:
            if isinstance(fault, PageFault):
                page = fault.turn(page, lambda number: self._page(question, number))
        reply = _json(document(page, provider.dialect, provider.base_url))
        if provider.api_latency:
            reply = replace(reply, delay=provider.api_latency)
        return self._apply(faults, question, reply)

    def _apply(self, faults: list[ListingFault], question: _Question, reply: Reply) -> Reply:
        for fault in faults:
            if isinstance(fault, MoveFault):
                # The page's rows are taken already: what follows is seen from the next request on.
                fault.move(self._provider.world, question.report, question.start, question.end)
            elif not isinstance(fault, PageFault):
                reply = fault.apply(reply)
        return reply

    def _page(self, question: _Question, number: int) -> Page:
        provider = self._provider
        things = self._things(question)
        total = len(things)
        if provider.dialect == "flat":
            rows = tuple(self._row(thing, serial) for serial, thing in enumerate(things, 1))
            return Page(question.report, rows, 1, max(1, total), 1, total)
        first = (number - 1) * provider.per_page
        rows = tuple(self._row(thing, 0) for thing in things[first : first + provider.per_page])
        last = max(1, -(-total // provider.per_page))
        return Page(question.report, rows, number, provider.per_page, last, total)

    def _things(self, question: _Question) -> Sequence[SandboxRecording | SandboxCall]:
        world = self._provider.world
        if question.report == "recordings":
            return world.recordings(question.start, question.end)
        return world.calls(question.start, question.end)

    def _row(self, thing: SandboxRecording | SandboxCall, serial: int) -> Row:
        provider = self._provider
        if isinstance(thing, SandboxCall):
            link = None if thing.audio_key is None else provider.sign(thing.audio_key)
            return call_row(thing, provider.dialect, link, provider.row_zone, serial)
        listed_before = provider.desk.seen("listed", thing.id, provider.world.revision(thing.id))
        link = None if thing.audio is None else provider.link(thing, listed_before)
        row = recording_row(thing, provider.dialect, link, provider.row_zone, serial)
        for fault in thing.faults:
            if isinstance(fault, RowFault) and fault.active(listed_before):
                row = fault.change(row)
        return row


def _page_number(request: Request) -> int:
    """The page asked for; Laravel takes anything unfit for the first."""
    text = next((value for name, value in request.query if name == "page"), "1")
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 19 else 1


def _json(body: object, status: int = 200) -> Reply:
    return Reply(
        status,
        (("Content-Type", "application/json"), ("Cache-Control", "no-cache, private")),
        json.dumps(body, separators=(",", ":")).encode(),
    )


def _failure(status: int, message: str) -> Reply:
    return _json({"status": "ERROR", "message": message}, status)

"""The adapter of the source port: a CPaaS voice API (MOBtexting platform) and the S3 links it hands out."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from pathlib import Path
from typing import Any

from archiver.clock import Clock, ServerClock
from archiver.errors import ConfigInvalid
from archiver.model import Call, Link, Recording, Window
from archiver.rules.windows import asked_days
from archiver.source.api_client import ApiClient
from archiver.source.audio_origin import AudioOrigin
from archiver.source.dialects import Envelope
from archiver.source.interface import Account, AudioSink, FetchOutcome, Query
from archiver.source.listing import ReportListing
from archiver.source.rows import read_call, read_recording, read_time

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""English whatever the process locale, which ``strftime('%b')`` obeys."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """Where the recordings are and how we ask for them."""

    base_url: str
    token: str
    query_auth: bool
    timezone: tzinfo
    requests_per_minute: int
    audio_hosts: Sequence[str]
    allow_insecure_loopback: bool
    connections: int
    audio_networks: Sequence[str] = ()
    """Networks (CIDR) beyond the public ones that audio hosts may lie in."""
    ca_file: Path | None = None
    """PEM file with the authorities to trust instead of the system's."""

    def __repr__(self) -> str:
        return f"Tenant({self.base_url})"


class VoiceApi:
    """Implements ``source.interface.Source``."""

    def __init__(self, tenant: Tenant, clock: Clock) -> None:
        self._zone = tenant.timezone
        self._server_clock = ServerClock(clock)
        if tenant.ca_file is not None:
            _holds_certificates(tenant.ca_file)
        self._api = ApiClient(
            tenant.base_url,
            tenant.token,
            query_auth=tenant.query_auth,
            requests_per_minute=tenant.requests_per_minute,
            server_clock=self._server_clock,
            ca_file=tenant.ca_file,
        )
        self._origin = AudioOrigin(
            tenant.audio_hosts,
            audio_networks=tenant.audio_networks,
            allow_insecure_loopback=tenant.allow_insecure_loopback,
            connections=tenant.connections,
            server_clock=self._server_clock,
            ca_file=tenant.ca_file,
        )

    def recordings(self, window: Window) -> ReportListing[Recording]:
        """See ``Source.recordings``."""

        def read(raw: Mapping[str, Any]) -> tuple[Recording | None, list[Any]]:
            return (None, []) if self._outside(window, raw, "created_at") else read_recording(raw, self._zone)

        return ReportListing(
            window, self._asked("voice/recordings", "datetime[r.created_at]", window), self._fetch, read
        )

    def calls(self, window: Window) -> ReportListing[Call]:
        """See ``Source.calls``."""

        def read(raw: Mapping[str, Any]) -> tuple[Call | None, list[Any]]:
            return (None, []) if self._outside(window, raw, "start_at", "end_at") else read_call(raw, self._zone)

        return ReportListing(window, self._asked("voice/calls", "datetime[end_at]", window), self._fetch, read)

    def _outside(self, window: Window, raw: Mapping[str, Any], always: str, rather: str = "") -> bool:
        """True for a row that surely belongs to another window: of what is asked a day wider, two in three do."""
        time = read_time(raw.get(always), self._zone)
        return time is not None and (read_time(raw.get(rather), self._zone) or time) not in window

    async def fetch(self, link: Link, sink: AudioSink) -> FetchOutcome:
        """See ``Source.fetch``."""
        return await self._origin.fetch(link, sink)

    def server_time(self) -> datetime:
        """See ``Source.server_time``."""
        return self._server_clock.now()

    async def account(self) -> Account:
        """See ``Source.account``."""
        status = await self._api.ask("auth/me")
        return Account(status == 200, f"auth/me answers HTTP {status}", self._server_clock.skew)

    async def aclose(self) -> None:
        """Close connections."""
        await self._api.aclose()
        await self._origin.aclose()

    def _asked(self, path: str, filter_name: str, window: Window) -> Query:
        first, last = asked_days(window, self._zone)
        return Query(path, {filter_name: f"{english_date(first)} - {english_date(last)}"})

    async def _fetch(self, query: Query) -> Envelope:
        return await self._api.report(query.path, query.parameters)


def _holds_certificates(ca_file: Path) -> None:
    """ConfigInvalid where it does not: libcurl would say so of every connection."""
    try:
        ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        raise ConfigInvalid([f"source.ca_file: {ca_file}: holds no certificates (PEM)"]) from None
    except OSError as error:
        raise ConfigInvalid([f"source.ca_file: {ca_file}: {error.strerror}"]) from None


def english_date(day: date) -> str:
    """``Jun 07, 2019``: the only form the filter takes."""
    return f"{MONTHS[day.month - 1]} {day.day:02d}, {day.year:04d}"

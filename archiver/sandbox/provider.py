"""How the provider behaves: everything a test or a command may set, before the start or while it runs."""

import secrets
import ssl
from collections.abc import Sequence
from dataclasses import KW_ONLY, InitVar, dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import format_datetime
from typing import Literal
from urllib.parse import quote

from archiver.sandbox.dialects import Dialect
from archiver.sandbox.faults import LinkFault, LinkTerms
from archiver.sandbox.journal import FaultDesk, Journal, RateGate
from archiver.sandbox.links import LinkKeys, LinkStyle, sign_v2, sign_v4
from archiver.sandbox.listing_faults import SandboxFault
from archiver.sandbox.records import SandboxRecording
from archiver.sandbox.world import World

Auth = Literal["either", "bearer", "query"]


@dataclass(eq=False)
class Provider:
    """Settings and state of one provider. Plain settings are read at every request and may be changed from any thread.

    `link_life` and `rate_seconds` are in seconds, as is every latency. `row_zone` is that of the times in rows,
    `filter_zone` the one whose midnights begin a filter's days; `last_day_included` False ends a filter before its
    last day. `rate_limit` GETs pass the API within any `rate_seconds`; `rate_says_when` adds Retry-After to the 429.
    `audio_slots` (fixed at the start) is how many audio answers run at once, the others waiting; beyond
    `audio_most` at once they are refused with 503 SlowDown and a Retry-After of a second. While `audio_held` is True
    audio answers begin, and wait before their first byte. `audio_public_url` stands in links instead of the
    sandbox's own address: for a proxy in front of it.
    """

    world: World = field(default_factory=World)
    _: KW_ONLY
    dialect: Dialect = "paged"
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    auth: Auth = "either"
    link_life: int = 3600
    link_style: LinkStyle = "v4"
    clock_offset: timedelta = timedelta(0)
    row_zone: tzinfo = UTC
    filter_zone: tzinfo = UTC
    last_day_included: bool = True
    per_page: int = 15
    rate_limit: int | None = None
    rate_seconds: float = 60.0
    rate_says_when: bool = False
    api_latency: float = 0.0
    audio_latency: float = 0.0
    audio_slots: int | None = None
    audio_most: int | None = None
    audio_held: bool = False
    audio_public_url: str | None = None
    faults: InitVar[Sequence[SandboxFault]] = ()
    host: str = "127.0.0.1"
    api_port: int = 0
    audio_port: int = 0
    tls: ssl.SSLContext | None = None
    keys: LinkKeys = field(default_factory=LinkKeys, repr=False)
    journal: Journal = field(default_factory=Journal, init=False, repr=False)
    desk: FaultDesk = field(init=False, repr=False)
    rate_gate: RateGate = field(default_factory=RateGate, init=False, repr=False)

    def __post_init__(self, faults: Sequence[SandboxFault]) -> None:
        self.desk = FaultDesk(faults)

    @property
    def base_url(self) -> str:
        """Where the API is, with the slash at its end; RuntimeError while the sandbox does not run."""
        return f"{self._address(self.api_port)}/api/v2/"

    @property
    def audio_base_url(self) -> str:
        """Scheme, host and port of the audio origin, without a slash; RuntimeError while the sandbox does not run."""
        return self._address(self.audio_port)

    def _address(self, port: int) -> str:
        if not port:
            raise RuntimeError("the sandbox does not run yet")
        return f"{'https' if self.tls else 'http'}://{self.host}:{port}"

    def now(self) -> datetime:
        """The sandbox's clock, in UTC."""
        return datetime.now(UTC) + self.clock_offset

    def http_date(self) -> str:
        return format_datetime(self.now(), usegmt=True)

    def link(self, recording: SandboxRecording, listed_before: int = 10**9) -> str:
        """Sign a link to a recording's audio as its `listed_before`-th + 1 listing would."""
        terms = LinkTerms(self.link_life, self.link_style)
        for fault in recording.faults:
            if isinstance(fault, LinkFault) and fault.active(listed_before):
                terms = fault.sign(terms)
        return self.sign(recording.audio_key, terms)

    def sign(self, audio_key: str, terms: LinkTerms | None = None) -> str:
        """Sign a link to any object key."""
        terms = terms or LinkTerms(self.link_life, self.link_style)
        url = f"{self.audio_public_url or self.audio_base_url}/{quote(audio_key)}"
        signer = sign_v2 if terms.style == "v2" else sign_v4
        return signer(self.keys, url, self.now() - timedelta(seconds=terms.age), terms.life)

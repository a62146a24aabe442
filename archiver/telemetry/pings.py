"""Pings in the manner of healthchecks: ``/start`` at the start, then success, or the exit code."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.request import HTTPRedirectHandler, Request, build_opener

from archiver.errors import ExitCode
from archiver.telemetry.courier import Courier

TIMEOUT = 4.0
"""Seconds for each step of one ping."""


@dataclass(frozen=True, slots=True)
class Pinger:
    """Tells a check how a run goes. ``url`` is a secret: whoever knows it can say that all is well."""

    url: str
    success_codes: Collection[int]
    courier: Courier

    def started(self) -> None:
        """The run begins."""
        self.courier.send("ping", partial(_ping, f"{self.url}/start", {}))

    def ended(self, code: ExitCode, summary: Mapping[str, Any]) -> None:
        """The run ended so, with these counts."""
        url = self.url if code in self.success_codes else f"{self.url}/{int(code)}"
        self.courier.send("ping", partial(_ping, url, summary))


class _NoRedirects(HTTPRedirectHandler):
    """The URL is a secret, and where it would go is not ours to choose."""

    def redirect_request(self, *_: object) -> None:
        """Not followed: the answer is an HTTPError."""


def _ping(url: str, body: Mapping[str, Any]) -> None:
    """Raises HTTPError for every answer but 2xx, and OSError."""
    content = json.dumps(body, default=str).encode()
    asking = Request(url, content, {"Content-Type": "application/json", "User-Agent": "recording-archiver"})  # noqa: S310
    with build_opener(_NoRedirects).open(asking, timeout=TIMEOUT):
        return

"""A client as plain as can be, so that nothing of it hides what the sandbox does."""

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from archiver.sandbox import Sandbox


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def ask(url: str, method: str = "GET", **headers: str) -> Answer:
    """One request on a connection of its own; what http.client raises is let through."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, headers={k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        body = response.read()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, body)
    finally:
        connection.close()


def listing(sandbox: Sandbox, report: str = "recordings", page: int | None = 1, span: str | None = None) -> Answer:
    """One page of a report, with the bearer token."""
    query = [] if page is None else [f"page={page}"]
    if span is not None:
        name = "datetime[r.created_at]" if report == "recordings" else "datetime[end_at]"
        query.append(f"{quote(name)}={quote(span)}")
    url = f"{sandbox.base_url}voice/{report}" + ("?" + "&".join(query) if query else "")
    return ask(url, Authorization=f"Bearer {sandbox.token}")


def rows(answer: Answer) -> list[dict[str, Any]]:
    """The rows of a listing, in whichever dialect."""
    data = answer.json()["data"]
    found: list[dict[str, Any]] = data if isinstance(data, list) else data["data"]
    return found


def link_of(sandbox: Sandbox, recording_id: str) -> str:
    """The link in a fresh listing's first page."""
    return next(str(row["audio"]) for row in rows(listing(sandbox)) if row["id"] == recording_id)


def until(condition: Callable[[], object]) -> None:
    """Wait for it, a minute at most."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)

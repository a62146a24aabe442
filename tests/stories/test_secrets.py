"""No token and no signature in anything that is written: every sink, on good days and on bad ones."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

from archiver.sandbox import CutTransfer, HtmlPage, OnAudio, OnListing, Redirect, Status, World
from tests.stories.conftest import NewOperator
from tests.stories.operator import Destination, Operator

TOKEN = "canary-token-0123456789/+="


def sinks(someone: Operator) -> bytes:
    """Everything on disk that the archiver has written, its configuration aside."""
    files = (path for path in someone.home.rglob("*") if path.is_file() and path.name != "archiver.yaml")
    return b"\n".join(path.read_bytes() for path in files)


def assert_clean(someone: Operator, *texts: str) -> None:
    everything = sinks(someone) + "".join(texts).encode()
    signatures = {value for record in someone.sandbox.downloads() for name, value in record.query if "ignature" in name}
    assert signatures, "no link was used: the story proves nothing"
    for secret in (TOKEN, *signatures):
        for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode().rstrip("=")):
            assert form.encode() not in everything
    assert b"X-Amz-Signature" not in everything
    assert b"X-Amz-Credential" not in everything


@pytest.mark.parametrize("auth", ["bearer", "query"])
@pytest.mark.parametrize(
    "fault",
    [
        None,
        OnAudio(Status(500)),
        OnAudio(Status(403)),
        OnAudio(Status(404)),
        OnAudio(HtmlPage()),
        OnAudio(CutTransfer(0.5)),
        OnAudio(Redirect("http://127.0.0.1:9/?X-Amz-Signature=elsewhere")),
        OnListing(Status(401), "recordings", page=2),
        OnListing(Redirect("http://127.0.0.1:9/"), "recordings", page=2),
    ],
    ids=lambda fault: "none" if fault is None else f"{type(fault.fault).__name__}{getattr(fault.fault, 'code', '')}",
)
def test_secrets_are_in_no_sink(
    fault: object, auth: str, operator: NewOperator, directory: Destination, tmp_path: Path
) -> None:
    world = World.generate(seed=71, recordings=20, days=1)
    someone = operator(world, directory, token=TOKEN, auth=auth)
    if fault is not None:
        someone.sandbox.inject(fault)  # type: ignore[arg-type]
    # Two at once: the listing waits for transfers, so that links of page 1 are used before page 2 is asked for.
    result = someone.runs("-vv", "--debug", source={"auth": auth}, limits={"concurrency": 2})
    assert result.exit_code in (0, 3, 4, 12)
    assert_clean(someone, result.stdout, result.stderr)


def test_no_phone_number_in_keys_events_or_talk(operator: NewOperator, destination: Destination) -> None:
    world = World.generate(seed=72, recordings=10, days=1)
    someone = operator(world, destination)
    result = someone.runs("-vv")
    numbers = {number for each in world.recordings() for number in (each.call_from, each.call_to)}
    said = result.stdout + result.stderr + "".join(destination.objects())
    assert not [number for number in numbers if number in said]

"""Six canaries, every error path, every sink: as they are, URL-encoded, in base64."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from archiver.sandbox import (
    CutTransfer,
    Gzipped,
    Headers,
    HtmlPage,
    MoreFields,
    OnAudio,
    OnListing,
    OtherBody,
    Redirect,
    ResetTransfer,
    SandboxFault,
    Status,
    WithField,
    World,
)
from tests.faults.checker import forms, leaked
from tests.faults.lab import AWS, Lab, s3_lab
from tests.faults.launcher import start
from tests.faults.seeded import exchange
from tests.faults.steps import DieAt, Step
from tests.faults.store_faults import FaultyBucketServer, Garbles, LostAnswer, Overtaken, Refuses, faulty_server

TOKEN = "canary-token-0123456789/+="
SECRET_KEY = "canary/SECRETkey+0123456789abcdefgh="
SESSION_TOKEN = "canary-SESSION-token//+0123456789=="
ELSEWHERE = "http://127.0.0.1:9/?X-Amz-Signature=canary-elsewhere"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIACANARY0123456789",
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_SESSION_TOKEN": SESSION_TOKEN,
}

SOURCE: tuple[SandboxFault | None, ...] = (
    None,
    OnAudio(Status(500)),
    OnAudio(Status(403)),
    OnAudio(Status(404)),
    OnAudio(HtmlPage()),
    OnAudio(CutTransfer(0.5)),
    OnAudio(ResetTransfer()),
    OnAudio(Gzipped()),
    OnAudio(Redirect(ELSEWHERE)),
    OnAudio(Headers((("Content-Type", ELSEWHERE),))),
    OnListing(Status(401), page=1),
    OnListing(Status(500), page=1),
    OnListing(Redirect(ELSEWHERE), page=1),
    OnListing(OtherBody(b'{"status":"see ' + ELSEWHERE.encode() + b'","data":[]}', "application/json"), page=1),
)
STORE = (
    LostAnswer(),
    Refuses(times=99, status="403 Forbidden", code="AccessDenied"),
    Refuses(times=99, status="400 Bad", code="ExpiredToken"),
    Overtaken(other=True),
    Garbles(),
)


def name(fault: object) -> str:
    inner = getattr(fault, "fault", fault)
    where = type(fault).__name__ if inner is not fault else ""
    return f"{where}{type(inner).__name__}{getattr(inner, 'code', '')}"


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyBucketServer]:
    with faulty_server() as running:
        yield running


def secrets_of(lab: Lab) -> dict[str, str]:
    """What must be nowhere. Signatures are those of the links that were used, or would have been."""
    sandbox = lab.operator.sandbox
    used = {value for each in sandbox.requests for key, value in each.query if key == "X-Amz-Signature"}
    return {
        "the API token": TOKEN,
        "the secret key": SECRET_KEY,
        "the session token": SESSION_TOKEN,
        "the signature of a redirect": "canary-elsewhere",
        **{f"signature {number}": value for number, value in enumerate(sorted(used))},
    }


def numbers_of(lab: Lab) -> dict[str, str]:
    found = {each for row in lab.operator.sandbox.world.recordings() for each in (row.call_from, row.call_to)}
    return {f"phone number {number}": each for number, each in enumerate(sorted(found))}


def attack(lab: Lab, prepare: Any = None, **source: object) -> Mapping[str, bytes]:
    """One run as loud as it gets; everything that it wrote, by place."""
    config = lab.operator.configure(source=source, calls={"archive": True})
    words = ("--config", str(config), "-vv", "--debug", "run", "--json", *lab.operator.days(), "--max-duration", "4s")
    ended = start(lab.operator.home / "streams", words, prepare, AWS | KEYS).wait()
    assert ended.code in (0, 3, 4, 5, 10, 12, 13, -9), ended.stderr
    sinks = {"stdout": ended.stdout.encode(), "stderr": ended.stderr.encode()}
    for key, data in lab.bucket().objects.items():
        sinks[f"the key {key}"], sinks[f"object {key}"] = key.encode(), data
    for path in lab.operator.home.rglob("*"):
        if path.is_file() and path.name != "archiver.yaml":
            sinks[f"file {path.name}"] = path.read_bytes()
            sinks[f"the name {path.name}"] = path.name.encode()
    return sinks


def assert_clean(lab: Lab, sinks: Mapping[str, bytes]) -> None:
    assert leaked(secrets_of(lab), sinks) == []
    talk = {place: data for place, data in sinks.items() if place in ("stdout", "stderr") or place.startswith("the ")}
    assert leaked(numbers_of(lab), talk) == [], "numbers belong into sidecars, call logs and the manifest's rows alone"
    for place, data in sinks.items():
        assert b"X-Amz-Signature" not in data, place
        assert b"X-Amz-Credential" not in data, place


@pytest.mark.parametrize("auth", ["bearer", "query"])
@pytest.mark.parametrize("fault", SOURCE, ids=name)
def test_a_source_in_trouble(fault: SandboxFault | None, auth: str, server: FaultyBucketServer, tmp_path: Path) -> None:
    server.misbehaves()
    world = World.generate(seed=241, recordings=3, days=1)
    with s3_lab(tmp_path, world, server, token=TOKEN, auth=auth) as lab:
        if fault is not None:
            lab.operator.sandbox.inject(fault)
        assert_clean(lab, attack(lab, auth=auth))


@pytest.mark.parametrize("fault", STORE, ids=name)
def test_a_store_in_trouble(fault: Any, server: FaultyBucketServer, tmp_path: Path) -> None:
    server.misbehaves()
    with s3_lab(tmp_path, World.generate(seed=242, recordings=3, days=1), server, token=TOKEN) as lab:
        server.misbehaves(fault)
        sinks = attack(lab)
        assert server.fired
        assert_clean(lab, sinks)


@pytest.mark.parametrize(
    "fault",
    [
        WithField("id", "https://h/a?X-Amz-Signature=canary-elsewhere"),
        WithField("agent", {"see": [ELSEWHERE]}),
        WithField("audio", "https://[bad?X-Amz-Signature=canary-elsewhere"),
        WithField("audio", f"https://user:{quote(SECRET_KEY, safe='')}@127.0.0.1/a.mp3"),
        WithField("duration", ELSEWHERE),
        WithField("created_at", ELSEWHERE),
        MoreFields({ELSEWHERE: "a name"}),
    ],
    ids=lambda fault: f"{getattr(fault, 'name', 'more')}",
)
def test_a_row_that_holds_a_link_where_none_belongs(fault: Any, server: FaultyBucketServer, tmp_path: Path) -> None:
    server.misbehaves()
    world = World.generate(seed=243, recordings=3, days=1)
    world.replace(world.recordings()[1].evolve(faults=(fault,)))
    with s3_lab(tmp_path, world, server, token=TOKEN) as lab:
        assert_clean(lab, attack(lab))


def test_a_bug_in_the_middle_of_everything(server: FaultyBucketServer, tmp_path: Path) -> None:
    """An exception whose text holds all of it, from the deepest place, with --debug."""
    server.misbehaves()
    with s3_lab(tmp_path, World.generate(seed=244, recordings=3, days=1), server, token=TOKEN) as lab:
        sinks = attack_with_bug(lab)
        assert b"RuntimeError" in sinks["stderr"] + sinks["stdout"]
        assert_clean(lab, sinks)


def attack_with_bug(lab: Lab) -> Mapping[str, bytes]:
    config = lab.operator.configure()
    words = ("--config", str(config), "-vv", "--debug", "run", "--json", *lab.operator.days())
    ended = start(lab.operator.home / "streams", words, explode, AWS | KEYS).wait()
    assert ended.code == 1, ended.stderr
    return {"stdout": ended.stdout.encode(), "stderr": ended.stderr.encode()}


def explode() -> None:
    import archiver.audio

    def probe(*_: object, **__: object) -> object:
        raise RuntimeError(f"{TOKEN} {ELSEWHERE} Bearer {TOKEN}")

    exchange(archiver.audio, "probe", probe)


def test_scratch_and_process_of_a_run_that_was_killed(server: FaultyBucketServer, tmp_path: Path) -> None:
    server.misbehaves()
    with s3_lab(tmp_path, World.generate(seed=245, recordings=3, days=1), server, token=TOKEN) as lab:
        step = Step("row stored", "archiver.manifest.sql:SqlManifest", "advance", "uploaded")
        assert_clean(lab, attack(lab, DieAt(step, "after", "s3")))


def test_the_check_would_see_each_of_them() -> None:
    for secret in (TOKEN, SECRET_KEY, SESSION_TOKEN):
        for form, text in forms(secret).items():
            assert leaked({"it": secret}, {"a sink": b"before" + text + b"after"}), form
    assert not leaked({"it": TOKEN}, {"a sink": b"nothing"})
    assert os.environ.get("AWS_SECRET_ACCESS_KEY") != SECRET_KEY

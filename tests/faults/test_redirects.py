"""Every redirect, before every request, to another origin and within its own: none is followed."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from archiver.sandbox import OnAudio, OnListing, Redirect, Sandbox, World
from tests.faults.lab import directory_lab
from tests.faults.schedules import hurried

CODES = (301, 302, 303, 307, 308)


@pytest.mark.parametrize(("code", "where"), list(itertools.product(CODES, ("audio", "listing"))))
def test_no_redirect_is_followed(code: int, where: str, tmp_path: Path) -> None:
    world = World.generate(seed=281, recordings=2, days=1)
    with (
        hurried(),
        Sandbox(world).running() as elsewhere,
        directory_lab(tmp_path, world) as lab,
    ):
        sandbox = lab.operator.sandbox
        asked = elsewhere.audio_base_url if where == "audio" else elsewhere.base_url
        for target in (f"{asked}/stolen", "//127.0.0.1:9/stolen", "/stolen"):
            fault = Redirect(target, code)
            sandbox.inject(OnAudio(fault) if where == "audio" else OnListing(fault))
            result = lab.operator.runs("--max-duration", "5s", calls={"archive": False})
            sandbox.clear_faults()
            assert result.exit_code in (3, 13), result.stderr
            assert result.summary["archived"] == 0
            assert lab.look() == []
        assert elsewhere.requests == ()
        assert not [each for each in sandbox.requests if each.path == "/stolen"]
        for each in sandbox.downloads():
            assert "authorization" not in dict(each.headers)
            assert sandbox.token not in each.target
        assert lab.recover() == []

"""What a person sees of a run while nothing happens in it."""

from __future__ import annotations

import anyio
import pytest

from archiver.cli import watching
from archiver.cli.console import Console


def test_the_clock_of_the_bar_goes_on_while_nothing_happens(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "REFRESH_SECONDS", 0.01)
    monkeypatch.setattr(Console, "live", True)
    watcher = watching.Watcher(Console())

    async def wait() -> int:
        with anyio.fail_after(60):
            return await redrawn()

    async def redrawn() -> int:
        drawn = 0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watcher.heartbeat)
            while drawn < 3:
                await anyio.sleep(0.01)
                drawn += capsys.readouterr().err.count("archiving")
            tasks.cancel_scope.cancel()
        return drawn

    with watcher.shown():
        assert anyio.run(wait) >= 3

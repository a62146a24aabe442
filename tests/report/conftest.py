"""A filled archive, its page, and a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from click.testing import CliRunner
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from archiver.cli import main
from tests.report.archive import configure, fill

MISSING = "needs chromium and chromedriver: apt-get install chromium chromium-driver (make test-browser)"


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an archive with everything in it that there is to tell."""
    home = tmp_path_factory.mktemp("report")
    anyio.run(lambda: fill(home / "manifest.db", datetime.now(UTC).date()))
    return configure(home, home / "manifest.db")


@pytest.fixture(scope="session")
def page(config: Path) -> Path:
    """Its report."""
    path = config.parent / "report.html"
    result = CliRunner().invoke(main, ["-c", str(config), "report", "--html", str(path)])
    assert result.exit_code == 0, result.output
    return path


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Headless Chromium of the system, without network."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip(MISSING)
    options = ChromeOptions()
    options.binary_location = binary
    for argument in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "disable-dev-shm-usage",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "hide-scrollbars",
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = Chrome(options=options, service=ChromeService(driver))
    yield chrome
    chrome.quit()

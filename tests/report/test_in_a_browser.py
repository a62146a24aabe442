"""The page as a browser shows it: on a phone and on a desk, light and dark. Skipped by name where there is none."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

SIZES = {"phone": (375, 812), "desk": (1280, 900)}
NOT_WITHIN = """
const wide = document.documentElement.clientWidth, found = [];
for (const each of document.querySelectorAll('body *')) {
  if (each.closest('.vh, .skip, .wide table, svg, details:not([open]) > :not(summary)')) continue;
  const box = each.getBoundingClientRect();
  if (box.width && (box.right > wide + 0.5 || box.left < -0.5)) found.push(each.tagName + '.' + each.className);
}
return found;
"""
CLIPPED = """
const found = [];
for (const each of document.querySelectorAll('body *')) {
  if (each.closest('.vh, .skip, .wide, svg, details:not([open]) > :not(summary)')) continue;
  const style = getComputedStyle(each);
  if (style.display !== 'inline' && (each.scrollWidth > each.clientWidth + 1) && each.clientWidth)
    found.push(each.tagName + '.' + each.className + ': ' + each.textContent.trim().slice(0, 40));
}
return found;
"""
WORDS_OUTSIDE = """
const found = [];
for (const chart of document.querySelectorAll('figure svg')) {
  const frame = chart.getBoundingClientRect();
  const words = [...chart.querySelectorAll('text')];
  for (const each of words) {
    const box = each.getBoundingClientRect();
    const outside = box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
    if (outside) found.push(each.textContent);
    if (box.height < 9) found.push('too small: ' + each.textContent);
  }
}
return found;
"""
CONTRASTS = """
function channels(colour) { return colour.match(/[\\d.]+/g).map(Number); }
function light(colour) {
  const linear = part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const [r, g, b] = channels(colour).slice(0, 3).map(part => linear(part / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function ground(each) {
  for (let at = each; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor, parts = channels(colour);
    if (parts.length < 4 || parts[3] > 0) return colour;
  }
  return 'rgb(255, 255, 255)';
}
const found = [];
for (const each of document.querySelectorAll('body *')) {
  if (each.closest('.vh, .skip, svg')) continue;
  if (![...each.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue;
  const one = light(getComputedStyle(each).color), other = light(ground(each));
  const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  if (ratio < 4.5) found.push(ratio.toFixed(2) + ' ' + each.className + ' ' + each.textContent.trim().slice(0, 30));
}
return found;
"""


def show(browser: Chrome, page: Path, size: str, scheme: str) -> None:
    width, height = SIZES[size]
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"},
    )
    browser.get(page.as_uri())


def keep(browser: Chrome, name: str) -> bytes:
    """The whole page as a picture; kept in the folder that ARCHIVER_SCREENSHOTS names, if it does."""
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "format": "png"})
    picture = base64.b64decode(shot["data"])
    if folder := os.environ.get("ARCHIVER_SCREENSHOTS"):
        Path(folder, f"{name}.png").write_bytes(picture)
    return picture


def evaluate(browser: Chrome, script: str) -> Any:
    return browser.execute_script(script)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_the_page_can_be_read(size: str, scheme: str, browser: Chrome, page: Path) -> None:
    show(browser, page, size, scheme)

    assert evaluate(browser, "return document.documentElement.scrollWidth") <= SIZES[size][0], "scrolls sideways"
    for opened in (False, True):
        evaluate(browser, f"document.querySelectorAll('details').forEach(each => each.open = {json.dumps(opened)})")
        assert evaluate(browser, NOT_WITHIN) == []
        assert evaluate(browser, CLIPPED) == []
        keep(browser, f"{size}-{scheme}{'-opened' if opened else ''}")
    assert evaluate(browser, WORDS_OUTSIDE) == []
    assert evaluate(browser, CONTRASTS) == []
    ground = evaluate(browser, "return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground.strip("rgb()").split(","))) < 300) == (scheme == "dark")
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_the_page_runs_nothing_and_asks_for_nothing(browser: Chrome, page: Path) -> None:
    show(browser, page, "desk", "light")
    evaluate(browser, "window.alert = () => { window.attacked = true }")
    assert evaluate(browser, "return document.scripts.length") == 0
    assert evaluate(browser, "return document.querySelectorAll('[onload], [onerror], img, iframe, object').length") == 0
    assert evaluate(browser, "return performance.getEntriesByType('resource').length") == 0
    assert evaluate(browser, "return window.attacked === undefined") is True
    assert "<script>alert(1)</script>" in evaluate(browser, "return document.body.textContent"), "shown as text"


def test_the_page_prints(browser: Chrome, page: Path) -> None:
    show(browser, page, "desk", "light")
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert printed.startswith(b"%PDF-")
    if folder := os.environ.get("ARCHIVER_SCREENSHOTS"):
        Path(folder, "print.pdf").write_bytes(printed)

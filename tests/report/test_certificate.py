"""The certificate of a disposal, as a browser shows it on a phone and on a desk."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from archiver.rules.certificate import page as certificate_page
from tests.report.test_in_a_browser import CLIPPED, NOT_WITHIN, SIZES, evaluate, keep, show

HOSTILE = "<script>document.title = 'run'</script>"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With everything in it that there is to tell, and an id that would be a script if it could."""
    digests = [{"key": f"recordings/dt=2026-09-22/{'a' * 36}.mp3", "sha256": "0123456789abcdef" * 4, "size": 400_000}]
    disposed = [
        {
            "recording_id": "346b97a6-e4ee-11f1-8155-074f94b47d2a" if number else HOSTILE,
            "class": "usual",
            "retain_until": "2031-09-22T10:00:00+00:00",
            "disposed_at": "2033-11-02T08:15:00+00:00",
            "objects": digests * 3,
            "tombstone": "tombstones/dt=2026-09-22/x.json",
        }
        for number in range(6)
    ]
    path = tmp_path_factory.mktemp("certificate") / "certificate.html"
    said = {
        "destination": "s3://acme-voice-archive/bics",
        "plan": f"sha256:{'ab' * 32}",
        "plan_made_at": "2033-11-01T08:15:00+00:00",
        "ended_at": "2033-11-02T08:15:01+00:00",
        "software": "recording-archiver 0.1.0",
        "second_destination": {
            "destination": "s3://acme-voice-archive-second/bics",
            "deleted": [each["recording_id"] for each in disposed[1:]],
            "stayed": [{"recording_id": HOSTILE, "reason": "it is locked there", "pending": False}],
        },
        "disposed": disposed,
        "kept": [{"recording_id": "f" * 128, "reason": "held for case-17"}],
    }
    path.write_text(certificate_page(said))
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_the_certificate_can_be_read(size: str, scheme: str, browser: Chrome, certificate: Path) -> None:
    show(browser, certificate, size, scheme)
    assert evaluate(browser, "return document.documentElement.scrollWidth") <= SIZES[size][0], "scrolls sideways"
    assert evaluate(browser, NOT_WITHIN) == []
    assert evaluate(browser, CLIPPED) == []
    words = evaluate(browser, "return document.body.innerText")
    for told in (
        "6 deleted for good",
        "1 kept of what the plan names",
        "held for case-17",
        "acme-voice-archive-second",
        "copies of 5 deleted, of 1 not",
        "it is locked there",
    ):
        assert told in words
    assert evaluate(browser, "return document.scripts.length") == 0
    assert evaluate(browser, "return document.title") == "Certificate of disposal"
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
    keep(browser, f"certificate-{size}-{scheme}")

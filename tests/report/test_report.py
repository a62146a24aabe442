"""What a report tells, and that it tells it of hostile content without harm."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import anyio
import pytest
from click.testing import CliRunner, Result

from archiver.cli import main
from archiver.manifest.sql import SqlManifest
from archiver.report import charts, words
from archiver.report.facts import Day, DayStatus
from archiver.rules import verdict
from archiver.rules.lifecycle import State
from tests.report.archive import HOSTILE, NUMBER, configure, fill

DAY = date(2026, 9, 22)


def types(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(config), "report", *arguments])


class Document(HTMLParser):
    """Tags, attributes and words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_tells_what_the_json_tells(config: Path, page: Path) -> None:
    facts = json.loads(types(config, "--json").stdout)
    text = " ".join(" ".join(Document(page.read_text()).words).split())
    assert facts["type"] == "report"
    assert facts["headline"] in text
    assert sum(day["named"] for day in facts["days"].values()) == sum(facts["states"].values())
    assert facts["exceptions"]["total"] == len(facts["exceptions"]["first"]) > 5
    assert facts["open"]["total"] == facts["states"]["discovered"] > 0
    assert {day["status"] for day in facts["days"].values()} == {each.value for each in DayStatus} - {"unlisted"}
    assert sum(day["late"] for day in facts["days"].values()) == 1
    for each in facts["exceptions"]["first"]:
        assert words.visible(each["recording_id"]) in text
        assert each["plain"] in text


def test_whatever_comes_from_outside_is_text(page: Path) -> None:
    content = page.read_text()
    document = Document(content)
    assert not {"script", "img", "iframe", "object", "embed", "form"} & set(document.tags)
    assert not [name for name, _ in document.attributes if name.startswith("on")]
    assert not [
        value for name, value in document.attributes if name in {"href", "src"} and value not in {"#main", "data:,"}
    ]
    said = "".join(document.words)
    assert all(words.visible(each) in said for each in HOSTILE)
    assert not set("\u202e\u0007") & set(content)
    assert "http" not in re.sub(r"https://api\.example\.net/api/v2/|http-equiv", "", content)


def test_no_phone_number_and_no_secret(config: Path, page: Path) -> None:
    everything = page.read_text() + types(config, "--json").stdout + types(config).stdout
    assert NUMBER not in everything
    assert NUMBER[1:] not in everything
    assert "canary-token" not in everything


def test_a_run_can_be_asked_for(config: Path, tmp_path: Path) -> None:
    runs = sorted(re.findall(r"\d{8}T\d{6}Z-[0-9a-f]{6}", (types(config, "--json").stdout)))
    page = tmp_path / "run.html"
    assert types(config, "--run", runs[0], "--html", str(page)).exit_code == 0
    assert f"Run {runs[0]}" in page.read_text()
    unknown = types(config, "--run", "nobody")
    assert unknown.exit_code == 2
    assert "knows no run nobody" in unknown.stderr
    assert runs[0] in unknown.stderr


def test_an_empty_archive_has_a_report(tmp_path: Path) -> None:
    async def make() -> None:
        async with await SqlManifest.open(f"sqlite:///{tmp_path / 'manifest.db'}"):
            pass

    anyio.run(make)
    config, page = configure(tmp_path, tmp_path / "manifest.db"), tmp_path / "report.html"
    assert types(config, "--html", str(page)).exit_code == 0
    assert "No day is closed yet" in page.read_text()
    assert types(config, "--html", "/proc/report.html").exit_code == 2
    assert not list(tmp_path.glob(".report.html*"))


def test_earlier_days_are_counted_not_shown(tmp_path: Path) -> None:
    anyio.run(lambda: fill(tmp_path / "manifest.db", datetime.now(UTC).date(), days=40, per_day=2))
    config, page = configure(tmp_path, tmp_path / "manifest.db"), tmp_path / "report.html"
    assert types(config, "--days", "7", "--html", str(page)).exit_code == 0
    text = " ".join(page.read_text().split())
    assert text.count('class="day ') == 7
    assert "Before these, 34 more days are known" in text
    shown, whole = (json.loads(types(config, "--json", "--days", days).stdout) for days in ("7", "92"))
    assert len(shown["days"]) == 7
    assert shown["states"] == whole["states"], "states are those of all days"


@pytest.mark.parametrize(
    ("day", "status"),
    [
        (Day(DAY, {}, closed=False, listed=False), DayStatus.UNLISTED),
        (Day(DAY, {}, closed=True, listed=True), DayStatus.EMPTY),
        (Day(DAY, {}, closed=False, listed=True), DayStatus.WAITING),
        (Day(DAY, {State.ARCHIVED: 3}, closed=True, listed=True), DayStatus.COMPLETE),
        (Day(DAY, {State.ARCHIVED: 3}, closed=False, listed=True), DayStatus.WAITING),
        (Day(DAY, {State.ARCHIVED: 3, State.STORED: 1}, closed=False, listed=True), DayStatus.OPEN),
        (Day(DAY, {State.QUARANTINED: 1, State.STORED: 1}, closed=False, listed=True), DayStatus.PERSON),
        (Day(DAY, {State.QUARANTINED: 1, State.ARCHIVED: 9}, closed=True, listed=True), DayStatus.PERSON),
        (Day(DAY, {State.FAILED: 1}, closed=False, listed=True, doubt="rows moved"), DayStatus.DOUBT),
    ],
)
def test_a_day_is_called_by_the_worst_of_it(day: Day, status: DayStatus) -> None:
    assert day.status is status


def test_every_reason_and_state_has_plain_words() -> None:
    assert words.REASONS.keys() >= verdict.REJECTS
    assert words.STATES.keys() == set(State)
    assert words.STATUSES.keys() == set(DayStatus)
    told = words.why(State.QUARANTINED, "too_short: 3 s; cut_frame: at byte 7; frames_missing")
    assert told.plain == "There is less audio than the source reported; the end of the recording is missing"
    assert words.why(State.QUARANTINED, "not_audio_html").plain.startswith("Something other than audio")
    assert words.why(State.FAILED, "30 attempts failed").plain == words.STATES[State.FAILED]


def test_spans_and_sizes_are_said_as_people_say_them() -> None:
    spans = [0.04, 9.96, 59, 61, 3600, 3725, 86400, 90000, 172800 + 3600 * 5]
    said = [words.seconds(span) for span in spans]
    assert said == ["0.0 s", "10.0 s", "59 s", "1 min 1 s", "1 h", "1 h 2 min", "1 day", "1 day 1 h", "2 days 5 h"]
    assert [words.size(count) for count in (0, 1023, 1536, 2**41)] == ["0 bytes", "1023 bytes", "1.5 KiB", "2.0 TiB"]


def test_charts_stay_within_their_frame(config: Path) -> None:
    async def read() -> tuple[charts.Chart, ...]:
        path = config.parent / "manifest.db"
        async with await SqlManifest.open(f"sqlite:///{path}", read_only=True) as manifest:
            measured = await manifest.measured(date(2000, 1, 1), date(2999, 1, 1))
            runs = await manifest.runs(30)
        assert len(runs) == 30
        assert [run.started_at for run in runs] == sorted(run.started_at for run in runs)
        tolerance = (-1.1, 1.5)
        shapes = charts.histogram(measured, tolerance), charts.scatter(measured, tolerance), charts.throughput(runs)
        judged = sum(each.count for each in measured)
        assert judged > 1000
        assert sum(int(bar.says.split()[0]) for bar in shapes[0].bars) == judged
        assert sum(int(dot.says.split()[0]) for dot in shapes[1].dots) == judged
        return shapes

    for shape in anyio.run(read):
        assert shape.bars or shape.dots
        for bar in shape.bars:
            assert bar.x >= charts.LEFT
            assert bar.x + bar.width <= charts.WIDTH
            assert bar.y >= charts.TOP - charts.LEAST
            assert bar.y + bar.height == pytest.approx(charts.HEIGHT - charts.BOTTOM) or bar.kind == "rejected"
        assert all(charts.LEFT <= dot.x <= charts.WIDTH and 0 <= dot.y <= charts.HEIGHT for dot in shape.dots)
    empty = charts.histogram([], (-1.1, 1.5))
    assert (empty.bars, charts.scatter([], (-1, 1)).dots, charts.throughput([]).bars) == ([], [], [])


def test_a_loss_that_is_near_is_the_headline(tmp_path: Path) -> None:
    anyio.run(lambda: fill(tmp_path / "manifest.db", datetime.now(UTC).date() - timedelta(days=56), days=1))
    facts = json.loads(types(configure(tmp_path, tmp_path / "manifest.db"), "--json").stdout)
    assert facts["open"]["total"] > 0
    assert facts["headline"] == "Somebody has to look at this archive"
    left = datetime.fromisoformat(facts["open"]["first_loss"]) - datetime.now(UTC)
    assert left < timedelta(days=7)

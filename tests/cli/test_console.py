"""stdout is data, stderr is talk; nothing that should not be seen gets to either."""

from __future__ import annotations

import base64
import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from archiver.cli.console import Console, Flags
from archiver.cli.jsonline import as_json
from archiver.cli.logs import SILENCED, logging_to
from archiver.errors import ExitCode
from archiver.rules.verdict import Level

CANARY = "canary-5f1c+/=&e9"
Captured = pytest.CaptureFixture[str]


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("canary")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def quiet_libraries() -> Iterator[None]:
    """Put every logger back that a test changes."""
    loggers = [logging.getLogger(name) for name in (*SILENCED, "archiver")]
    before = [(each.level, each.propagate, each.handlers) for each in loggers]
    yield
    for logger, (level, propagate, handlers) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.propagate, logger.handlers = propagate, handlers


def test_events_are_objects_per_line_and_only_with_json(capsys: Captured) -> None:
    Console().event("archived", id="a")
    assert capsys.readouterr() == ("", "")
    console = Console(Flags(json=True))
    console.event("archived", id="ä\x9b\n", at=datetime(2026, 9, 22, 3, tzinfo=timezone(timedelta(hours=2))))
    console.event("summary", code=ExitCode.COMPLETE, level=Level.FULL, seconds=float("nan"), days=[date(2026, 9, 22)])
    out, err = capsys.readouterr()
    assert out.isascii()
    assert [json.loads(line) for line in out.splitlines()] == [
        {"type": "archived", "id": "ä\x9b\n", "at": "2026-09-22T01:00:00+00:00"},
        {"type": "summary", "code": 0, "level": "full", "seconds": None, "days": ["2026-09-22"]},
    ]
    assert err == ""


def test_as_json_takes_whatever_there_is() -> None:
    assert as_json({"a": (1, True, None, timedelta(seconds=1.5), Path("/x"), float("inf"))}) == {
        "a": [1, True, None, 1.5, "/x", None]
    }


def test_talk_goes_to_stderr_and_quiet_silences_it(capsys: Captured) -> None:
    for flags in (Flags(), Flags(verbosity=-1)):
        console = Console(flags)
        console.say("said")
        console.warn("warned", "do this")
        console.error("failed")
        console.data("data")
    out, err = capsys.readouterr()
    assert out == "data\n" * 2
    problems = "warning: warned\nhint: do this\nerror: failed\n"
    assert err == f"said\n{problems}{problems}"


def test_talk_as_json_is_one_object_per_line(capsys: Captured) -> None:
    console = Console(Flags(log_format="json"))
    console.say("said\nin two lines", count=1)
    console.warn("warned", "do this")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["level"], line["event"]) for line in lines] == [("info", "said\nin two lines"), ("warning", "warned")]
    assert lines[0]["count"] == 1
    assert lines[1]["hint"] == "do this"
    assert all(datetime.fromisoformat(line["ts"]).utcoffset() == timedelta(0) for line in lines)


@pytest.mark.parametrize(
    ("color", "environ", "terminal", "expected"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {}, True, False),
    ],
)
def test_colour(
    monkeypatch: pytest.MonkeyPatch, color: str, environ: dict[str, str], terminal: bool, expected: bool
) -> None:
    stderr = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    console = Console(Flags(color=color), environ)
    assert console.coloured() is expected
    console.error("failed")
    assert ("\x1b[" in stderr.getvalue()) is expected


@pytest.mark.parametrize(
    ("flags", "terminal", "live"),
    [
        (Flags(), True, True),
        (Flags(), False, False),
        (Flags(progress="off"), True, False),
        (Flags(verbosity=-1), True, False),
        (Flags(log_format="json"), True, False),
        (Flags(json=True), True, True),
    ],
)
def test_a_bar_is_for_terminals(monkeypatch: pytest.MonkeyPatch, flags: Flags, terminal: bool, live: bool) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    assert Console(flags, {}).live is live


def test_talk_steps_aside_for_a_bar(capsys: Captured) -> None:
    console, written = Console(), list[str]()
    with console.talking_through(written.append):
        console.say("said")
    assert (written, capsys.readouterr().err) == (["said"], "")


def test_control_characters_are_shown_not_obeyed(capsys: Captured) -> None:
    Console().say("a\x1b[2Jb\x07\r\u202ec")
    assert capsys.readouterr().err == "a\\x1b[2Jb\\x07\\x0d\\u202ec\n"


def _shapes(secret: str) -> list[str]:
    raw = secret.encode()
    encoded = [base64.b64encode(prefix + raw + b"tail").decode() for prefix in (b"", b"x", b"xy")]
    urlsafe = [base64.urlsafe_b64encode(b"user:" + raw).decode()]
    return [secret, quote(secret, safe=""), quote(secret), quote_plus(secret), *encoded, *urlsafe]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_concealed_secrets_never_reach_stderr(capsys: Captured, log_format: str) -> None:
    console = Console(Flags(log_format=log_format))
    console.conceal(CANARY)
    for shape in _shapes(CANARY):
        console.say(f"asked /x?token={shape}&y", url=shape)
        console.put(f"raw {shape}")
    err = capsys.readouterr().err
    assert all(shape not in err for shape in _shapes(CANARY)[:4])
    middles = [shape[6:-6] for shape in _shapes(CANARY)[4:]]
    assert all(middle not in err for middle in middles)


def test_queries_users_and_bearers_are_cut_even_if_nobody_knows_them(capsys: Captured) -> None:
    Console().say(
        "GET https://b.s3.amazonaws.com/a.mp3?X-Amz-Signature=canary&x=1 refused; Authorization: Bearer canary"
    )
    Console().say("http://user:canary@proxy:3128/ and 'HTTPS://h/p?token=canary'")
    err = capsys.readouterr().err
    assert "canary" not in err
    assert "https://b.s3.amazonaws.com/a.mp3?… refused" in err


def test_short_secrets_do_not_blot_out_words(capsys: Captured) -> None:
    console = Console()
    console.conceal("a")
    console.say("a banana")
    assert capsys.readouterr().err == "a banana\n"


@pytest.mark.usefixtures("quiet_libraries")
@pytest.mark.parametrize(
    ("verbosity", "shown"),
    [(-1, ["warning"]), (0, ["info", "warning"]), (1, ["debug", "info", "warning"]), (2, ["debug", "info", "warning"])],
)
def test_verbosity_chooses_log_lines(capsys: Captured, verbosity: int, shown: list[str]) -> None:
    console = Console(Flags(verbosity=verbosity))
    with logging_to(console):
        logger = logging.getLogger("archiver.runner")
        logger.debug("debugged")
        logger.info("informed", extra={"day": date(2026, 9, 22), "text": "two words"})
        logger.warning("warned")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == shown
    assert all(datetime.fromisoformat(line.split()[0]).tzinfo == UTC for line in lines)
    if "info" in shown:
        informed = lines[shown.index("info")]
        assert 'informed day=2026-09-22 text="two words"' in informed
        assert ("logger=archiver.runner" in informed) is (verbosity == 2)


@pytest.mark.usefixtures("quiet_libraries")
def test_log_lines_as_json(capsys: Captured) -> None:
    with logging_to(Console(Flags(log_format="json"))):
        logging.getLogger("archiver.x").info("listed", extra={"count": 3, "at": datetime(2026, 9, 22, tzinfo=UTC)})
    line = json.loads(capsys.readouterr().err)
    assert line.pop("ts").endswith("+00:00")
    assert line == {"level": "info", "event": "listed", "count": 3, "at": "2026-09-22T00:00:00+00:00"}


@pytest.mark.usefixtures("quiet_libraries")
def test_an_exception_in_the_log_has_a_traceback_only_with_debug(capsys: Captured) -> None:
    for debug in (False, True):
        with logging_to(Console(Flags(debug=debug))):
            try:
                int("https://h/p?sig=canary")
            except ValueError:
                logging.getLogger("archiver.x").exception("failed")
        err = capsys.readouterr().err
        assert "exception=ValueError" in err
        assert "canary" not in err
        assert ("Traceback" in err) is debug


@pytest.mark.usefixtures("quiet_libraries")
@pytest.mark.parametrize("name", [*SILENCED, "botocore.auth", "urllib3.connectionpool"])
def test_no_verbosity_wakes_the_libraries(capsys: Captured, name: str) -> None:
    logger = logging.getLogger(name)
    level = logger.level
    with logging_to(Console(Flags(verbosity=2, debug=True))):
        logger.critical("https://b/x?X-Amz-Signature=%s", CANARY)
        logger.setLevel(logging.DEBUG)  # as boto3.set_stream_logger would
        logger.debug(CANARY)
        logging.getLogger("somelibrary").info(CANARY)
    logger.setLevel(level)
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("quiet_libraries")
def test_a_log_line_that_cannot_be_made_stops_nothing(capsys: Captured) -> None:
    with logging_to(Console()):
        logging.getLogger("archiver.x").info("said", extra={"field": Unprintable()})
    assert capsys.readouterr().err == "a log line could not be written\n"


@pytest.mark.usefixtures("quiet_libraries")
def test_a_line_feed_in_a_message_makes_no_second_line(capsys: Captured) -> None:
    with logging_to(Console()):
        logging.getLogger("archiver.x").info("a\n2026-01-01T00:00:00+00:00 error forged", extra={"id": "b\nc"})
    assert len(capsys.readouterr().err.splitlines()) == 1

"""The shell around the commands: help, lazy loading, global flags on both sides, every ending to its exit code."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

import archiver
from archiver import errors
from archiver.cli import COMMANDS, main
from archiver.cli.console import Console, OutputClosed
from archiver.errors import ExitCode

Invoke = Callable[..., Result]
Pretend = Callable[[Callable[..., Any]], None]
ARCHIVER = [str(Path(sys.executable).parent / "archiver")]
HEAVY = {"boto3", "botocore", "sqlite3", "pycurl", "pydantic", "yaml", "anyio", "tqdm", "asyncio"}


def test_help_lists_every_command_and_imports_none(invoke: Invoke) -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    for name, words in COMMANDS.items():
        assert f"  {name} " in result.output
        assert words.split()[0] in result.output


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["config", "--help"], ["run", "--help"], ["nonsense"]])
def test_start_up_imports_nothing_heavy(args: list[str]) -> None:
    code = (
        "import sys\n"
        "from archiver.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit:\n    pass\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert not loaded & HEAVY


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_the_global_flags(invoke: Invoke, name: str) -> None:
    result = invoke(name, "--help")
    assert result.exit_code == 0, result.output
    assert f"Usage: archiver {name}" in result.output
    command = main.get_command(click.Context(main), name)
    assert command is not None
    leaves = list(command.commands.values()) if isinstance(command, click.Group) else [command]
    for leaf in leaves:
        options = [option for param in leaf.params for option in param.opts]
        assert {"--json", "--config", "--debug", "--color", "-v", "-q"} <= set(options)
        assert len(options) == len(set(options)), "a command declares a global flag of its own"
        assert leaf.help, leaf.name


def test_a_command_that_is_missing_is_a_usage_error(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "absent", "Not here.")
    assert "absent" in invoke("--help").output
    result = invoke("absent")
    assert (result.exit_code, result.stderr) == (2, "error: the command absent is not part of this version\n")


def test_version(invoke: Invoke) -> None:
    for args in (["--version"], ["config", "validate", "--version"]):
        result = invoke(*args)
        assert (result.exit_code, result.stdout) == (0, f"archiver {archiver.__version__}\n")


@pytest.mark.parametrize(
    "args",
    [
        "-v --json --color never --log-format json --progress off --debug -c x.yaml probe",
        "probe -v --json --color never --log-format json --progress off --debug -c x.yaml",
        "-v --json --progress off -c other.yaml probe --color never --log-format json --debug -c x.yaml",
    ],
)
def test_global_flags_are_the_same_on_both_sides(invoke: Invoke, pretend: Pretend, args: str) -> None:
    seen: list[Console] = []
    pretend(seen.append)
    assert invoke(*args.split()).exit_code == 0
    flags = seen[0].flags
    assert (flags.verbosity, flags.json, flags.color, flags.log_format) == (1, True, "never", "json")
    assert (flags.progress, flags.debug, flags.config) == ("off", True, Path("x.yaml"))


@pytest.mark.parametrize(
    ("args", "verbosity"),
    [("probe", 0), ("-v probe -v", 2), ("probe -vvv", 2), ("-q probe", -1), ("-v probe -q", -1), ("-q probe -v", 1)],
)
def test_verbosity_adds_up_and_the_later_flag_wins(invoke: Invoke, pretend: Pretend, args: str, verbosity: int) -> None:
    seen: list[Console] = []
    pretend(seen.append)
    invoke(*args.split())
    assert seen[0].flags.verbosity == verbosity


def test_global_flags_reach_commands_of_commands(invoke: Invoke, usable: Path) -> None:
    for args in ("--json config validate", "config --json validate", "config validate --json"):
        result = invoke(*args.split())
        assert (result.exit_code, json.loads(result.stdout)["type"]) == (0, "config")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageInvalid("x"), 2),
        (errors.SourceRefused("x"), 12),
        (errors.SourceFailed("x"), 3),
        (errors.DestinationUnusable("x"), 10),
        (errors.StoreFailed("x"), 3),
        (errors.ManifestLocked("x"), 11),
        (errors.ManifestUnusable("x"), 10),
        (errors.ConfigInvalid(["x"]), 78),
        (ExceptionGroup("g", [errors.StoreFailed("x"), ExceptionGroup("h", [errors.SourceRefused("x")])]), 12),
        (ExceptionGroup("g", [errors.StoreFailed("x"), ValueError("y")]), 1),
        (ValueError("y"), 1),
        (KeyboardInterrupt(), 130),
        (BaseExceptionGroup("g", [KeyboardInterrupt(), errors.StoreFailed("x")]), 3),
        (click.Abort(), 130),
        (click.UsageError("x"), 2),
        (click.FileError("x"), 2),
        (OutputClosed(), 141),
        (ExceptionGroup("g", [OutputClosed()]), 141),
    ],
)
def test_every_ending_has_its_exit_code(
    invoke: Invoke, pretend: Pretend, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    monkeypatch.setattr("archiver.cli._forget_stdout", lambda: None)

    def fail(_: Console) -> None:
        raise error

    pretend(fail)
    result = invoke("probe")
    assert result.exit_code == code
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_every_error_of_ours_is_in_the_table_of_precedence() -> None:
    from archiver.errors import PRECEDENCE

    found = [errors.ArchiverError]
    for each in found:
        found.extend(each.__subclasses__())
    assert {each.exit_code for each in found[1:]} <= set(PRECEDENCE)


@pytest.mark.parametrize("ended", [None, ExitCode.COMPLETE, ExitCode.NEEDS_A_PERSON])
def test_a_command_returns_its_exit_code(invoke: Invoke, pretend: Pretend, ended: ExitCode | None) -> None:
    pretend(lambda _: ended)
    assert invoke("probe").exit_code == (ended or 0)


def test_an_error_is_a_fact_and_a_hint_on_stderr(invoke: Invoke, pretend: Pretend) -> None:
    def fail(_: Console) -> None:
        raise errors.ManifestLocked("another run holds the manifest", "wait for it, or end it")

    pretend(fail)
    result = invoke("probe")
    assert result.stderr == "error: another run holds the manifest\nhint: wait for it, or end it\n"
    result = invoke("--log-format", "json", "probe")
    line = json.loads(result.stderr)
    assert line.pop("ts").endswith("+00:00")
    assert line == {
        "level": "error",
        "event": "another run holds the manifest",
        "hint": "wait for it, or end it",
        "exit_code": 11,
    }


def test_an_unexpected_error_is_one_line_without_its_message(invoke: Invoke, pretend: Pretend) -> None:
    def fail(_: Console) -> None:
        raise RuntimeError("https://bucket/x?X-Amz-Signature=canary")

    pretend(fail)
    result = invoke("probe")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: unexpected RuntimeError")
    assert "please report" in result.stderr
    assert "canary" not in result.stderr
    result = invoke("probe", "--debug")
    assert "Traceback" in result.stderr
    assert "https://bucket/x?…" in result.stderr
    assert "canary" not in result.stderr


def test_an_operating_system_error_says_what_the_system_said(invoke: Invoke, pretend: Pretend) -> None:
    def fail(_: Console) -> None:
        Path("/nowhere/token-canary").read_bytes()

    pretend(fail)
    result = invoke("probe")
    assert "unexpected FileNotFoundError (No such file or directory)" in result.stderr
    assert "canary" not in result.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("--jsn probe", "no such option '--jsn'"),
        ("probe --nonsense", "no such option '--nonsense'"),
        ("prob", "no such command 'prob' (did you mean probe?)"),
        ("--color maybe probe", "'maybe' is not one of"),
        ("config validate extra", "unexpected extra argument"),
        ("config shw", "no such command 'shw' (did you mean show?)"),
        ("run --limt 3", "no such option '--limt' (did you mean --limit?)"),
        ("run --from yesterday", "'yesterday' is not a day: write it as 2026-09-22"),
        ("hold add --matter m --reason r --to 22.9.2026", "'22.9.2026' is not a day: write it as 2026-09-22"),
        ("hold add --matter m --reason r --from 2026-11-03 --to 2026-11-01", "--to 2026-11-01 is before --from"),
    ],
)
def test_usage_errors_exit_2_and_point_to_help(invoke: Invoke, pretend: Pretend, args: str, words: str) -> None:
    pretend(lambda _: None)
    result = invoke(*args.split())
    assert result.exit_code == 2
    assert words in result.stderr
    assert "\nhint: " in result.stderr
    assert result.stdout == ""


def test_without_a_command_help_is_shown_as_a_usage_error(invoke: Invoke) -> None:
    result = invoke()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Commands:" in result.stderr


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    shell = f"{ARCHIVER[0]} config schema | head -c 1 >/dev/null; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.strip() in {"0", "141"}


def test_a_closed_pipe_ends_it_with_the_shells_own_code() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run([*ARCHIVER, "config", "schema"], stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


def test_stderr_may_be_closed_or_full() -> None:
    for target in ("/dev/full", "/dev/null"):
        with Path(target).open("wb") as full:
            done = subprocess.run(
                [*ARCHIVER, "-c", "/nowhere", "config", "validate"], stdout=full, stderr=full, check=False
            )
        assert done.returncode == 78


@pytest.mark.parametrize("closed", [[1], [2], [1, 2]])
def test_a_standard_stream_may_not_even_be_open(closed: list[int]) -> None:
    shut = " ".join(f"{number}>&-" for number in closed)
    done = subprocess.run(
        ["bash", "-c", f"{ARCHIVER[0]} config schema {shut}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == (1 if 1 in closed else 0)
    assert done.stderr == ("error: stdout cannot be written: it is closed\n" if closed == [1] else "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_value_of_a_flag_has_a_name_that_people_use(invoke: Invoke, name: str) -> None:
    command = main.get_command(click.Context(main), name)
    leaves = list(command.commands.values()) if isinstance(command, click.Group) else [command]
    for leaf in filter(None, leaves):
        told = [param.get_help_record(click.Context(leaf)) for param in leaf.params if isinstance(param, click.Option)]
        for flag, words in filter(None, told):
            assert words, flag
            assert "INTEGER" not in flag, flag
            assert "%" not in flag, flag


def test_a_file_name_need_not_fit_the_encoding(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "TOKEN": "abcdefgh"}
    path = tmp_path / "ärchiver.yaml"
    path.write_text("source:\n  ünknown: 1\n")
    done = subprocess.run([*ARCHIVER, "-c", path, "config", "validate"], capture_output=True, env=env, check=False)
    assert done.returncode == 78
    assert b"rchiver.yaml:2:3" in done.stderr


def test_sigint_exits_130(tmp_path: Path) -> None:
    (tmp_path / "probing.py").write_text(
        "import sys, time, types, click\n"
        "module = types.ModuleType('archiver.cli.probe')\n"
        "@click.command()\n"
        "def probe():\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "module.probe = probe\n"
        "sys.modules['archiver.cli.probe'] = module\n"
        "from archiver.cli import main\n"
        "main(['probe'])\n"
    )
    child = subprocess.Popen(
        [sys.executable, "probing.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=60)
    assert child.returncode == 130
    assert stderr.strip() == "warning: interrupted"


def test_help_is_quick() -> None:
    best = min(_processor_seconds([*ARCHIVER, "--help"]) for _ in range(5))
    assert best < 0.5, "of processor time; 0.1 s is usual, the rest is for slow machines"


def _processor_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

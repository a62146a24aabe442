"""``archiver sandbox``: what it prints is a configuration for what it serves."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import Result

from archiver.config import load

Invoke = Callable[..., Result]
ARCHIVER = str(Path(sys.executable).parent / "archiver")


@contextmanager
def serving(directory: Path, *args: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, ended with Ctrl-C."""
    child = subprocess.Popen(
        [ARCHIVER, "sandbox", "--recordings", "5", *args],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)


def test_the_snippet_is_a_configuration_for_it(tmp_path: Path) -> None:
    with serving(tmp_path) as child:
        assert child.stdout is not None
        (tmp_path / "archiver.yaml").write_text("".join(child.stdout.readline() for _ in range(9)))
        loaded = load(tmp_path / "archiver.yaml", {})
        source = loaded.config.source
        assert loaded.warnings == ()
        assert source.base_url.startswith("http://127.0.0.1:")
        request = urllib.request.Request(
            f"{source.base_url}reports/recordings",
            headers={"Authorization": f"Bearer {source.token.get_secret_value()}", "Accept": "application/json"},
        )
        try:
            status = urllib.request.urlopen(request, timeout=10).status
        except urllib.error.HTTPError as answer:
            status = answer.code
            answer.close()
        assert status < 500
    assert child.returncode == 0


def test_json_names_address_and_token(tmp_path: Path) -> None:
    with serving(tmp_path, "--json", "--dialect", "flat", "--seed", "3") as child:
        assert child.stdout is not None
        ready = json.loads(child.stdout.readline())
        assert (ready["type"], ready["recordings"]) == ("sandbox", 5)
        assert len(ready["token"]) == 32
    assert child.returncode == 0


def test_a_port_that_is_taken_is_a_usage_error(invoke: Invoke) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = invoke("sandbox", "--port", port)
    assert result.exit_code == 2
    assert f"port {port} cannot be used" in result.stderr


@pytest.mark.parametrize("args", [["--port", "70000"], ["--dialect", "none"], ["--recordings", "-1"]])
def test_what_makes_no_sense_is_refused(invoke: Invoke, args: list[str]) -> None:
    assert invoke("sandbox", *args).exit_code == 2

"""``archiver config``: validate, show, schema."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import jsonschema
import pytest
import yaml
from click.testing import Result

from archiver.config import Config

CANARY = "canary-5f1c+/=&e9"
Invoke = Callable[..., Result]


def test_a_valid_configuration(invoke: Invoke, usable: Path) -> None:
    result = invoke("config", "validate")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "archiver.yaml: the configuration is valid\n"


def test_problems_begin_their_lines_so_that_editors_can_jump(invoke: Invoke, usable: Path) -> None:
    usable.write_text(usable.read_text() + "limits:\n  concurency: 3\n  memory_mib: 1\n")
    result = invoke("config", "validate")
    assert result.exit_code == 78
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "archiver.yaml:7:3: limits.concurency: unknown key (did you mean concurrency?)",
        "archiver.yaml:8:15: limits.memory_mib: must be at least 64",
        "error: the configuration has 2 problems",
        "hint: config.example.yaml shows every key; archiver config schema",
    ]


def test_problems_are_data_for_who_asks_for_json(invoke: Invoke, usable: Path) -> None:
    assert json.loads(invoke("config", "validate", "--json").stdout)["problems"] == []
    usable.write_text(usable.read_text() + "limits:\n  concurency: 3\n")
    result = invoke("config", "validate", "--json")
    assert result.exit_code == 78
    problem = "archiver.yaml:7:3: limits.concurency: unknown key (did you mean concurrency?)"
    assert json.loads(result.stdout) == {"type": "config", "valid": False, "problems": [problem]}


def test_the_file_may_be_named_on_either_side_and_by_the_environment(invoke: Invoke, usable: Path) -> None:
    usable.rename("other.yaml")
    for args in ("-c other.yaml config validate", "config validate --config other.yaml"):
        assert invoke(*args.split()).exit_code == 0
    assert invoke("config", "validate", ARCHIVER_CONFIG="other.yaml").exit_code == 0
    assert invoke("config", "validate").exit_code == 78


def test_show_prints_what_is_in_effect(invoke: Invoke, usable: Path) -> None:
    result = invoke("config", "show", ARCHIVER_LIMITS__CONCURRENCY="7")
    values = yaml.safe_load(result.stdout)
    assert values["limits"]["concurrency"] == 7
    assert values["source"]["base_url"] == "https://api.example.net/api/v2/"
    assert values["source"]["token"] == "********"
    assert values["verify"] == {"duration_tolerance_seconds": [-1.1, 1.5], "level": "full"}
    assert list(values) == list(Config.model_fields)


def test_show_says_where_values_come_from(invoke: Invoke, usable: Path) -> None:
    result = invoke("config", "show", "--origin", ARCHIVER_LIMITS__CONCURRENCY="7")
    lines = {line.split(":")[0].strip(): line.partition("# ")[2] for line in result.stdout.splitlines()}
    assert lines["base_url"] == "archiver.yaml:2:13"
    assert lines["token"] == "archiver.yaml:3:10 ($TOKEN)"
    assert lines["concurrency"] == "environment: ARCHIVER_LIMITS__CONCURRENCY"
    assert lines["memory_mib"] == "default"
    assert yaml.safe_load(result.stdout)["limits"]["memory_mib"] == 256
    shown = json.loads(invoke("config", "show", "--origin", "--json").stdout)
    assert shown["type"] == "config"
    assert shown["origins"]["source.base_url"] == "archiver.yaml:2:13"
    assert shown["values"]["limits"]["concurrency"] == "auto"


def test_what_show_prints_can_be_loaded_again(invoke: Invoke, usable: Path) -> None:
    shown = invoke("config", "show").stdout
    usable.write_text(shown.replace('"********"', "${TOKEN}").replace("'********'", "${TOKEN}"))
    assert invoke("config", "show").stdout == shown


@pytest.mark.parametrize("extra", ["", "limits:\n  concurrency: none\n", "sorce:\n", "source: x\n", "a: [\n"])
@pytest.mark.parametrize(
    "command",
    ["config validate", "config show --origin", "config show --json", "config validate --log-format json --debug -vv"],
)
@pytest.mark.parametrize("way", ["variable", "override", "file", "literal"])
def test_the_token_is_in_no_output(invoke: Invoke, usable: Path, extra: str, command: str, way: str) -> None:
    text, environ = usable.read_text(), {}
    if way == "override":
        environ = {"ARCHIVER_SOURCE__TOKEN": CANARY}
    elif way == "file":
        (usable.parent / "token").write_text(CANARY)
        text = text.replace("token: ${TOKEN}", f"token_file: {usable.parent}/token")
    elif way == "literal":
        text = text.replace("${TOKEN}", f"'{CANARY}'")
    usable.write_text(text + extra)
    result = invoke(*command.split(), **environ)
    assert result.exit_code == (78 if extra else 0)
    encoded = base64.b64encode(CANARY.encode()).decode().rstrip("=")[:-1]
    for shape in (CANARY, quote(CANARY, safe=""), encoded):
        assert shape not in result.output


def test_the_schema_is_printed(invoke: Invoke, usable: Path) -> None:
    schema = json.loads(invoke("config", "schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(usable.read_text()), schema)

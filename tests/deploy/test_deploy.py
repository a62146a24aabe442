"""The examples in deploy/, the Dockerfile and compose.yaml: valid by the schemas of those who read them, and true."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import botocore.session
import kubernetes_validate
import pytest
import yaml
from botocore.validate import ParamValidator
from check_jsonschema.builtin_schemas import get_builtin_schema
from click import Context
from dockerfile_parse import DockerfileParser
from jsonschema import Draft7Validator

from archiver.cli import main
from archiver.config import load
from archiver.errors import ExitCode

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
CRONJOB = DEPLOY / "kubernetes" / "cronjob.yaml"
UNIT = DEPLOY / "systemd" / "archiver.service"
MANUAL = ROOT / "docs" / "deployment.md"


def retried() -> dict[int, bool]:
    """Exit codes, and whether another try at once is worth it, as the manual says."""
    rows = re.findall(r"^\| ([\d, ]+) \| [^|]+ \| (yes|no) \|", MANUAL.read_text(), re.MULTILINE)
    return {int(code): worth == "yes" for codes, worth in rows for code in codes.split(",")}


def test_the_manual_has_a_word_on_every_failure() -> None:
    assert retried().keys() == {int(code) for code in ExitCode} - {ExitCode.COMPLETE}


def kubernetes() -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all(CRONJOB.read_text())


def test_kubernetes_takes_it() -> None:
    for document in kubernetes():
        kubernetes_validate.validate(document, "1.31", strict=True)


def test_kubernetes_retries_what_is_worth_it() -> None:
    (job,) = (each["spec"]["jobTemplate"]["spec"] for each in kubernetes() if each["kind"] == "CronJob")
    evicted, failing = job["podFailurePolicy"]["rules"]
    assert (evicted["action"], evicted["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert (failing["action"], failing["onExitCodes"]["operator"]) == ("FailJob", "In")
    assert set(failing["onExitCodes"]["values"]) == {code for code, worth in retried().items() if not worth}
    pod = job["template"]["spec"]
    assert failing["onExitCodes"]["containerName"] == pod["containers"][0]["name"]
    assert pod["restartPolicy"] == "Never", "a podFailurePolicy is obeyed with no other"
    assert pod["terminationGracePeriodSeconds"] >= 30


def test_kubernetes_runs_it_as_nobody_from_a_read_only_root() -> None:
    (cronjob,) = (each["spec"] for each in kubernetes() if each["kind"] == "CronJob")
    assert (cronjob["concurrencyPolicy"], cronjob["timeZone"]) == ("Forbid", "Etc/UTC")
    pod = cronjob["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsNonRoot"]) == (65532, True)
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    writable = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["/tmp"]


def test_the_configuration_for_kubernetes_is_one(tmp_path: Path) -> None:
    (config_map,) = (each for each in kubernetes() if each["kind"] == "ConfigMap")
    (tmp_path / "token").write_text("token-of-the-test")
    text = config_map["data"]["archiver.yaml"].replace("/run/secrets/archiver", str(tmp_path))
    (tmp_path / "archiver.yaml").write_text(text)
    loaded = load(tmp_path / "archiver.yaml", image_environment())
    assert loaded.config.manifest.snapshot
    assert loaded.config.manifest.path == Path("/tmp/archiver/manifest.db")


def aws_takes(service: str, operation: str, path: Path) -> dict[str, Any]:
    """The document, after comparison with the model of the service."""
    document: dict[str, Any] = json.loads(path.read_text())
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    assert model.input_shape is not None
    report = ParamValidator().validate(document, model.input_shape)
    assert not report.has_errors(), report.generate_report()
    return document


def test_ecs_takes_it() -> None:
    task = aws_takes("ecs", "RegisterTaskDefinition", DEPLOY / "ecs" / "task-definition.json")
    (container,) = task["containerDefinitions"]
    assert container["readonlyRootFilesystem"] is True
    assert container["user"] == "65532:65532"
    assert container["stopTimeout"] >= 30
    given = {each["name"]: each["value"] for each in container["environment"]}
    given |= {each["name"]: "secret-of-the-test" for each in container["secrets"]}
    assert load(None, image_environment() | given).config.destination.region == "eu-west-1"
    assert known(container["command"])
    schedule = aws_takes("scheduler", "CreateSchedule", DEPLOY / "ecs" / "schedule.json")
    assert schedule["Target"]["EcsParameters"]["TaskDefinitionArn"].endswith(f"/{task['family']}")


def known(words: list[str]) -> bool:
    """True if the command line is one that the program understands."""
    context = main.make_context("archiver", list(words), resilient_parsing=True)
    name, command, rest = main.resolve_command(context, [*context._protected_args, *context.args])
    assert command is not None, name
    Context(command)
    command.make_context(str(name), list(rest))
    return True


def unit(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(path.read_text())
    return parser


def test_systemd_retries_what_is_worth_it() -> None:
    service = unit(UNIT)["Service"]
    prevented = {int(code) for code in service["RestartPreventExitStatus"].split()}
    successful = {int(code) for code in service["SuccessExitStatus"].split()}
    assert prevented | successful == {code for code, worth in retried().items() if not worth}
    assert int(service["TimeoutStopSec"]) >= 20
    program, *words = service["ExecStart"].split()
    assert program.endswith("/archiver")
    assert known(words)
    settings = re.findall(r"^Environment=(\w+)=", UNIT.read_text(), re.MULTILINE)
    assert set(settings) == {"ARCHIVER_CONFIG", "ARCHIVER_SOURCE__TOKEN_FILE", "ARCHIVER_MANIFEST__URL"}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_takes_it(tmp_path: Path) -> None:
    for path in UNIT.parent.iterdir():
        text = path.read_text().replace("/usr/local/bin/archiver", str(BIN / "archiver"))
        (tmp_path / path.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if "archiver." in line]) == (0, []), done.stderr


def test_cron_takes_it() -> None:
    (line,) = (line for line in (DEPLOY / "archiver.cron").read_text().splitlines() if re.match(r"[\d*]", line))
    *when, user, program, rest = line.split(maxsplit=7)
    assert (when, user, program) == (["7", "*", "*", "*", "*"], "archiver", "archiver")
    assert known(rest.split())


def dockerfile() -> list[tuple[str, str]]:
    parser = DockerfileParser(str(ROOT / "Dockerfile"), cache_content=True)
    return [(step["instruction"], step["value"]) for step in parser.structure]


def image_environment() -> dict[str, str]:
    (words,) = (value for name, value in dockerfile() if name == "ENV" and "ARCHIVER_" in value)
    return {name: value for name, _, value in (each.partition("=") for each in words.split()) if "ARCHIVER" in name}


def test_the_dockerfile_is_clean() -> None:
    done = subprocess.run([BIN / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_pinned_and_runs_as_nobody() -> None:
    steps = dockerfile()
    bases = [value.split()[0] for name, value in steps if name == "FROM"]
    assert all(re.fullmatch(r"python:3\.\d+-slim-\w+", base) for base in bases)
    last = dict(steps[max(at for at, (name, _) in enumerate(steps) if name == "FROM") :])
    assert last["USER"] == "65532:65532"
    assert (last["ENTRYPOINT"], last["CMD"]) == ('["archiver"]', '["run"]')
    installs = [value for name, value in steps if name == "RUN" and "pip install" in value]
    for line in re.findall(r"pip install[^&]*", " ".join(installs)):
        assert "--require-hashes" in line or "--no-index" in line, line


def test_what_the_dockerfile_copies_is_let_through() -> None:
    allowed = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    for value in (value for name, value in dockerfile() if name == "COPY" and not value.startswith("--from")):
        assert set(value.split()[:-1]) <= allowed
    assert all((ROOT / each).exists() for each in allowed)


def test_compose_takes_it() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    Draft7Validator(get_builtin_schema("vendor.compose-spec")).validate(compose)
    job = compose["services"]["job"]
    environment: Mapping[str, str] = {k: v for k, v in job["environment"].items() if k.startswith("ARCHIVER_")}
    served = {
        "ARCHIVER_SOURCE__BASE_URL": "http://127.0.0.1:8080/api/v2/",
        "ARCHIVER_SOURCE__TOKEN": "token-of-the-sandbox",
        "ARCHIVER_SOURCE__ALLOW_INSECURE_LOOPBACK": "true",
    }
    config = load(None, {**image_environment(), **served, **environment}).config
    assert config.destination.url == "s3://archive/voice"
    assert job["read_only"]
    assert job["network_mode"] == "service:provider", "plain http is taken from loopback alone"

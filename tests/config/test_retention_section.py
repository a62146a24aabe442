"""The section ``retention``: what it refuses, where it says so, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from archiver.config import load
from archiver.config.schema import json_schema
from archiver.errors import ConfigInvalid
from archiver.model import RetentionMode

BASE = """source:
  base_url: https://api.example.net/
  token: abcdefgh
destination:
  url: s3://acme-voice/x
  expected_bucket_owner: "123456789012"
retention:
  classes:
    usual: {years: 7}
    mifid:
      years: 5
      mode: compliance
      i_understand_compliance_mode: true
    short: {days: 30}
  rules:
    - use: mifid
      when: {service: [Trading, "Desk*"], agent_id: 17, vip: true}
    - use: short
      number: "3212*"
      duration_seconds: [null, 10]
  default: usual
"""
Problems = Callable[[str, str], list[str]]


@pytest.fixture
def problems(tmp_path: Path) -> Problems:
    def of(old: str, new: str) -> list[str]:
        assert old in BASE
        path = tmp_path / "archiver.yaml"
        path.write_text(BASE.replace(old, new))
        with pytest.raises(ConfigInvalid) as caught:
            load(path, {})
        return [problem.rpartition("/")[2] for problem in caught.value.problems]

    return of


def test_it_becomes_a_policy(tmp_path: Path) -> None:
    path = tmp_path / "archiver.yaml"
    path.write_text(BASE)
    config = load(path, {}).config
    policy = config.retention.policy
    assert policy is not None
    assert policy.classes["mifid"].mode is RetentionMode.COMPLIANCE
    assert (policy.classes["mifid"].years, policy.classes["short"].days) == (5, 30)
    first, second = policy.rules
    assert [(each.name, each.patterns) for each in first.when] == [
        ("service", ("Trading", "Desk*")),
        ("agent_id", ("17",)),
        ("vip", ("true",)),
    ]
    assert (second.numbers, second.duration_seconds) == (("3212*",), (None, 10.0))
    assert (policy.default, policy.quarantine) == ("usual", None)
    assert config.destination.expected_bucket_owner == "123456789012"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("years: 7", "years: 0", "archiver.yaml:9:20: retention.classes.usual.years: must be at least 1"),
        ("years: 7", "years: 7, days: 1", "archiver.yaml:9:12: retention.classes.usual: the class needs either years"),
        ("{years: 7}", "{}", "archiver.yaml:9:12: retention.classes.usual: the class needs either years or days"),
        ("years: 7", "yaers: 7", "archiver.yaml:9:20: retention.classes.usual.yaers: unknown key"),
        ("{years: 7}", "long", "archiver.yaml:9:12: retention.classes.usual: must be keys with values"),
        (
            "      i_understand_compliance_mode: true\n",
            "",
            "archiver.yaml:11:7: retention.classes.mifid: mode compliance needs i_understand_compliance_mode: true",
        ),
        ("compliance\n", "complience\n", "archiver.yaml:12:13: retention.classes.mifid.mode: must be one of"),
        ("use: short", "use: shrt", "archiver.yaml:16:5: retention.rules: there is no class shrt"),
        ("default: usual", "default: usal", "archiver.yaml:21:12: retention.default: there is no class usal"),
        ("[null, 10]", "10", "archiver.yaml:20:25: retention.rules[1].duration_seconds: must be a list"),
        (
            '      number: "3212*"\n      duration_seconds: [null, 10]\n',
            "",
            "archiver.yaml:18:7: retention.rules[1]: the rule has no condition",
        ),
        ("agent_id: 17", "service: 17", "archiver.yaml:17:43: retention.rules.service: is given twice"),
        (
            "url: s3://acme-voice/x\n  expected_bucket_owner: \"123456789012\"",
            "url: file:///var/archive",
            "archiver.yaml:8:5: retention.classes: a directory cannot lock",
        ),
        ('"123456789012"', '"1234"', "archiver.yaml:6:26: destination.expected_bucket_owner: must be an account id"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_where_it_stands(problems: Problems, old: str, new: str, told: str) -> None:
    assert any(line.startswith(told) for line in problems(old, new)), problems(old, new)


def test_a_directory_may_be_accepted_as_weaker(tmp_path: Path) -> None:
    path = tmp_path / "archiver.yaml"
    text = BASE.replace('s3://acme-voice/x\n  expected_bucket_owner: "123456789012"', "file:///var/archive")
    path.write_text(text + "  accept_unenforced: true\n")
    assert load(path, {}).config.retention.policy is not None


def test_without_classes_there_is_no_policy(tmp_path: Path) -> None:
    path = tmp_path / "archiver.yaml"
    path.write_text(BASE.partition("retention:")[0])
    assert load(path, {}).config.retention.policy is None


def test_the_schema_takes_it() -> None:
    import jsonschema
    import yaml

    jsonschema.Draft202012Validator(json_schema()).validate(yaml.safe_load(BASE))

"""Whatever is wrong is named with its line, and with what was probably meant; all of it at once; no value is echoed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archiver.config import load
from archiver.errors import ConfigInvalid, ExitCode

Problems = Callable[..., list[str]]

HEAD = "source:\n  base_url: https://api.example.net/\n  token: ${TOKEN}\n"
DESTINATION = "destination:\n  url: s3://acme-voice/bics\n"


def with_source(*lines: str) -> str:
    """A usable file with ``lines`` in its first section, from line 4 on."""
    return HEAD + "".join(f"  {line}\n" for line in lines) + DESTINATION


def with_section(section: str, *lines: str) -> str:
    """A usable file with a further section, whose keys begin on line 7."""
    return HEAD + DESTINATION + f"{section}:\n" + "".join(f"  {line}\n" for line in lines)


def with_base_url(url: str) -> str:
    return f"source:\n  base_url: {url}\n  token: ${{TOKEN}}\n" + DESTINATION


def with_destination(url: str, *lines: str) -> str:
    return HEAD + f"destination:\n  url: {url}\n" + "".join(f"  {line}\n" for line in lines)


CASES: dict[str, tuple[str, str]] = {
    "unknown key": (
        with_source("requests_per_minut: 5"),
        "archiver.yaml:4:3: source.requests_per_minut: unknown key (did you mean requests_per_minute?)",
    ),
    "key in another spelling": (
        with_source("requestsPerMinute: 5"),
        "archiver.yaml:4:3: source.requestsPerMinute: unknown key (did you mean requests_per_minute?)",
    ),
    "key of another section": (
        with_source("concurrency: 5"),
        "archiver.yaml:4:3: source.concurrency: unknown key (did you mean limits.concurrency?)",
    ),
    "unknown section": (
        with_section("limit", "concurrency: 5"),
        "archiver.yaml:6:1: limit: unknown section (did you mean limits?)",
    ),
    "key without its section": (
        HEAD + DESTINATION + "base_url: x\n",
        "archiver.yaml:6:1: base_url: unknown section (did you mean source.base_url?)",
    ),
    "nothing like it": (with_source("zzzz: 1"), "archiver.yaml:4:3: source.zzzz: unknown key"),
    "required key": (
        HEAD + "destination:\n  region: eu-west-1\n",
        "archiver.yaml:4:1: destination.url: is required",
    ),
    "required section": (HEAD, "archiver.yaml: destination.url: is required"),
    "no token": (
        "source:\n  base_url: https://api.example.net/\n" + DESTINATION,
        "archiver.yaml:1:1: source.token: is required: token: ${NAME}, or token_file: /path",
    ),
    "unset variable": (
        HEAD.replace("TOKEN", "TOKENN") + DESTINATION,
        "archiver.yaml:3:10: source.token: the environment variable TOKENN is not set (did you mean TOKEN?)",
    ),
    "broken reference": (
        HEAD.replace("${TOKEN}", "${TOKEN:-x}") + DESTINATION,
        "archiver.yaml:3:10: source.token: has a ${ that is not ${NAME} (write $${ for a literal one)",
    ),
    "number for text": (
        HEAD.replace("${TOKEN}", "12345678") + DESTINATION,
        "archiver.yaml:3:10: source.token: must be text (put it in quotes)",
    ),
    "token with a blank": (
        HEAD.replace("${TOKEN}", "two words") + DESTINATION,
        "archiver.yaml:3:10: source.token: must be one line of printable ASCII without blanks",
    ),
    "token and token_file": (
        with_source("token_file: /run/secrets/token"),
        "archiver.yaml:4:15: source.token_file: either token or token_file, not both",
    ),
    "text for a number": (
        with_source("requests_per_minute: many"),
        "archiver.yaml:4:24: source.requests_per_minute: must be a whole number",
    ),
    "truth for a number": (
        with_source("requests_per_minute: yes"),
        "archiver.yaml:4:24: source.requests_per_minute: must be a whole number",
    ),
    "fraction for a whole number": (
        with_source("requests_per_minute: 1.5"),
        "archiver.yaml:4:24: source.requests_per_minute: must be a whole number",
    ),
    "too small": (
        with_source("requests_per_minute: 0"),
        "archiver.yaml:4:24: source.requests_per_minute: must be at least 1",
    ),
    "too great": (
        with_source("requests_per_minute: 1001"),
        "archiver.yaml:4:24: source.requests_per_minute: must be at most 1000",
    ),
    "word of a choice": (
        with_source("auth: barer"),
        "archiver.yaml:4:9: source.auth: must be one of bearer, query (did you mean bearer?)",
    ),
    "truth": (
        with_source("allow_insecure_loopback: sure"),
        "archiver.yaml:4:28: source.allow_insecure_loopback: must be true or false",
    ),
    "time zone": (
        with_source("timezone: Europe/Brusels"),
        "archiver.yaml:4:13: source.timezone: is not an IANA time zone (did you mean Europe/Brussels?)",
    ),
    "time zone as a path": (
        with_source("timezone: ../../etc/passwd"),
        "archiver.yaml:4:13: source.timezone: is not an IANA time zone",
    ),
    "a field without a value": (
        HEAD + DESTINATION + "reconcile:\n  expected: [service]\n",
        "archiver.yaml:7:14: reconcile.expected[0]: must be FIELD=VALUE, as in service=IN",
    ),
    "less than no seconds": (
        HEAD + DESTINATION + "reconcile:\n  minimum_seconds: -1\n",
        "archiver.yaml:7:20: reconcile.minimum_seconds: must be at least 0.0",
    ),
    "a misspelt key of reconcile": (
        HEAD + DESTINATION + "reconcile:\n  expect: []\n",
        "archiver.yaml:7:3: reconcile.expect: unknown key (did you mean expected?)",
    ),
    "relative path": (
        with_source("ca_file: ~/ca.pem"),
        "archiver.yaml:4:12: source.ca_file: must be an absolute path (~ is not expanded)",
    ),
    "every host": (
        with_source('audio_hosts: ["*.amazonaws.com", "*"]'),
        "archiver.yaml:4:36: source.audio_hosts[1]: must not allow every host: name the domain, as in *.amazonaws.com",
    ),
    "every host of a top-level domain": (
        with_source('audio_hosts: ["*.com"]'),
        "archiver.yaml:4:17: source.audio_hosts[0]: is too wide: * must be followed by a domain of at least two labels",
    ),
    "star inside": (
        with_source("audio_hosts: [a.*.net]"),
        "archiver.yaml:4:17: source.audio_hosts[0]: may hold a * only as its whole first label, as in *.amazonaws.com",
    ),
    "URL for a host": (
        with_source('audio_hosts: ["https://a.example.net/x"]'),
        "archiver.yaml:4:17: source.audio_hosts[0]: must be host names only: no scheme, port or path",
    ),
    "no host": (
        with_source("audio_hosts: []"),
        "archiver.yaml:4:16: source.audio_hosts: must name at least one host, or no audio can be fetched",
    ),
    "text for a list": (
        with_source("audio_hosts: a.example.net"),
        "archiver.yaml:4:16: source.audio_hosts: must be a list",
    ),
    "mapping for a value": (
        with_source("auth: {kind: bearer}"),
        "archiver.yaml:4:9: source.auth: must be a single value",
    ),
    "value for a section": (
        HEAD + DESTINATION + "limits: 5\n",
        "archiver.yaml:6:9: limits: must be a section of keys",
    ),
    "http": (
        with_base_url("http://api.example.net/"),
        "archiver.yaml:2:13: source.base_url: must be https: the token and the links would travel in the clear",
    ),
    "http on loopback": (
        with_base_url("http://127.0.0.1:8080/"),
        "archiver.yaml:2:13: source.base_url: must be https"
        " (for a sandbox on loopback, set source.allow_insecure_loopback: true)",
    ),
    "no scheme": (with_base_url("api.example.net"), "archiver.yaml:2:13: source.base_url: must start with https://"),
    "credentials in a URL": (
        with_base_url("https://me:secret@api.example.net/"),
        "archiver.yaml:2:13: source.base_url: must not hold credentials",
    ),
    "query in a URL": (
        with_base_url("https://api.example.net/?token=secret"),
        "archiver.yaml:2:13: source.base_url: must not have a query or a fragment",
    ),
    "port of a URL": (
        with_base_url("https://api.example.net:99999/"),
        "archiver.yaml:2:13: source.base_url: is not a URL: its host or port cannot be read",
    ),
    "steps up in a URL": (
        with_base_url("https://api.example.net/a/%2e%2e/b"),
        "archiver.yaml:2:13: source.base_url: must have a plain path",
    ),
    "scheme of a destination": (
        with_destination("gs://bucket/x"),
        "archiver.yaml:5:8: destination.url: must be s3://bucket/prefix or file:///absolute/path",
    ),
    "bucket in capitals": (
        with_destination("s3://Acme-Voice/x"),
        "archiver.yaml:5:8: destination.url: bucket names are lower case",
    ),
    "bucket": (
        with_destination("s3://a/x"),
        "archiver.yaml:5:8: destination.url: must name a bucket: 3 to 63 lower-case letters, digits, dots and hyphens",
    ),
    "dotted prefix": (
        with_destination("s3://acme-voice/x/../y"),
        "archiver.yaml:5:8: destination.url: has an unusable prefix:"
        " empty or dotted steps, control characters or too long",
    ),
    "query of a destination": (
        with_destination("s3://acme-voice/x?region=eu"),
        "archiver.yaml:5:8: destination.url: must not have a query or a fragment",
    ),
    "relative directory": (
        with_destination("file://archive"),
        "archiver.yaml:5:8: destination.url: must be file:///absolute/path (three slashes)",
    ),
    "endpoint with a path": (
        with_destination("s3://acme-voice/x", "endpoint_url: https://objects.example.net/acme-voice"),
        "archiver.yaml:6:17: destination.endpoint_url: must not have a path: the bucket belongs into destination.url",
    ),
    "encryption": (
        with_destination("s3://acme-voice/x", "encryption: aes-256"),
        "archiver.yaml:6:15: destination.encryption: must be null, AES256 or aws:kms:KEY-ARN (did you mean AES256?)",
    ),
    "encryption by key id": (
        with_destination("s3://acme-voice/x", "encryption: aws:kms:1234"),
        "archiver.yaml:6:15: destination.encryption: must name the key by its ARN:"
        " aws:kms:arn:aws:kms:REGION:ACCOUNT:key/ID",
    ),
    "encryption of a directory": (
        with_destination("file:///var/archive", "encryption: AES256"),
        "archiver.yaml:6:15: destination.encryption: has no meaning for a file:// destination: remove it",
    ),
    "storage class": (
        with_destination("s3://acme-voice/x", "storage_class: standard_ia"),
        "archiver.yaml:6:18: destination.storage_class: must be one of STANDARD, STANDARD_IA, ONEZONE_IA,"
        " INTELLIGENT_TIERING, GLACIER_IR (did you mean STANDARD_IA?)",
    ),
    "offline storage class": (
        with_destination("s3://acme-voice/x", "storage_class: DEEP_ARCHIVE"),
        "archiver.yaml:6:18: destination.storage_class: cannot be read back at once:"
        " use GLACIER_IR, or a lifecycle rule of the bucket",
    ),
    "region": (
        with_destination("s3://acme-voice/x", "region: EU West"),
        "archiver.yaml:6:11: destination.region: must be lower-case letters, digits and hyphens, as in eu-west-1",
    ),
    "postgresql": (
        with_section("manifest", "url: postgresql://me:secret@db/x"),
        "archiver.yaml:7:8: manifest.url: postgresql is not supported yet: use sqlite:///absolute/path",
    ),
    "manifest in no file": (
        with_section("manifest", "url: sqlite:///"),
        "archiver.yaml:7:8: manifest.url: must name a file, not a directory",
    ),
    "relative manifest": (
        with_section("manifest", "url: sqlite://manifest.db"),
        "archiver.yaml:7:8: manifest.url: must be sqlite:///absolute/path (three slashes)",
    ),
    "date": (
        with_section("windows", "since: last tuesday"),
        "archiver.yaml:7:10: windows.since: must be a date (YYYY-MM-DD)",
    ),
    "impossible date": (
        with_section("windows", "since: 2026-02-30"),
        "archiver.yaml:7:10: windows.since: is not a value that YAML can read (put text in quotes)",
    ),
    "moment for a date": (
        with_section("windows", "since: 2026-02-03T04:05:06Z"),
        "archiver.yaml:7:10: windows.since: must be a date without a time (YYYY-MM-DD)",
    ),
    "tolerance the wrong way round": (
        with_section("verify", "duration_tolerance_seconds: [1.5, -1.1]"),
        "archiver.yaml:7:31: verify.duration_tolerance_seconds:"
        " must be a lower bound of at most 0 and an upper bound of at least 0",
    ),
    "one tolerance": (
        with_section("verify", "duration_tolerance_seconds: [-1.1]"),
        "archiver.yaml:7:31: verify.duration_tolerance_seconds: has too few values",
    ),
    "three tolerances": (
        with_section("verify", "duration_tolerance_seconds: [-1.1, 0, 1]"),
        "archiver.yaml:7:31: verify.duration_tolerance_seconds: must have at most 2 values",
    ),
    "endless tolerance": (
        with_section("verify", "duration_tolerance_seconds: [-1.1, .inf]"),
        "archiver.yaml:7:38: verify.duration_tolerance_seconds[1]: must be a finite number",
    ),
    "level": (
        with_section("verify", "level: ful"),
        "archiver.yaml:7:10: verify.level: must be one of transport, structure, full (did you mean full?)",
    ),
    "memory": (
        with_section("limits", "memory_mib: 63"),
        "archiver.yaml:7:15: limits.memory_mib: must be at least 64",
    ),
    "recording beyond a single put": (
        with_section("limits", "max_recording_mib: 5121"),
        "archiver.yaml:7:22: limits.max_recording_mib: must be at most 5120",
    ),
    "no concurrency": (
        with_section("limits", "concurrency: 0"),
        "archiver.yaml:7:16: limits.concurrency: must be auto, or a whole number from 1 to 1024",
    ),
    "null where a value must be": (
        with_section("limits", "memory_mib:"),
        "archiver.yaml:7:14: limits.memory_mib: must be a whole number",
    ),
    "duplicate key": (
        with_section("limits", "concurrency: 3", "concurrency: 4"),
        "archiver.yaml:8:3: limits.concurrency: is given twice (first on line 7)",
    ),
    "duplicate section": (
        HEAD + DESTINATION + "source:\n  auth: query\n",
        "archiver.yaml:6:1: source: is given twice (first on line 1)",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_problem_is_named_with_its_line(problems_of: Problems, case: str) -> None:
    text, expected = CASES[case]
    assert problems_of(text) == [expected]


def test_all_problems_are_reported_together_in_reading_order(problems_of: Problems) -> None:
    text = (
        "source:\n"
        "  base_url: http://api.example.net\n"
        "  token: ${NOT_SET}\n"
        "  tokn: x\n"
        "  timezone: Mars/Olympus\n"
        "destination:\n"
        "  url: s3://A\n"
        "limits:\n"
        "  concurrency: many\n"
        "  concurrency: 3\n"
    )
    environ = {"ARCHIVER_LIMITS__MEMORY_MIB": "1", "ARCHIVER_LIMIT__CONCURRENCY": "1"}
    problems = problems_of(text, environ, **{"limits.spool_dir": Path("scratch")})
    assert [problem.split(": ", 2)[:2] for problem in problems] == [
        ["archiver.yaml:2:13", "source.base_url"],
        ["archiver.yaml:3:10", "source.token"],
        ["archiver.yaml:4:3", "source.tokn"],
        ["archiver.yaml:5:13", "source.timezone"],
        ["archiver.yaml:7:8", "destination.url"],
        ["archiver.yaml:9:16", "limits.concurrency"],
        ["archiver.yaml:10:3", "limits.concurrency"],
        ["environment", "ARCHIVER_LIMIT__CONCURRENCY"],
        ["environment", "ARCHIVER_LIMITS__MEMORY_MIB"],
        ["flag", "--spool-dir"],
    ]


def test_an_override_that_names_nothing_is_an_error_with_a_suggestion(problems_of: Problems, minimal: str) -> None:
    environ = {"TOKEN": "abcdefgh", "ARCHIVER_SOURCE__BASEURL": "https://x", "ARCHIVER_CONFIG": "x", "ARCHIVER_X": "y"}
    assert problems_of(minimal, environ) == [
        "environment: ARCHIVER_SOURCE__BASEURL: unknown key (did you mean ARCHIVER_SOURCE__BASE_URL?)"
    ]


def test_a_bad_override_is_cited_by_its_name(problems_of: Problems, minimal: str) -> None:
    environ = {"TOKEN": "abcdefgh", "ARCHIVER_LIMITS__CONCURRENCY": "[", "ARCHIVER_SOURCE__BASE_URL": "ftp://x"}
    assert problems_of(minimal, environ) == [
        "environment: ARCHIVER_LIMITS__CONCURRENCY: limits.concurrency: cannot be read as a YAML value",
        "environment: ARCHIVER_SOURCE__BASE_URL: source.base_url: must start with https://",
    ]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "the token in it is empty"),
        (b"two\nlines\n", "the token in it must be one line of printable ASCII without blanks"),
        (b"\xff\xfe", "must hold printable ASCII without blanks"),
    ],
)
def test_a_token_file_that_cannot_be_used(
    problems_of: Problems, tmp_path: Path, content: bytes | None, what: str
) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content)
    text = f"source:\n  base_url: https://api.example.net/\n  token_file: {token}\n" + DESTINATION
    assert problems_of(text) == [f"archiver.yaml:3:15: source.token_file: {what}"]


def test_a_token_file_must_be_named_absolutely(problems_of: Problems) -> None:
    text = "source:\n  base_url: https://api.example.net/\n  token_file: token\n" + DESTINATION
    assert problems_of(text) == ["archiver.yaml:3:15: source.token_file: must be an absolute path (~ is not expanded)"]


def test_no_file_at_all_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigInvalid, match=r"archiver\.yaml: there is no such file") as caught:
        load(None, {})
    assert "archiver init" in caught.value.hint
    assert caught.value.exit_code is ExitCode.CONFIG


@pytest.mark.parametrize("through", ["flag", "environment"])
def test_a_file_that_was_named_must_exist(tmp_path: Path, through: str) -> None:
    path = tmp_path / "nowhere.yaml"
    named: tuple[Any, dict[str, str]] = (path, {}) if through == "flag" else (None, {"ARCHIVER_CONFIG": str(path)})
    environ = {**named[1], "ARCHIVER_SOURCE__BASE_URL": "https://api.example.net"}
    with pytest.raises(ConfigInvalid, match="there is no such file"):
        load(named[0], environ)


def test_a_directory_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be read: Is a directory"):
        load(tmp_path, {})


def test_a_copy_that_cannot_be_made_is_said_before_the_run(
    problems_of: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert problems_of(with_section("calls", "parquet: true")) == []
    monkeypatch.setattr("archiver.config.sections.find_spec", lambda name: None)
    (problem,) = problems_of(with_section("calls", "parquet: true"))
    assert problem.startswith("archiver.yaml:7:12: calls.parquet: needs pyarrow")
    assert problems_of(with_section("calls", "parquet: false")) == []

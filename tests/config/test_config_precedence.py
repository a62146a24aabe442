"""Flag before environment before file before default, and each value knows where it came from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from archiver.config import BucketTarget, DirectoryTarget, Loaded, Precedence, load
from archiver.config.fields import keys
from archiver.errors import ConfigInvalid
from archiver.rules.verdict import Level

Load = Callable[..., Loaded]


def test_defaults_are_those_of_the_contract(load_text: Load, minimal: str) -> None:
    config = load_text(minimal).config
    assert config.source.auth == "bearer"
    assert config.source.timezone == "UTC"
    assert config.source.requests_per_minute == 900
    assert config.source.audio_hosts == ("*.amazonaws.com",)
    assert not config.source.allow_insecure_loopback
    assert config.manifest.path == Path("/var/lib/archiver/manifest.db")
    assert (config.windows.since, config.windows.lookback_days) == (None, 3)
    assert config.verify.duration_tolerance_seconds == (-1.1, 1.5)
    assert config.verify.level is Level.FULL
    assert (config.limits.concurrency, config.limits.memory_mib, config.limits.max_recording_mib) == ("auto", 256, 2048)
    assert (config.limits.first_in_flight, config.limits.most_in_flight) == (32, 128)
    assert config.limits.attempts_per_recording == 30
    assert config.limits.spool_dir is None
    assert config.limits.audio_bytes == 192 * 1024 * 1024
    assert (config.calls.archive, config.calls.parquet) == (True, False)


def test_the_higher_level_wins_and_is_named(load_text: Load, minimal: str) -> None:
    text = minimal + "  memory_mib: 100\n  concurrency: 1\n  max_recording_mib: 10\n"
    environ = {"TOKEN": "abcdefgh", "ARCHIVER_LIMITS__CONCURRENCY": "2", "ARCHIVER_LIMITS__MEMORY_MIB": "200"}
    loaded = load_text(text, environ, {"limits.concurrency": 3, "limits.spool_dir": None})
    limits = loaded.config.limits
    assert (limits.max_recording_mib, limits.memory_mib, limits.concurrency) == (10, 200, 3)
    assert str(loaded.origins["limits.concurrency"]) == "flag: --concurrency"
    assert str(loaded.origins["limits.memory_mib"]) == "environment: ARCHIVER_LIMITS__MEMORY_MIB"
    assert str(loaded.origins["limits.max_recording_mib"]).endswith("archiver.yaml:9:22")
    assert str(loaded.origins["limits.spool_dir"]) == "default"
    assert loaded.origins["source.token"].variables == ("TOKEN",)
    assert loaded.origins.keys() == keys().keys()


def test_environment_values_are_read_as_their_key_needs_them(load_text: Load, minimal: str) -> None:
    environ = {
        "ARCHIVER_SOURCE__TOKEN": "0123456789",
        "ARCHIVER_SOURCE__AUDIO_HOSTS": '["a.example.net", "*.b.example.net"]',
        "ARCHIVER_SOURCE__ALLOW_INSECURE_LOOPBACK": "true",
        "ARCHIVER_SOURCE__BASE_URL": "http://[::1]:8080",
        "ARCHIVER_WINDOWS__SINCE": "2026-09-22",
        "ARCHIVER_DESTINATION__REGION": "null",
        "ARCHIVER_DESTINATION__ENDPOINT_URL": "",
        "ARCHIVER_VERIFY__DURATION_TOLERANCE_SECONDS": "[-2, 2.5]",
        "ARCHIVER_VERIFY__LEVEL": "transport",
        "ARCHIVER_LIMITS__SPOOL_DIR": "/var/tmp",
        "TOKEN": "unused-token",
    }
    config = load_text(minimal, environ).config
    assert config.source.token.get_secret_value() == "0123456789"
    assert config.source.audio_hosts == ("a.example.net", "*.b.example.net")
    assert config.source.base_url == "http://[::1]:8080/"
    assert config.windows.since == date(2026, 9, 22)
    assert (config.destination.region, config.destination.endpoint_url) == (None, None)
    assert config.verify.duration_tolerance_seconds == (-2.0, 2.5)
    assert config.verify.level is Level.TRANSPORT
    assert config.limits.spool_dir == Path("/var/tmp")


def test_the_environment_alone_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {
        "ARCHIVER_SOURCE__BASE_URL": "https://api.example.net",
        "ARCHIVER_SOURCE__TOKEN": "abcdefgh",
        "ARCHIVER_DESTINATION__URL": "file:///var/archive/",
    }
    loaded = load(None, environ)
    assert loaded.path is None
    assert loaded.config.destination.target == DirectoryTarget(Path("/var/archive"))
    del environ["ARCHIVER_DESTINATION__URL"]
    with pytest.raises(ConfigInvalid, match=r"^environment: destination\.url: is required$"):
        load(None, environ)


def test_the_file_is_the_flags_then_the_environments_then_the_working_directorys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minimal: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("archiver.yaml", "named.yaml", "flagged.yaml"):
        Path(name).write_text(minimal)
    environ = {"TOKEN": "abcdefgh"}
    assert load(None, environ).path == Path("archiver.yaml")
    environ["ARCHIVER_CONFIG"] = "named.yaml"
    assert load(None, environ).path == Path("named.yaml")
    assert load(Path("flagged.yaml"), environ).path == Path("flagged.yaml")


def test_variables_stand_for_numbers_and_parts_of_texts(load_text: Load, minimal: str) -> None:
    text = minimal.replace("s3://acme-voice/bics", "s3://${BUCKET}/${TENANT}/in") + "  concurrency: ${N}\n"
    environ = {"TOKEN": "a$${b}${c", "BUCKET": "acme-voice", "TENANT": "t1", "N": "7"}
    config = load_text(text, environ).config
    assert config.destination.target == BucketTarget("acme-voice", "t1/in")
    assert config.limits.concurrency == 7
    assert config.source.token.get_secret_value() == "a$${b}${c", "what is put in is not read again"


def test_a_doubled_dollar_is_a_literal_one(load_text: Load, minimal: str) -> None:
    config = load_text(minimal.replace("${TOKEN}", "'pa$$wo$${rd}$'"), {}).config
    assert config.source.token.get_secret_value() == "pa$$wo${rd}$"


def test_a_token_file_is_read_and_stripped(load_text: Load, minimal: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("from-a-file\n")
    loaded = load_text(minimal.replace("token: ${TOKEN}", f"token_file: {token}"))
    assert loaded.config.source.token.get_secret_value() == "from-a-file"
    assert loaded.origins["source.token"] == loaded.origins["source.token_file"]


def test_a_token_from_a_higher_level_displaces_the_other_kind(load_text: Load, minimal: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("from-a-file")
    environ = {"TOKEN": "from-the-file", "ARCHIVER_SOURCE__TOKEN_FILE": str(token)}
    assert load_text(minimal, environ).config.source.token.get_secret_value() == "from-a-file"
    environ = {"ARCHIVER_SOURCE__TOKEN": "from-the-environment"}
    loaded = load_text(minimal.replace("token: ${TOKEN}", "token_file: /nowhere"), environ)
    assert loaded.config.source.token.get_secret_value() == "from-the-environment"
    assert loaded.config.source.token_file is None
    assert loaded.origins["source.token"].precedence is Precedence.ENVIRONMENT


def test_an_empty_section_is_a_section_of_defaults(load_text: Load, minimal: str) -> None:
    assert load_text(minimal + "windows:\n  # since: 2026-09-22\n").config.windows.lookback_days == 3


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("sqlite:///var/lib/a.db", "/var/lib/a.db"),
        ("sqlite:////var/lib/a.db", "/var/lib/a.db"),
        ("sqlite:///var/my%20lib/a.db", "/var/my lib/a.db"),
    ],
)
def test_a_manifest_lies_at_an_absolute_path(load_text: Load, minimal: str, written: str, read: str) -> None:
    manifest = load_text(minimal + f"manifest:\n  url: {written}\n").config.manifest
    assert manifest.path == Path(read)


@pytest.mark.parametrize(
    ("written", "target"),
    [
        ("s3://acme-voice", BucketTarget("acme-voice", "")),
        ("s3://acme-voice/", BucketTarget("acme-voice", "")),
        ("s3://acme-voice/a/b/", BucketTarget("acme-voice", "a/b")),
        ("file:///var/a%20b/", DirectoryTarget(Path("/var/a b"))),
    ],
)
def test_destinations_are_taken_apart(load_text: Load, minimal: str, written: str, target: object) -> None:
    destination = load_text(minimal.replace("s3://acme-voice/bics", written)).config.destination
    assert destination.target == target


@pytest.mark.parametrize("url", ["https://API.example.net/api/v2", "https://api.example.net/api/v2//"])
def test_the_api_root_ends_with_one_slash(load_text: Load, minimal: str, url: str) -> None:
    text = minimal.replace("https://api.example.net/api/v2", url)
    assert load_text(text).config.source.base_url == "https://api.example.net/api/v2/"


def test_a_readable_file_with_a_token_in_it_is_warned_about(minimal: str, tmp_path: Path) -> None:
    path = tmp_path / "archiver.yaml"
    path.write_text(minimal.replace("${TOKEN}", "abcdefgh"))
    path.chmod(0o644)
    (warning,) = load(path, {}).warnings
    assert "archiver.yaml:3:10: source.token: others can read this file" in warning
    path.chmod(0o600)
    assert load(path, {}).warnings == ()


def test_an_endpoint_in_the_clear_is_warned_about_unless_on_loopback(load_text: Load, minimal: str) -> None:
    text = minimal.replace("bics\n", "bics\n  endpoint_url: http://minio:9000\n")
    assert "unencrypted" in load_text(text).warnings[0]
    assert load_text(text.replace("minio", "127.0.0.1")).warnings == ()


def test_the_configuration_is_frozen(load_text: Load, minimal: str) -> None:
    config = load_text(minimal).config
    with pytest.raises(ValueError, match="frozen"):
        config.limits.concurrency = 5


def test_an_override_of_ours_that_does_not_exist_is_our_mistake(load_text: Load, minimal: str) -> None:
    with pytest.raises(KeyError):
        load_text(minimal, None, {"limits.speed": 3})


@pytest.mark.parametrize(
    ("concurrency", "memory_mib", "in_flight", "audio_mib"),
    [
        ("auto", 64, (32, 32), 48),
        ("auto", 256, (32, 128), 192),
        ("auto", 4096, (32, 256), 3968),
        (1, 64, (1, 1), 63.5),
        (32, 256, (32, 32), 240),
        (1024, 64, (1024, 1024), 32),
    ],
)
def test_what_is_in_flight_shares_the_memory_with_its_buffers(
    load_text: Load, minimal: str, concurrency: int | str, memory_mib: int, in_flight: tuple[int, int], audio_mib: float
) -> None:
    limits = load_text(minimal + f"  concurrency: {concurrency}\n  memory_mib: {memory_mib}\n").config.limits
    assert (limits.first_in_flight, limits.most_in_flight) == in_flight
    assert limits.audio_bytes == audio_mib * 2**20

"""The token is in no text that anybody could print."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from archiver.config import Loaded
from archiver.errors import ConfigInvalid

Load = Callable[..., Loaded]
CANARY = "canary-5f1c+/=&e9"
PLAIN_CANARY = "canary5f1ce9"  # means nothing in YAML or in a URL

MISPLACED = {
    "the address": "source:\n  base_url: {}\n  token: x\n",
    "a query": "source:\n  base_url: https://a.example.net/?t={}\n",
    "credentials": "source:\n  base_url: https://u:{}@a.example.net/\n",
    "a choice": "source:\n  auth: {}\n",
    "a zone": "source:\n  timezone: {}\n",
    "a number": "source:\n  requests_per_minute: {}\n",
    "a list": "source:\n  audio_hosts: [{}]\n",
    "a path": "source:\n  token_file: {}\n",
    "a section": "source: {}\n",
    "a bucket": "destination:\n  url: s3://{}\n",
    "a key": "destination:\n  encryption: aws:kms:{}\n",
    "a database": "manifest:\n  url: postgresql://u:{}@db/x\n",
    "an unreadable text": "source:\n  token: '{}\n",
    "an alias": "source:\n  token: *{}\n",
    "an anchor": "source:\n  token: &{} x\n",
    "a tag": "source:\n  token: !{} x\n",
    "with a blank": "source:\n  token: '{} x'\n",
}


@pytest.mark.parametrize("place", MISPLACED)
def test_a_secret_in_the_wrong_place_is_not_echoed(load_text: Load, place: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load_text(MISPLACED[place].format(PLAIN_CANARY), {})
    shown = "".join([*caught.value.problems, caught.value.hint, *traceback.format_exception(caught.value)])
    assert PLAIN_CANARY not in shown


def test_a_secret_from_the_environment_is_not_echoed(load_text: Load) -> None:
    names = ("SOURCE__AUTH", "SOURCE__TIMEZONE", "LIMITS__CONCURRENCY", "DESTINATION__URL", "SOURCE__AUDIO_HOSTS")
    for name in names:
        with pytest.raises(ConfigInvalid) as caught:
            load_text("source:\n", {f"ARCHIVER_{name}": CANARY})
        assert CANARY not in "".join(traceback.format_exception(caught.value))


def _texts(loaded: Loaded) -> Iterator[str]:
    config = loaded.config
    yield from (repr(loaded), str(loaded), repr(config), str(config), f"{config.source}", f"{config.source.token}")
    yield from (config.model_dump_json(), str(config.model_dump()), str(dict(config.source)))


def test_a_loaded_configuration_can_be_printed(load_text: Load, minimal: str, tmp_path: Path) -> None:
    loaded = load_text(minimal)
    assert loaded.config.source.token.get_secret_value() == CANARY
    assert all(CANARY not in text for text in _texts(loaded))
    (tmp_path / "token").write_text(CANARY)
    loaded = load_text(minimal.replace("token: ${TOKEN}", f"token_file: {tmp_path / 'token'}"), {})
    assert loaded.config.source.token.get_secret_value() == CANARY
    assert all(CANARY not in text for text in _texts(loaded))


def test_this_test_would_see_a_leak(load_text: Load, minimal: str) -> None:
    assert CANARY.encode() in pickle.dumps(load_text(minimal).config.source.token)

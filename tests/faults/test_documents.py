"""Malformed documents from the API: each a clear error or a correct reading. ``make fuzz`` does 20,000."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import get_args

import pytest

from archiver.sandbox import Dialect, OnListing, OtherBody, World
from tests.faults.documents import Fuzz, fuzz_documents, hold, mutant, samples
from tests.stories.conftest import NewOperator
from tests.stories.operator import Destination

DOCUMENTS = 4_000


def test_documents() -> None:
    told = fuzz_documents(DOCUMENTS, seed=1)
    assert told.violations == []
    assert told.refused > DOCUMENTS / 10, "the edits are too mild"
    assert told.read > DOCUMENTS / 10, "the edits are too wild"
    assert told.rows_whole > DOCUMENTS / 2
    assert told.rows_told > DOCUMENTS / 100


def test_what_was_not_edited_is_read_whole() -> None:
    told = Fuzz()
    originals = samples(2)
    for sample in originals:
        hold(sample, json.dumps(sample.body).encode(), told)
    assert told.violations == []
    assert told.rows_whole == sum(len(sample.rows) for sample in originals)


@pytest.mark.parametrize("dialect", get_args(Dialect))
def test_a_run_survives_malformed_documents(
    dialect: Dialect, operator: NewOperator, directory: Destination, tmp_path: Path
) -> None:
    """Over real sockets, one after the other: no bug, no lie, and all is well once the source is."""
    rng = random.Random(dialect)
    world = World.generate(seed=1, recordings=4, days=1)
    someone = operator(world, directory, dialect=dialect)
    originals = samples(1)
    for _ in range(12):
        body = mutant(rng, rng.choice(originals))
        someone.sandbox.inject(OnListing(OtherBody(body, "application/json", times=1)))
        result = someone.runs(calls={"archive": False})
        assert result.exit_code in (0, 3, 4), result.stderr
        assert result.summary["bugs"] == 0
        someone.sandbox.clear_faults()
    result = someone.runs()
    assert result.exit_code in (0, 3, 4), result.stderr
    assert someone.archived().items() >= someone.truth().items()

"""The ordinary day: everything listed ends in the bucket, equal to what was served, and stays untouched afterwards."""

from __future__ import annotations

import pytest

from archiver.sandbox import Dialect, World
from tests.stories.conftest import NewOperator
from tests.stories.operator import Destination


@pytest.mark.parametrize("dialect", ["flat", "paged", "resource"])
def test_every_dialect_is_archived_whole(dialect: Dialect, operator: NewOperator, destination: Destination) -> None:
    world = World.generate(seed=1, recordings=40, days=3)
    someone = operator(world, destination, dialect=dialect)

    first = someone.runs()

    assert first.exit_code == 0, first.stderr
    assert first.summary["archived"] == 40
    assert first.summary["complete"] is True
    assert first.summary["windows"] == 3
    assert first.summary["bytes"] == sum(len(audio) for audio in someone.truth().values())
    assert someone.archived() == someone.truth()
    assert someone.scratch() == []

    puts = destination.puts()
    second = someone.runs()

    assert second.exit_code == 0
    assert second.summary["already_archived"] == 40
    assert second.summary["archived"] == 0
    assert destination.puts() == puts


def test_query_authentication(operator: NewOperator, directory: Destination) -> None:
    someone = operator(World.generate(seed=2, recordings=5, days=1), directory, auth="query")
    result = someone.runs(source={"auth": "query"})
    assert result.exit_code == 0
    assert someone.archived() == someone.truth()


def test_a_dialect_that_changes_between_two_runs(operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=3, recordings=20, days=1)
    someone = operator(world, directory, dialect="flat")
    assert someone.runs("--limit", "5").exit_code == 13
    someone.sandbox.dialect = "resource"
    assert someone.runs().summary["archived"] == 15
    assert someone.archived() == someone.truth()


def test_a_lost_manifest_costs_no_put(operator: NewOperator, destination: Destination) -> None:
    someone = operator(World.generate(seed=4, recordings=20, days=2), destination)
    assert someone.runs().exit_code == 0
    puts, downloads = destination.puts(), len(someone.sandbox.downloads())
    for path in someone.home.glob("manifest.db*"):
        path.unlink()

    result = someone.runs()

    assert result.exit_code == 0
    assert result.summary["already_archived"] == 20
    assert len(result.of("adopted")) == 20
    assert destination.puts() == puts
    assert len(someone.sandbox.downloads()) == downloads
    assert someone.types("manifest", "check").exit_code == 0


def test_a_dry_run_touches_nothing(operator: NewOperator, directory: Destination) -> None:
    someone = operator(World.generate(seed=5, recordings=20, days=1), directory)
    result = someone.runs("--dry-run")
    assert result.summary["pending"] == 20
    assert result.summary["dry_run"] is True
    assert len(result.of("would")) == 20
    assert directory.objects() == {}
    assert not someone.manifest.exists()
    assert someone.sandbox.downloads() == ()


@pytest.mark.parametrize(("flag", "value"), [("--limit", "7"), ("--max-bytes", "60K")])
def test_a_budget_stops_the_run_and_the_next_one_goes_on(
    flag: str, value: str, operator: NewOperator, directory: Destination
) -> None:
    someone = operator(World.generate(seed=6, recordings=30, days=2), directory)
    result = someone.runs(flag, value, limits={"concurrency": 2})
    assert result.exit_code == 13
    assert result.summary["complete"] is False
    done = result.summary["archived"]
    assert 0 < done < 30
    if flag == "--limit":
        assert done == 7
    assert someone.archived().keys() <= someone.truth().keys()
    rest = someone.runs()
    assert rest.exit_code == 0
    assert rest.summary["archived"] == 30 - done
    assert someone.archived() == someone.truth()


def test_max_duration_stops_the_run(operator: NewOperator, directory: Destination) -> None:
    someone = operator(World.generate(seed=7, recordings=30, days=1), directory, audio_latency=0.8)
    result = someone.runs("--max-duration", "4s", limits={"concurrency": 2})  # of twelve at the least
    assert result.exit_code == 13
    assert 0 < result.summary["archived"] < 30
    assert someone.scratch() == []

"""Links die; recordings do not get lost by it, and no attempt is used."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest

from archiver.sandbox import OldStyleLink, OnAudio, ShortLink, Status, World
from tests.stories.conftest import NewOperator
from tests.stories.operator import Destination, Operator


def attempts(someone: Operator) -> int:
    with sqlite3.connect(someone.manifest) as database:
        (count,) = database.execute("select count(*) from attempts").fetchone()
    database.close()
    return int(count)


def test_link_dies_in_the_queue(operator: NewOperator, destination: Destination) -> None:
    """A flat day of 150 links that live 4 s, and two transfers that take 0.1 s each: three times too slow."""
    world = World.generate(seed=11, recordings=150, days=1)
    someone = operator(world, destination, dialect="flat", link_life=4, audio_latency=0.1)

    result = someone.runs(limits={"concurrency": 2})

    assert result.exit_code == 0, result.stderr
    assert result.summary["archived"] == 150
    assert result.summary["links_refreshed"] > 0
    assert attempts(someone) == 0
    assert someone.archived() == someone.truth()


def test_link_refused_as_expired_although_it_looked_fresh(operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=12, recordings=5, days=1)
    someone = operator(world, directory)
    expired = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
    victim = world.recordings()[0].id
    someone.sandbox.inject(OnAudio(Status(403, expired, "application/xml", times=2), victim))

    result = someone.runs()

    assert result.exit_code == 0
    assert [event["recording_id"] for event in result.of("link_stale")] == [victim, victim]
    assert attempts(someone) == 0
    assert someone.archived() == someone.truth()


def test_expired_while_retrying(operator: NewOperator, directory: Destination) -> None:
    """The origin fails twice; by the next attempt the link, good for 3 s, may have died as well."""
    world = World.generate(seed=13, recordings=6, days=1)
    someone = operator(world, directory, link_life=3)
    someone.sandbox.inject(OnAudio(Status(503, times=2), world.recordings()[0].id))
    result = someone.runs()
    assert result.exit_code == 0, result.stderr
    assert attempts(someone) == 2
    assert someone.archived() == someone.truth()


@pytest.mark.parametrize("hours", [-1, 1])
def test_our_clock_is_wrong_by_an_hour(hours: int, operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=14, recordings=12, days=1)
    someone = operator(world, directory, clock_offset=timedelta(hours=hours), link_life=60)
    result = someone.runs()
    assert result.exit_code == 0
    assert result.summary["links_refreshed"] == 0
    assert someone.archived() == someone.truth()


def test_older_links_with_an_expires_parameter(operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=15, recordings=4, days=1)
    for recording in world.recordings():
        world.replace(recording.evolve(faults=(OldStyleLink(),)))
    someone = operator(world, directory)
    assert someone.runs().exit_code == 0
    assert someone.archived() == someone.truth()


def test_links_that_are_always_dead_are_left_open_and_said(operator: NewOperator, directory: Destination) -> None:
    world = World.generate(seed=16, recordings=3, days=1)
    victim = world.recordings()[0]
    world.replace(victim.evolve(faults=(ShortLink(1, age=30.0),)))
    someone = operator(world, directory)

    result = someone.runs()

    assert result.exit_code == 3
    assert result.summary["archived"] == 2
    assert result.summary["pending"] == 1
    (left,) = result.of("left_open")
    assert left["recording_id"] == victim.id
    assert "expired" in left["reason"]
    assert victim.id not in someone.archived()


def test_listing_waits_when_transfers_fall_behind(operator: NewOperator, directory: Destination) -> None:
    """Pages are asked for as the queue empties: the last one long after the first audio was fetched."""
    world = World.generate(seed=17, recordings=150, days=1)
    someone = operator(world, directory, audio_latency=0.1, link_life=20)
    result = someone.runs(limits={"concurrency": 2})
    assert result.exit_code == 0
    assert result.summary["links_refreshed"] == 0
    listings = [record.at for record in someone.sandbox.listings("recordings")]
    downloads = [record.at for record in someone.sandbox.downloads()]
    assert max(listings) > sorted(downloads)[len(downloads) // 2]

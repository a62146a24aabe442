"""One provider, one destination, one manifest: what every attack is made on, and what is looked at afterwards."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3.session

from archiver.sandbox import CutObject, Sandbox, World
from tests.faults import checker
from tests.faults.checker import Books, Bucket, Truth, Violation, sha256
from tests.faults.launcher import Ended, Prepare, Started, start
from tests.stories.bucket_server import BucketServer
from tests.stories.conftest import Bucket as S3Bucket
from tests.stories.conftest import Directory
from tests.stories.operator import Operator

AWS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


@dataclass
class Lab:
    """An operator, and the checker beside."""

    operator: Operator
    bad: frozenset[str] = frozenset()
    """Ids whose audio must not be accepted."""
    violations: list[Violation] = field(default_factory=list)
    runs: int = 0
    _before: Mapping[str, str] = field(default_factory=dict)

    def start(self, prepare: Prepare | None = None, *words: str, **sections: Mapping[str, Any]) -> Started:
        """``archiver run --json`` over the world's days."""
        self.runs += 1
        config = self.operator.configure(**sections)
        words = ("--config", str(config), "run", "--json", *self.operator.days(), *words)
        return start(self.operator.home / "streams", words, prepare, AWS)

    def run(self, prepare: Prepare | None = None, *words: str, **sections: Mapping[str, Any]) -> Ended:
        """The same, to its end."""
        return self.start(prepare, *words, **sections).wait()

    def look(self) -> list[Violation]:
        """What must hold at any time. Remembers what it saw, so that a later look sees what has changed."""
        bucket, books = self.bucket(), Books.read(self.operator.manifest)
        found = checker.at_any_time(bucket, books, self.truth(), self._before)
        self._before = bucket.digests()
        self.violations += found
        return found

    def recover(self) -> list[Violation]:
        """Two undisturbed runs: the first has to bring everything to its end, the second to do nothing."""
        found: list[Violation] = []
        wanted = 4 if self.bad else 0
        ended = self.run()
        if ended.code != wanted:
            found.append(Violation("I4", f"the recovery ended with {ended.code}: {ended.stderr[-500:]}"))
        found += self.look()
        bucket, books, truth = self.bucket(), Books.read(self.operator.manifest), self.truth()
        found += checker.in_the_end(bucket, books, truth, self.operator.scratch())
        found += checker.converged(bucket, books, truth)
        puts = self.operator.destination.puts()
        again = self.run()
        if again.code != wanted:
            found.append(Violation("I4", f"a run with nothing to do ended with {again.code}"))
        after = self.bucket().digests()
        found += checker.unchanged(bucket.digests(), after, self.operator.destination.puts() - puts)
        self.violations += found
        return found

    def bucket(self) -> Bucket:
        destination = self.operator.destination
        if isinstance(destination, Directory):
            return Bucket.of_directory(destination.root)
        assert isinstance(destination, S3Bucket)
        return Bucket.of_s3(destination.client, destination.name, "voice")

    def truth(self) -> Truth:
        world = self.operator.sandbox.world
        recordings = world.recordings()
        return Truth(
            {each.id: sha256(world.audio_bytes(each.id)) for each in recordings},
            {each.id: f"{each.created_at:%Y-%m-%d %H:%M:%S}" for each in recordings},
            self.bad,
        )


def small_world(seed: int, recordings: int = 5, days: int = 1, *, damaged: bool = True) -> tuple[World, frozenset[str]]:
    """Good recordings, and one whose object was cut: the way into quarantine is a way too."""
    world = World.generate(seed=seed, recordings=recordings, days=days)
    if not damaged:
        return world, frozenset()
    victim = max(world.recordings(), key=lambda each: each.duration)
    world.replace(victim.evolve(faults=(CutObject(0.5),)))
    return world, frozenset({victim.id})


@contextmanager
def directory_lab(home: Path, world: World, bad: frozenset[str] = frozenset(), **settings: Any) -> Iterator[Lab]:
    """A lab with a directory as its destination; ``settings`` are the sandbox's."""
    home.mkdir(parents=True, exist_ok=True)
    with Sandbox(world, **settings).running() as sandbox:
        yield Lab(Operator(home, sandbox, Directory(home / "archive")), bad)


@contextmanager
def s3_lab(
    home: Path, world: World, server: BucketServer, bad: frozenset[str] = frozenset(), **settings: Any
) -> Iterator[Lab]:
    """A lab with a new versioned bucket on ``server``."""
    home.mkdir(parents=True, exist_ok=True)
    with Sandbox(world, **settings).running() as sandbox:
        yield Lab(Operator(home, sandbox, new_bucket(server)), bad)


def new_bucket(server: BucketServer, url: str | None = None) -> S3Bucket:
    """Versioned, empty. ``url`` is where the archiver finds the server, if not at its own address."""
    name = f"lab-{secrets.token_hex(6)}"
    session = boto3.session.Session("testing", "testing")
    client = session.client("s3", endpoint_url=server.url, region_name="us-east-1")
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return S3Bucket(server, name, client)


NewLab = Callable[[World, frozenset[str]], Lab]


def in_environment(values: Mapping[str, str]) -> None:
    """For code that runs in this process."""
    os.environ.update(values)

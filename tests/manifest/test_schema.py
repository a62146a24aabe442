"""The migrations lead to the schema that the queries are written for, whole or not at all."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from archiver.errors import ManifestUnusable
from archiver.manifest import migrate
from archiver.manifest.copy_book import CopyState
from archiver.manifest.sql import SqlManifest
from archiver.rules.lifecycle import Event, Observation, State

from .conftest import Ask

pytestmark = pytest.mark.anyio
SCRIPTS = sorted(migrate.SCRIPTS.iterdir())


def words_of(ddl: str, table: str, column: str) -> list[str]:
    """The words that a column may hold."""
    found = re.search(rf"CONSTRAINT ck_{table}_{column} CHECK \(([^)]*)\)", ddl)
    assert found is not None, column
    assert len(re.findall(rf"\b{column} = ", found[1])) == found[1].count("=")
    return re.findall(r"'(\w+)'", found[1])


def test_the_last_script_is_the_revision_the_program_knows() -> None:
    assert [script.name.partition("_")[0] for script in SCRIPTS] == [
        f"{number:04}" for number in range(1, len(SCRIPTS) + 1)
    ]
    assert SCRIPTS[-1].name.startswith(f"{migrate.REVISION}_")


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_every_table_and_column_is_explained(script: Path) -> None:
    lines = script.read_text().splitlines()
    said = [line for line in lines if re.match(r"CREATE TABLE|    [a-z]\w* (TEXT|INTEGER|REAL|BLOB)", line)]
    with sqlite3.connect(":memory:") as database:
        database.executescript(script.read_text())
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = [column for table in tables for column in database.execute(f"PRAGMA table_info({table})")]
    database.close()
    assert len(said) == len(tables) + len(columns)
    assert [line for line in said if not re.search(r"  -- \w", line)] == []


async def test_a_newer_schema_is_not_touched(url: str, path: Path, ask: Ask) -> None:
    await (await SqlManifest.open(url)).aclose()
    ask("UPDATE schema_revision SET revision = '9999'")
    for read_only in (False, True):
        with pytest.raises(ManifestUnusable, match="schema 9999") as caught:
            await SqlManifest.open(url, read_only=read_only)
        assert "update archiver" in caught.value.hint
    assert ask("SELECT revision FROM schema_revision") == [("9999",)]


async def test_an_older_schema_is_brought_up_to_date_by_what_came_since(
    url: str, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await SqlManifest.open(url)).aclose()
    for script in SCRIPTS:
        (tmp_path / script.name).write_text(script.read_text())
    (tmp_path / "9999_songs.sql").write_text("CREATE TABLE songs (\n    a  -- ;\n);\nINSERT INTO songs VALUES (';');\n")
    monkeypatch.setattr(migrate, "SCRIPTS", tmp_path)
    monkeypatch.setattr(migrate, "REVISION", "9999")
    with pytest.raises(ManifestUnusable, match="has schema 0001, this program reads 9999"):
        await SqlManifest.open(url, read_only=True)
    for _ in range(2):
        async with await SqlManifest.open(url) as manifest:
            assert await manifest.integrity() == []
    assert ask("SELECT a FROM songs") == [(";",)]
    assert ask("SELECT revision FROM schema_revision") == [("9999",)]


async def test_an_upgrade_that_fails_leaves_nothing_half_made(url: str, path: Path, ask: Ask) -> None:
    path.parent.mkdir()
    path.touch()
    ask("CREATE TABLE schema_revision (revision TEXT NOT NULL)")
    ask("CREATE TABLE runs (x)")  # in the way of the last step
    with pytest.raises(ManifestUnusable):
        await SqlManifest.open(url)
    assert ask("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name") == [
        ("runs",),
        ("schema_revision",),
    ]


async def test_the_checks_know_every_word_of_the_lifecycle(url: str, ask: Ask) -> None:
    """A new state or event needs a migration: this is what reminds of it."""
    await (await SqlManifest.open(url)).aclose()
    tables = ask("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    ddl = dict[str, str](tables)
    states = [state.value for state in State]
    assert words_of(ddl["recordings"], "recordings", "state") == states
    assert words_of(ddl["events"], "events", "from_state") == states
    assert words_of(ddl["events"], "events", "to_state") == states
    assert words_of(ddl["events"], "events", "event") == [word.value for word in (*Event, *Observation)]
    assert words_of(ddl["copies"], "copies", "state") == [state.value for state in CopyState]

"""The migrations lead to the schema that the queries are written for, here and on PostgreSQL."""

from __future__ import annotations

import io
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Dialect, create_engine, create_mock_engine
from sqlalchemy.dialects import postgresql

from archiver.errors import ManifestUnusable
from archiver.manifest import (
    calls,
    copies,
    integrity,
    listing,
    migrate,
    periods,
    reports,
    rows,
    runs,
    schema,
    sightings,
    steps,
    windows,
)
from archiver.manifest.sql import SqlManifest
from archiver.rules.lifecycle import State

from .build import NOW
from .conftest import Ask

pytestmark = pytest.mark.anyio
POSTGRESQL: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


def normal(ddl: str) -> list[str]:
    """The statements of a script, their lines sorted: the order of constraints says nothing."""
    statements = [re.sub(r"\s+", " ", each).strip() for each in ddl.split(";")]
    return sorted(" ".join(sorted(re.split(r"[ ,()]+", each))) for each in statements if each)


def config() -> Config:
    made = Config(output_buffer=io.StringIO())
    made.set_main_option("script_location", str(migrate.SCRIPTS))
    return made


def test_the_head_is_the_revision_the_program_knows() -> None:
    script = ScriptDirectory.from_config(config())
    assert script.get_heads() == [schema.REVISION]


async def test_a_migrated_manifest_has_the_schema_of_the_queries(url: str, path: Path, ask: Ask) -> None:
    await (await SqlManifest.open(url)).aclose()
    engine = create_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    engine.dispose()
    made = create_engine(f"sqlite:///{path.with_name('made.db')}")
    schema.metadata.create_all(made)
    made.dispose()
    beside = sqlite3.connect(path.with_name("made.db"))
    master = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'"
    created = beside.execute(master).fetchall()
    beside.close()
    assert normal(";".join(sql for (sql,) in ask(master))) == normal(";".join(sql for (sql,) in created))


def test_postgresql_would_get_the_same_schema_with_every_column_explained() -> None:
    statements: list[str] = []
    engine = create_mock_engine(
        "postgresql://", lambda sql, *_, **__: statements.append(str(sql.compile(dialect=POSTGRESQL)))
    )
    schema.metadata.create_all(engine, checkfirst=False)
    made = config()
    made.set_main_option("dialect", "postgresql")
    command.upgrade(made, "head", sql=True)
    assert isinstance(made.output_buffer, io.StringIO)
    script = re.sub(r"(?m)^--.*$|BEGIN;|COMMIT;", "", made.output_buffer.getvalue())
    script = re.sub(r"CREATE TABLE alembic_version.*?;|INSERT INTO alembic_version.*?;", "", script, flags=re.DOTALL)
    assert normal(script) == normal(";".join(statements))
    columns = [column for table in schema.metadata.sorted_tables for column in table.columns]
    assert all(column.comment for column in columns)


def test_every_statement_can_be_said_to_postgresql() -> None:
    seen = 0
    for module in (calls, copies, integrity, listing, periods, reports, rows, runs, sightings, steps, windows):
        for name, value in vars(module).items():
            if name.isupper() and hasattr(value, "compile") and not name.startswith(("ENTRY", "_THIS")):
                value.compile(dialect=POSTGRESQL)
                seen += 1
    reports.page_query([State.FAILED, State.SKIPPED], (NOW, "a")).compile(dialect=POSTGRESQL)
    assert seen > 30


async def test_a_newer_schema_is_not_touched(url: str, path: Path, ask: Ask) -> None:
    await (await SqlManifest.open(url)).aclose()
    ask("UPDATE alembic_version SET version_num = '9999'")
    for read_only in (False, True):
        with pytest.raises(ManifestUnusable, match="schema 9999") as caught:
            await SqlManifest.open(url, read_only=read_only)
        assert "update archiver" in caught.value.hint
    assert ask("SELECT version_num FROM alembic_version") == [("9999",)]


async def test_an_upgrade_that_fails_leaves_nothing_half_made(url: str, path: Path, ask: Ask) -> None:
    path.parent.mkdir()
    path.touch()
    ask("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    ask("CREATE TABLE runs (x)")  # in the way of the last step
    with pytest.raises(ManifestUnusable):
        await SqlManifest.open(url)
    assert ask("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name") == [
        ("alembic_version",),
        ("runs",),
    ]


async def test_opening_an_up_to_date_manifest_does_not_import_alembic(url: str) -> None:
    await (await SqlManifest.open(url)).aclose()
    code = (
        "import asyncio, sys; from archiver.manifest.sql import SqlManifest\n"
        "async def main(): await (await SqlManifest.open(sys.argv[1])).aclose()\n"
        "asyncio.run(main()); sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, url], check=True)


def test_the_checks_know_every_word_of_the_lifecycle(ask: Ask, path: Path) -> None:
    # A new state or event needs a migration: this is what reminds of it, with the comparison of schemas above.
    script = (migrate.SCRIPTS / "versions" / "v0001_first_schema.py").read_text()
    assert all(f"'{state.value}'" in script for state in State)

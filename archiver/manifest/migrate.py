"""Brings a manifest's schema up to what the program knows. Costs one small query where there is nothing to do."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table

from archiver.errors import ManifestUnusable
from archiver.manifest import schema

SCRIPTS = Path(__file__).parent / "migrations"
_VERSION = table("alembic_version", column("version_num"))


def revision_of(connection: Connection) -> str | None:
    """The schema's revision; None for an empty database; ManifestUnusable for one that holds something else."""
    found = inspect(connection)
    if found.has_table(_VERSION.name):
        return connection.execute(select(_VERSION.c.version_num)).scalar_one_or_none()
    if found.get_table_names():
        raise ManifestUnusable(
            "the database holds the tables of something else", "give the manifest a database of its own"
        )
    return None


def upgrade(connection: Connection) -> None:
    """Bring the schema to ``schema.REVISION``, in the transaction that is open; a newer one is ManifestUnusable."""
    # Only here: importing Alembic takes longer than all else that opening a manifest does.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    found = revision_of(connection)
    if found is not None and found not in known:
        raise ManifestUnusable(
            f"the manifest has schema {found}, which is newer than this program's ({schema.REVISION})",
            "update archiver to at least the version that wrote it",
        )
    command.upgrade(config, "head")


def refuse_other(found: str | None) -> None:
    """ManifestUnusable for a schema that a reader cannot read and may not change."""
    if found != schema.REVISION:
        raise ManifestUnusable(
            f"the manifest has schema {found or 'none'}, this program reads {schema.REVISION}",
            "the next `archiver run` of this version upgrades an older one; for a newer one update archiver",
        )

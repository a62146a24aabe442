"""Run by Alembic for every command; ``manifest.migrate`` hands the connection over in the config's attributes."""

from __future__ import annotations

from alembic import context

from archiver.manifest.schema import metadata

if context.is_offline_mode():  # prints the SQL: used to review what another database would get
    context.configure(dialect_name=context.config.get_main_option("dialect"), target_metadata=metadata)
else:
    context.configure(
        connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
    )
with context.begin_transaction():
    context.run_migrations()

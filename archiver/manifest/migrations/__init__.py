"""Alembic's scripts: one per change of the schema, run when a manifest is opened for writing."""

"""Alembic's entry: runs on the connection that `storage.schema` passes, inside its transaction."""

from alembic import context

from pipeline.storage.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, compare_type=True)
context.run_migrations()

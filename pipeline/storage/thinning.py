"""Old rows of our own tables, deleted where the settings say so; nothing is thinned without being told."""

from datetime import datetime

import sqlalchemy as sa

from pipeline.storage import tables
from pipeline.storage.database import Database

BATCH = 50_000  # rows of a transaction: a second's work, and no long lock
WRITTEN = {"live_passes": "stored_at"}  # column that says when a row was written, where it is not recorded_at


def thin(database: Database, table: str, before: datetime, batch: int = BATCH) -> int:
    """Delete the rows of ``table`` that were written before an instant, a batch a transaction; returns how many."""
    name, written = tables.metadata.tables[table].name, WRITTEN.get(table, "recorded_at")
    statement = sa.text(
        f"DELETE FROM {name} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {name} WHERE {written} < :before LIMIT :batch))"
    )
    deleted = 0
    while True:
        with database.begin() as conn:
            count = conn.execute(statement, {"before": before, "batch": batch}).rowcount
        deleted += count
        if count < batch:
            return deleted

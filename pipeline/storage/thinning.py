"""Old rows of our own tables, deleted where the settings say so; nothing is thinned without being told."""

from datetime import datetime

import sqlalchemy as sa

from pipeline.storage import tables
from pipeline.storage.changes import decided
from pipeline.storage.database import Database

BATCH = 50_000  # rows of a transaction: a second's work, and no long lock
WRITTEN = {"live_passes": "stored_at"}  # column that says when a row was written, where it is not recorded_at


def thin(database: Database, table: str, before: datetime, batch: int = BATCH) -> int:
    """Delete the rows of ``table`` that were written before an instant, a batch a transaction; returns how many."""
    if table == tables.signal_changes.name:
        return _trim_changes(database, before, batch)
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


def _trim_changes(database: Database, before: datetime, batch: int) -> int:
    """Delete changes from the lowest number on, up to the first one that is not old.

    So what is left is everything behind some number, whatever order the clocks of transactions had, and whenever this
    is ended; that number is noted with each batch. The newest change stays, however old: it is where a stream begins.
    Of numbers that are not decided nothing is known yet, so that none behind them is deleted.
    """
    with database.begin() as conn:
        until = decided(conn)
    with database.begin() as conn:
        kept = conn.scalar(_FIRST_KEPT, {"before": before, "until": until})
    deleted = 0
    while True:
        with database.begin() as conn:
            count: int = conn.execute(_TRIM, {"kept": kept, "batch": batch}).scalar_one()
        deleted += count
        if count < batch:
            return deleted


_FIRST_KEPT = sa.text(
    """WITH known AS NOT MATERIALIZED (SELECT change_id, recorded_at FROM signal_changes WHERE change_id <= :until)
SELECT coalesce(
  (SELECT change_id FROM known WHERE recorded_at >= :before ORDER BY change_id LIMIT 1),
  (SELECT max(change_id) FROM known)
)"""
)
_TRIM = sa.text(
    """WITH gone AS (
  DELETE FROM signal_changes
  WHERE change_id IN (SELECT change_id FROM signal_changes WHERE change_id < :kept ORDER BY change_id LIMIT :batch)
  RETURNING change_id, signal_id, status, recorded_at
), noted AS (
  INSERT INTO trimmed_changes AS newest (change_id, signal_id, status, recorded_at)
  SELECT * FROM gone ORDER BY change_id DESC LIMIT 1
  ON CONFLICT (is_newest) DO UPDATE SET change_id = excluded.change_id, signal_id = excluded.signal_id,
    status = excluded.status, recorded_at = excluded.recorded_at
  WHERE excluded.change_id > newest.change_id
)
SELECT count(*) FROM gone"""
)

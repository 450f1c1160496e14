"""How much is stored: measured once a day, so that growth can be foretold."""

import sqlalchemy as sa

from pipeline.storage.tables.base import instant, metadata, text

storage_sizes = sa.Table(
    "storage_sizes",
    metadata,
    text("what", "signals_database, dagster_database, logs (what processes and runs wrote) or home", primary_key=True),
    instant("measured_at", "as of when it was measured", primary_key=True),
    sa.Column("bytes", sa.BigInteger, nullable=False, comment="how much it occupies"),
    sa.CheckConstraint("bytes >= 0", name="bytes_are_counted"),
    comment="What this installation occupies on disk, once a day; `signals status` foretells its growth",
)

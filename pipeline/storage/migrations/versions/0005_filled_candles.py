"""Filled candles found without reading the others: at every tick, each series' share of them is asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "ix_candles_filled", "candles", ["series_id", "open_at"], unique=False, postgresql_where=sa.text("is_filled")
    )

"""Live markets: how far back an exchange was asked, and which run processed which closes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column and the table."""
    op.add_column(
        "series",
        sa.Column(
            "searched_from",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="open from which on the exchange was asked for candles; NULL where it was not asked",
        ),
    )
    op.create_table(
        "live_passes",
        sa.Column("run_id", sa.Text(), nullable=False, comment="the run of Dagster"),
        sa.Column("series_id", sa.Integer(), nullable=False, comment="see series"),
        sa.Column(
            "after",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="closes after this instant were processed",
        ),
        sa.Column("until", sa.TIMESTAMP(timezone=True), nullable=False, comment="up to this close, the newest one"),
        sa.Column(
            "stored_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="wall clock when the pass was stored, whether it made a signal or not",
        ),
        sa.ForeignKeyConstraint(
            ["series_id"], ["series.series_id"], name=op.f("fk_live_passes_series_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "series_id", name=op.f("pk_live_passes")),
        comment="Which live run processed which closes of which series",
    )
    op.create_index("ix_live_passes_series", "live_passes", ["series_id", "until"], unique=False)

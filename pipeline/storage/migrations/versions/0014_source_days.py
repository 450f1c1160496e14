"""Sums of live outcomes per day, source and horizon, so that views of them do not add up a million signals."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Create the table and fill it from what is stored; the triggers that keep it are made after every migration.

    The passes of all series in a time are looked up by `v_signal_latency`, for which they get an index.
    """
    op.create_index("ix_live_passes_until", "live_passes", ["until"], postgresql_using="brin")
    op.create_table(
        "source_days",
        sa.Column(
            "day_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="UTC midnight before or at the signals' closes",
        ),
        sa.Column("source_group", sa.Text(), nullable=False, comment="technical, ml_model, sentiment or multi"),
        sa.Column("horizon", sa.Text(), nullable=False, comment="expiry, or so many bars: 4_bars, 24_bars"),
        sa.Column("outcomes", sa.BigInteger(), nullable=False, comment="BUYs and SELLs whose outcome is known"),
        sa.Column("entered", sa.BigInteger(), nullable=False, comment="of them those that were entered"),
        sa.Column("wins", sa.BigInteger(), nullable=False, comment="of them those with a net return above 0"),
        sa.Column(
            "net_return", sa.Numeric(), nullable=False, comment="sum of their net returns, exact in 15 digits each"
        ),
        sa.Column(
            "r_multiple", sa.Numeric(), nullable=False, comment="sum of their returns in units of the planned risk"
        ),
        sa.CheckConstraint(
            "outcomes > 0 AND entered BETWEEN 0 AND outcomes", name=op.f("ck_source_days_entered_are_outcomes")
        ),
        sa.CheckConstraint("wins BETWEEN 0 AND entered", name=op.f("ck_source_days_wins_were_entered")),
        sa.PrimaryKeyConstraint("day_at", "source_group", "horizon", name=op.f("pk_source_days")),
        comment="Sums of live outcomes per day, source and horizon, kept by a trigger with each of signal_outcomes",
    )
    op.execute(
        """INSERT INTO source_days
SELECT date_trunc('day', candle_close_at, 'UTC'), source_group, horizon, count(*), count(net_return),
  count(*) FILTER (WHERE net_return > 0), coalesce(sum(net_return::numeric), 0), coalesce(sum(r_multiple::numeric), 0)
FROM signal_outcomes WHERE origin = 'live' AND scope = 'default' GROUP BY 1, 2, 3"""
    )

"""Reports are of one profile: their index has whose a signal is, and the sums per day are the house's."""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Make the index anew, and the sums from what is stored; the trigger that keeps them is renewed afterwards.

    Nobody stores outcomes meanwhile: the older trigger would add those of every profile.
    """
    op.drop_index("ix_trading_signals_close", "trading_signals")
    op.create_index(
        "ix_trading_signals_close",
        "trading_signals",
        ["origin", "scope", "candle_close_at"],
        postgresql_include=[
            "status",
            "signal_type",
            "source_group",
            "profit_loss",
            "exchange",
            "profile",
            "user_id",
        ],
    )
    op.execute("LOCK TABLE signal_outcomes IN SHARE ROW EXCLUSIVE MODE")
    op.execute("DELETE FROM source_days")
    op.execute(
        """INSERT INTO source_days
  (day_at, source_group, horizon, outcomes, entered, wins, net_return, r_multiple)
SELECT date_trunc('day', candle_close_at, 'UTC'), source_group, horizon, count(*), count(net_return),
  count(*) FILTER (WHERE net_return > 0), coalesce(sum(net_return::numeric), 0), coalesce(sum(r_multiple::numeric), 0)
FROM signal_outcomes WHERE origin = 'live' AND scope = 'default' AND profile = 'house' GROUP BY 1, 2, 3"""
    )
    op.create_table_comment(
        "source_days",
        "Sums of the house's live outcomes per day, source and horizon, kept by triggers of signal_outcomes",
        existing_comment="Sums of live outcomes per day, source and horizon, kept by a trigger with each of "
        "signal_outcomes",
    )
    op.create_table_comment(
        "signal_performance",
        "Reports of how the house's signals did, one row per window and instant; earlier ones are kept",
        existing_comment="Reports of how signals did, one row per window and instant; earlier ones are kept",
    )

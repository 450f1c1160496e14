"""What became of advice: outcomes, what entries at random would have brought, and reports."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Create the tables of outcomes and reports, and let reports count signals by an index alone."""
    op.create_table(
        "dropped_outcomes",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False, comment="see series"),
        sa.Column("candle_close_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="close of the bar"),
        sa.Column(
            "signal_type",
            postgresql.ENUM("BUY", "SELL", "ALERT", name="signal_type_enum", create_type=False),
            nullable=False,
            comment="BUY or SELL",
        ),
        sa.Column("origin", sa.Text(), nullable=False, comment="live or replay"),
        sa.Column("scope", sa.Text(), nullable=False, comment="default, or the name of a replay"),
        sa.Column("profile", sa.Text(), nullable=False, comment="risk profile that dropped it"),
        sa.Column("horizon", sa.Text(), nullable=False, comment="expiry, or so many bars: 4_bars, 24_bars"),
        sa.Column(
            "strategies", postgresql.ARRAY(sa.Text()), nullable=False, comment="the strategies that advised it, by name"
        ),
        sa.Column("reasons", postgresql.ARRAY(sa.Text()), nullable=False, comment="why it was dropped, by name"),
        sa.Column("confidence", sa.Double(), nullable=False, comment="the highest confidence among them, 0 to 1"),
        sa.Column(
            "entry_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="open of the first bar after the close; NULL if nothing was entered",
        ),
        sa.Column("entry_price", sa.Double(), nullable=True, comment="as traded, before slippage, quote currency"),
        sa.Column(
            "exit_at", sa.TIMESTAMP(timezone=True), nullable=True, comment="open or close of the bar of the exit"
        ),
        sa.Column("exit_price", sa.Double(), nullable=True, comment="as traded, before slippage, quote currency"),
        sa.Column(
            "exit_reason",
            sa.Text(),
            nullable=False,
            comment="one of horizon, stop_gap, target_gap, stop, target, entry_gap, no_trade, delisted, no_entry",
        ),
        sa.Column("bars_held", sa.SmallInteger(), nullable=False, comment="bars from entry to exit"),
        sa.Column(
            "resolved_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="from when on all of this was known"
        ),
        sa.Column("gross_return", sa.Double(), nullable=True, comment="signed move from entry to exit, a fraction"),
        sa.Column(
            "net_return",
            sa.Double(),
            nullable=True,
            comment="the same after fees and slippage; above 0 is a win; NULL if nothing was entered",
        ),
        sa.Column(
            "r_multiple", sa.Double(), nullable=True, comment="net_return in units of the planned risk, entry to stop"
        ),
        sa.Column(
            "mfe", sa.Double(), nullable=True, comment="largest move in favour until the exit, a fraction, 0 or more"
        ),
        sa.Column(
            "mae", sa.Double(), nullable=True, comment="largest move against until the exit, a fraction, 0 or less"
        ),
        sa.Column(
            "ladder_return", sa.Double(), nullable=True, comment="net return with a third each sold at tp1, tp2 and tp3"
        ),
        sa.Column(
            "long_return", sa.Double(), nullable=True, comment="net return of a plain purchase held to the horizon"
        ),
        sa.Column("targets_reached", sa.SmallInteger(), nullable=False, comment="thirds sold at their targets, 0 to 3"),
        sa.Column("is_ambiguous", sa.Boolean(), nullable=False, comment="one bar reached both stop and target"),
        sa.Column("rules", sa.Text(), nullable=False, comment="entry, fee and slippage that it was counted with"),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint(
            "(exit_reason = 'no_entry') = (net_return IS NULL)",
            name=op.f("ck_dropped_outcomes_a_return_unless_nothing_was_entered"),
        ),
        sa.CheckConstraint(
            "exit_reason IN ('horizon', 'stop_gap', 'target_gap', 'stop', 'target', 'entry_gap', "
            "'no_trade', 'delisted', 'no_entry')",
            name=op.f("ck_dropped_outcomes_exit_reason_is_known"),
        ),
        sa.PrimaryKeyConstraint(
            "series_id",
            "candle_close_at",
            "signal_type",
            "origin",
            "scope",
            "profile",
            "horizon",
            name=op.f("pk_dropped_outcomes"),
        ),
        comment="What following the advice that risk dropped would have brought: bars and sides without any signal",
    )
    op.create_index(
        "ix_dropped_outcomes_close", "dropped_outcomes", ["origin", "scope", "horizon", "candle_close_at"], unique=False
    )
    op.create_table(
        "random_entries",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False, comment="see series"),
        sa.Column(
            "day_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="UTC midnight before the closes of the day"
        ),
        sa.Column(
            "signal_type",
            postgresql.ENUM("BUY", "SELL", "ALERT", name="signal_type_enum", create_type=False),
            nullable=False,
            comment="BUY or SELL",
        ),
        sa.Column("horizon", sa.Text(), nullable=False, comment="expiry, or so many bars: 4_bars, 24_bars"),
        sa.Column(
            "rules", sa.Text(), nullable=False, comment="entry, fee, slippage and stop that they were counted with"
        ),
        sa.Column(
            "n_entries", sa.Integer(), nullable=False, comment="bars of the day that one could have entered after"
        ),
        sa.Column("n_wins", sa.Integer(), nullable=False, comment="of them those with a net return above 0"),
        sa.Column("net_return", sa.Double(), nullable=False, comment="mean net return of an entry, a fraction"),
        sa.Column(
            "long_return",
            sa.Double(),
            nullable=False,
            comment="mean net return of a plain purchase held to the horizon, a fraction",
        ),
        sa.Column(
            "computed_to", sa.TIMESTAMP(timezone=True), nullable=False, comment="newest close that was looked at"
        ),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint(
            "n_entries > 0 AND n_wins BETWEEN 0 AND n_entries", name=op.f("ck_random_entries_wins_are_entries")
        ),
        sa.PrimaryKeyConstraint(
            "series_id", "day_at", "signal_type", "horizon", "rules", name=op.f("pk_random_entries")
        ),
        comment="What entries on the bars of a day would have brought on average: what strategies must beat",
    )
    op.create_table(
        "signal_performance",
        sa.Column("exchange", sa.Text(), nullable=False, comment="exchange of the signals"),
        sa.Column("origin", sa.Text(), nullable=False, comment="live or replay"),
        sa.Column("scope", sa.Text(), nullable=False, comment="default, or the name of a replay"),
        sa.Column("timeframe", sa.Text(), nullable=False, comment="the window: 24h, 7d or 30d"),
        sa.Column("horizon", sa.Text(), nullable=False, comment="of the outcomes: expiry, or so many bars"),
        sa.Column(
            "as_of",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="end of the window; signals of later closes do not count",
        ),
        sa.Column(
            "started_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="beginning of the window, by close"
        ),
        sa.Column(
            "total_signals", sa.Integer(), nullable=False, comment="executed and expired ones, ALERTs among them"
        ),
        sa.Column("executed_signals", sa.Integer(), nullable=False, comment="of them those that somebody executed"),
        sa.Column("expired_signals", sa.Integer(), nullable=False, comment="of them those that nobody did"),
        sa.Column(
            "execution_rate", sa.Double(), nullable=False, comment="executed of those that could be, ALERTs aside"
        ),
        sa.Column(
            "profitable_signals", sa.Integer(), nullable=False, comment="executed ones with a profit_loss above 0"
        ),
        sa.Column(
            "losing_signals", sa.Integer(), nullable=False, comment="executed ones with a profit_loss of 0 or less"
        ),
        sa.Column("breakeven_signals", sa.Integer(), nullable=False, comment="of the losing ones those with exactly 0"),
        sa.Column(
            "win_rate",
            sa.Double(),
            nullable=False,
            comment="profitable of the executed ones with a profit_loss, 0 if there is none",
        ),
        sa.Column(
            "avg_profit_loss",
            sa.Double(),
            nullable=False,
            comment="mean profit_loss of the executed ones, 0 if there is none",
        ),
        sa.Column(
            "by_source",
            postgresql.JSONB(),
            nullable=False,
            comment="source -> total, executed, expired, avg_profit_loss, win_rate",
        ),
        sa.Column(
            "outcomes", sa.Integer(), nullable=False, comment="BUYs and SELLs whose outcome is known, executed or not"
        ),
        sa.Column("pending", sa.Integer(), nullable=False, comment="BUYs and SELLs that wait for candles"),
        sa.Column("wins", sa.Integer(), nullable=False, comment="outcomes with a net return above 0"),
        sa.Column(
            "hit_rate", sa.Double(), nullable=True, comment="wins of the outcomes that were entered; NULL without any"
        ),
        sa.Column("hit_low", sa.Double(), nullable=True, comment="lower end of its 95 % interval"),
        sa.Column("hit_high", sa.Double(), nullable=True, comment="upper end of its 95 % interval"),
        sa.Column("mean_return", sa.Double(), nullable=True, comment="mean return after fees and slippage, a fraction"),
        sa.Column("median_return", sa.Double(), nullable=True, comment="median of the same"),
        sa.Column(
            "profit_factor",
            sa.Double(),
            nullable=True,
            comment="sum of the gains over sum of the losses; NULL without a loss",
        ),
        sa.Column("expectancy_r", sa.Double(), nullable=True, comment="mean return in units of the planned risk"),
        sa.Column(
            "information_coefficient",
            sa.Double(),
            nullable=True,
            comment="rank correlation of stated confidence times side with what the price did",
        ),
        sa.Column("max_drawdown", sa.Double(), nullable=True, comment="deepest fall of an equal-weight book, 0 to 1"),
        sa.Column("total_return", sa.Double(), nullable=True, comment="what that book gained, a fraction"),
        sa.Column(
            "ladder_return", sa.Double(), nullable=True, comment="mean return with a third each sold at three targets"
        ),
        sa.Column(
            "long_return", sa.Double(), nullable=True, comment="mean return of a purchase at each signal instead"
        ),
        sa.Column(
            "random_return",
            sa.Double(),
            nullable=True,
            comment="mean return of entries at random into the same series and sides",
        ),
        sa.Column(
            "excess_return",
            sa.Double(),
            nullable=True,
            comment="mean return over that of entries at random, where those are known",
        ),
        sa.Column(
            "p_value", sa.Double(), nullable=True, comment="how likely entries at random would have done as well"
        ),
        sa.Column(
            "figures", postgresql.JSONB(), nullable=False, comment="grouping -> list of groups, each with all figures"
        ),
        sa.Column(
            "reliability",
            postgresql.JSONB(),
            nullable=False,
            comment="stated confidence against realised wins, by class",
        ),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.PrimaryKeyConstraint(
            "exchange", "origin", "scope", "timeframe", "horizon", "as_of", name=op.f("pk_signal_performance")
        ),
        comment="Reports of how signals did, one row per window and instant; earlier ones are kept",
    )
    op.create_table(
        "signal_outcomes",
        sa.Column("signal_id", sa.Uuid(), nullable=False, comment="the signal, see trading_signals.id"),
        sa.Column("horizon", sa.Text(), nullable=False, comment="expiry, or so many bars: 4_bars, 24_bars"),
        sa.Column("series_id", sa.Integer(), nullable=False, comment="see series"),
        sa.Column(
            "candle_close_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="close of the signal's bar; the same as its created_at",
        ),
        sa.Column(
            "signal_type",
            postgresql.ENUM("BUY", "SELL", "ALERT", name="signal_type_enum", create_type=False),
            nullable=False,
            comment="BUY or SELL",
        ),
        sa.Column("strategy", sa.Text(), nullable=False, comment="the signal's strategy, or MULTI_STRATEGY"),
        sa.Column(
            "strategies",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            comment="the strategies of its components, by name",
        ),
        sa.Column("source_group", sa.Text(), nullable=False, comment="technical, ml_model, sentiment or multi"),
        sa.Column("confidence", sa.Double(), nullable=False, comment="the signal's confidence, 0 to 1"),
        sa.Column("origin", sa.Text(), nullable=False, comment="live or replay"),
        sa.Column("scope", sa.Text(), nullable=False, comment="default, or the name of a replay"),
        sa.Column("profile", sa.Text(), nullable=False, comment="risk profile that let the signal pass"),
        sa.Column(
            "entry_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="open of the first bar after the close; NULL if nothing was entered",
        ),
        sa.Column("entry_price", sa.Double(), nullable=True, comment="as traded, before slippage, quote currency"),
        sa.Column(
            "exit_at", sa.TIMESTAMP(timezone=True), nullable=True, comment="open or close of the bar of the exit"
        ),
        sa.Column("exit_price", sa.Double(), nullable=True, comment="as traded, before slippage, quote currency"),
        sa.Column(
            "exit_reason",
            sa.Text(),
            nullable=False,
            comment="one of horizon, stop_gap, target_gap, stop, target, entry_gap, no_trade, delisted, no_entry",
        ),
        sa.Column("bars_held", sa.SmallInteger(), nullable=False, comment="bars from entry to exit"),
        sa.Column(
            "resolved_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="from when on all of this was known"
        ),
        sa.Column("gross_return", sa.Double(), nullable=True, comment="signed move from entry to exit, a fraction"),
        sa.Column(
            "net_return",
            sa.Double(),
            nullable=True,
            comment="the same after fees and slippage; above 0 is a win; NULL if nothing was entered",
        ),
        sa.Column(
            "r_multiple", sa.Double(), nullable=True, comment="net_return in units of the planned risk, entry to stop"
        ),
        sa.Column(
            "mfe", sa.Double(), nullable=True, comment="largest move in favour until the exit, a fraction, 0 or more"
        ),
        sa.Column(
            "mae", sa.Double(), nullable=True, comment="largest move against until the exit, a fraction, 0 or less"
        ),
        sa.Column(
            "ladder_return", sa.Double(), nullable=True, comment="net return with a third each sold at tp1, tp2 and tp3"
        ),
        sa.Column(
            "long_return", sa.Double(), nullable=True, comment="net return of a plain purchase held to the horizon"
        ),
        sa.Column("targets_reached", sa.SmallInteger(), nullable=False, comment="thirds sold at their targets, 0 to 3"),
        sa.Column("is_ambiguous", sa.Boolean(), nullable=False, comment="one bar reached both stop and target"),
        sa.Column("rules", sa.Text(), nullable=False, comment="entry, fee and slippage that it was counted with"),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint(
            "(exit_reason = 'no_entry') = (net_return IS NULL)",
            name=op.f("ck_signal_outcomes_a_return_unless_nothing_was_entered"),
        ),
        sa.CheckConstraint(
            "exit_reason IN ('horizon', 'stop_gap', 'target_gap', 'stop', 'target', 'entry_gap', "
            "'no_trade', 'delisted', 'no_entry')",
            name=op.f("ck_signal_outcomes_exit_reason_is_known"),
        ),
        sa.CheckConstraint("signal_type <> 'ALERT'", name=op.f("ck_signal_outcomes_an_alert_has_no_outcome")),
        sa.ForeignKeyConstraint(
            ["signal_id"], ["trading_signals.id"], name=op.f("fk_signal_outcomes_signal_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("signal_id", "horizon", name=op.f("pk_signal_outcomes")),
        comment="What following each BUY and SELL would have brought, per horizon; final once stored",
    )
    op.create_index(
        "ix_signal_outcomes_close", "signal_outcomes", ["origin", "scope", "horizon", "candle_close_at"], unique=False
    )
    op.drop_index("ix_trading_signals_close", "trading_signals")
    op.create_index(
        "ix_trading_signals_close",
        "trading_signals",
        ["origin", "scope", "candle_close_at"],
        postgresql_include=["status", "signal_type", "source_group", "profit_loss", "exchange"],
    )
    # Nothing looks a signal up by it, and every end of a signal writes to it.
    op.drop_index("ix_trading_signals_signal_key", "trading_signals")

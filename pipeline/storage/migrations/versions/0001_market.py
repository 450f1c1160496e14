"""Series, candles, and what is computed per bar."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "candle_quarantine",
        sa.Column(
            "fingerprint",
            sa.Text(),
            nullable=False,
            comment="hash of the row and its reason: the same bad row is kept once",
        ),
        sa.Column("exchange", sa.Text(), nullable=False, comment="exchange the row was meant for"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="symbol the row was meant for"),
        sa.Column("timeframe", sa.Text(), nullable=False, comment="timeframe the row was meant for"),
        sa.Column(
            "open_at", sa.TIMESTAMP(timezone=True), nullable=True, comment="open of the bar where it can be read"
        ),
        sa.Column(
            "reason", sa.Text(), nullable=False, comment="why the row is not used; docs/market-data.md lists the words"
        ),
        sa.Column("row", postgresql.JSONB(), nullable=False, comment="the row as it came"),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_candle_quarantine")),
        comment="Candle rows that were refused, and why",
    )
    op.create_index(
        "ix_candle_quarantine_series", "candle_quarantine", ["exchange", "symbol", "timeframe", "open_at"], unique=False
    )
    op.create_table(
        "candle_revisions",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False, comment="see series"),
        sa.Column("open_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="open of the revised bar, UTC"),
        sa.Column(
            "revised_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock of the revision",
        ),
        sa.Column("open", sa.Double(), nullable=False, comment="value before the revision, quote currency"),
        sa.Column("high", sa.Double(), nullable=False, comment="value before the revision, quote currency"),
        sa.Column("low", sa.Double(), nullable=False, comment="value before the revision, quote currency"),
        sa.Column("close", sa.Double(), nullable=False, comment="value before the revision, quote currency"),
        sa.Column("volume", sa.Double(), nullable=False, comment="value before the revision, base currency"),
        sa.Column("is_filled", sa.Boolean(), nullable=False, comment="whether the old bar was a filled gap"),
        sa.PrimaryKeyConstraint("series_id", "open_at", "revised_at", name=op.f("pk_candle_revisions")),
        comment="Old values of candles that changed after they were stored",
    )
    op.create_table(
        "candles",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False, comment="see series"),
        sa.Column("open_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="open of the bar, UTC"),
        sa.Column(
            "close_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="close of the bar: open_at plus the timeframe",
        ),
        sa.Column("open", sa.Double(), nullable=False, comment="first price, quote currency"),
        sa.Column("high", sa.Double(), nullable=False, comment="highest price, quote currency"),
        sa.Column("low", sa.Double(), nullable=False, comment="lowest price, quote currency"),
        sa.Column("close", sa.Double(), nullable=False, comment="last price, quote currency"),
        sa.Column("volume", sa.Double(), nullable=False, comment="traded amount, base currency"),
        sa.Column(
            "is_filled",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="true where the source has no candle: flat at the close before it, volume 0",
        ),
        sa.Column(
            "first_seen_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the bar was first stored",
        ),
        sa.CheckConstraint(
            "high < 'Infinity'::float8 AND volume < 'Infinity'::float8", name=op.f("ck_candles_values_are_finite")
        ),
        sa.CheckConstraint("close_at > open_at", name=op.f("ck_candles_closes_after_open")),
        sa.CheckConstraint(
            "high >= greatest(open, close) AND low <= least(open, close)", name=op.f("ck_candles_range_holds")
        ),
        sa.CheckConstraint(
            "open > 0 AND high > 0 AND low > 0 AND close > 0", name=op.f("ck_candles_prices_are_positive")
        ),
        sa.CheckConstraint("volume >= 0", name=op.f("ck_candles_volume_is_not_negative")),
        sa.PrimaryKeyConstraint("series_id", "open_at", name=op.f("pk_candles")),
        comment="Closed OHLCV candles, one row per series and bar",
    )
    op.create_index("ix_candles_close_at", "candles", ["close_at"], unique=False, postgresql_using="brin")
    op.create_table(
        "indicators",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False, comment="see series"),
        sa.Column("open_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="open of the bar, UTC"),
        sa.Column("close_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="close of the bar"),
        sa.Column("sma_20", sa.Double(), nullable=True, comment="simple moving average of 20 closes, quote currency"),
        sa.Column("sma_50", sa.Double(), nullable=True, comment="simple moving average of 50 closes, quote currency"),
        sa.Column("sma_200", sa.Double(), nullable=True, comment="simple moving average of 200 closes, quote currency"),
        sa.Column(
            "ema_12",
            sa.Double(),
            nullable=True,
            comment="exponential moving average of the close, span 12, quote currency",
        ),
        sa.Column(
            "ema_26",
            sa.Double(),
            nullable=True,
            comment="exponential moving average of the close, span 26, quote currency",
        ),
        sa.Column(
            "rsi_14",
            sa.Double(),
            nullable=True,
            comment="relative strength index over 14 bars, 0 to 100; 50 in a flat market",
        ),
        sa.Column("macd", sa.Double(), nullable=True, comment="ema_12 minus ema_26, quote currency"),
        sa.Column(
            "macd_signal",
            sa.Double(),
            nullable=True,
            comment="exponential moving average of macd, span 9, quote currency",
        ),
        sa.Column("macd_histogram", sa.Double(), nullable=True, comment="macd minus macd_signal, quote currency"),
        sa.Column(
            "bb_middle", sa.Double(), nullable=True, comment="Bollinger middle band: mean of 20 closes, quote currency"
        ),
        sa.Column(
            "bb_upper",
            sa.Double(),
            nullable=True,
            comment="Bollinger upper band: two standard deviations above the middle, quote currency",
        ),
        sa.Column(
            "bb_lower",
            sa.Double(),
            nullable=True,
            comment="Bollinger lower band: two standard deviations below the middle, quote currency",
        ),
        sa.Column(
            "bb_width", sa.Double(), nullable=True, comment="distance of the Bollinger bands in percent of the middle"
        ),
        sa.Column(
            "bb_percent",
            sa.Double(),
            nullable=True,
            comment="place of the close between the Bollinger bands: 0 lower, 1 upper",
        ),
        sa.Column("atr_14", sa.Double(), nullable=True, comment="average true range over 14 bars, quote currency"),
        sa.Column("adx_14", sa.Double(), nullable=True, comment="average directional index over 14 bars, 0 to 100"),
        sa.Column(
            "obv",
            sa.Double(),
            nullable=True,
            comment="on-balance volume since the series' first stored candle, base currency; its level means nothing",
        ),
        sa.Column("volume_median_20", sa.Double(), nullable=True, comment="median volume of 20 bars, base currency"),
        sa.Column(
            "realised_volatility_20",
            sa.Double(),
            nullable=True,
            comment="standard deviation of 20 log returns, per bar, not annualised",
        ),
        sa.Column(
            "trend_state", sa.Double(), nullable=True, comment="+1 where sma_50 is above sma_200, -1 below, 0 equal"
        ),
        sa.PrimaryKeyConstraint("series_id", "open_at", name=op.f("pk_indicators")),
        comment="Indicators per series and bar, NULL during the warm-up; docs/indicators.md has the formulas",
    )
    op.create_index("ix_indicators_close_at", "indicators", ["close_at"], unique=False, postgresql_using="brin")
    op.create_table(
        "market_conditions",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False, comment="see series"),
        sa.Column("open_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="open of the bar, UTC"),
        sa.Column("close_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="close of the bar"),
        sa.Column("atr_ratio", sa.Double(), nullable=True, comment="ATR 14 divided by the close, a fraction"),
        sa.Column(
            "atr_ratio_p95", sa.Double(), nullable=True, comment="95th percentile of atr_ratio over the last 500 bars"
        ),
        sa.Column("atr_ratio_median", sa.Double(), nullable=True, comment="median of atr_ratio over the last 500 bars"),
        sa.Column("atr_ratio_bars", sa.Integer(), nullable=False, comment="bars the two statistics are made from"),
        sa.Column(
            "is_volatile", sa.Boolean(), nullable=True, comment="high volatility; NULL = unknown (under 100 bars)"
        ),
        sa.Column("filled_share", sa.Double(), nullable=False, comment="share of filled bars among the last 500"),
        sa.Column(
            "block_reason", sa.Text(), nullable=True, comment="why no signal may come from this bar; NULL if one may"
        ),
        sa.PrimaryKeyConstraint("series_id", "open_at", name=op.f("pk_market_conditions")),
        comment="What the risk filters know about the market at each close",
    )
    op.create_table(
        "series",
        sa.Column(
            "series_id", sa.Integer(), sa.Identity(always=False), nullable=False, comment="short name of a series"
        ),
        sa.Column("exchange", sa.Text(), nullable=False, comment="exchange id as ccxt writes it, or 'simulated'"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="pair as ccxt writes it, e.g. BTC/USDT"),
        sa.Column("timeframe", sa.Text(), nullable=False, comment="duration of one bar, e.g. 1h"),
        sa.Column("bar_seconds", sa.Integer(), nullable=False, comment="duration of one bar in seconds"),
        sa.Column(
            "listed_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="open of the first candle that is stored; NULL before there is one",
        ),
        sa.Column(
            "delisted_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="close of the last candle before the symbol was delisted; NULL while it trades",
        ),
        sa.Column(
            "dirty_from",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="open of the earliest bar whose derived rows must be recomputed; NULL if none",
        ),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.PrimaryKeyConstraint("series_id", name=op.f("pk_series")),
        sa.UniqueConstraint("exchange", "symbol", "timeframe", name="uq_series_exchange_symbol_timeframe"),
        comment="One row per (exchange, symbol, timeframe)",
    )
    op.create_table(
        "price_jumps",
        sa.Column("series_id", sa.Integer(), nullable=False, comment="see series"),
        sa.Column("open_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="open of the bar that jumped, UTC"),
        sa.Column("ratio", sa.Double(), nullable=False, comment="open divided by the close before it"),
        sa.Column(
            "accepted_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="wall clock when an operator said that the jump is real; NULL blocks the series",
        ),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.ForeignKeyConstraint(
            ["series_id"], ["series.series_id"], name=op.f("fk_price_jumps_series_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("series_id", "open_at", name=op.f("pk_price_jumps")),
        comment="Opens more than 30 % away from the close before them; they block a series until accepted",
    )
    op.create_table(
        "source_health",
        sa.Column("source", sa.Text(), nullable=False, comment="what was read: candles, and one per text source"),
        sa.Column(
            "subject",
            sa.Text(),
            nullable=False,
            comment="which part of it: a series as 'exchange symbol timeframe', or a feed",
        ),
        sa.Column("series_id", sa.Integer(), nullable=True, comment="the series, where the subject is one"),
        sa.Column(
            "status",
            sa.Text(),
            nullable=False,
            comment="OK, PARTIAL (used, with a caveat) or BLOCKED (left out downstream)",
        ),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is not OK; NULL if it is"),
        sa.Column(
            "as_of",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="the instant that the state is about; an older run never overwrites a newer state",
        ),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint("status = 'OK' OR reason IS NOT NULL", name=op.f("ck_source_health_reason_is_said")),
        sa.CheckConstraint("status IN ('OK', 'PARTIAL', 'BLOCKED')", name=op.f("ck_source_health_status_is_known")),
        sa.ForeignKeyConstraint(
            ["series_id"], ["series.series_id"], name=op.f("fk_source_health_series_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("source", "subject", name=op.f("pk_source_health")),
        comment="The newest known state of every series and feed",
    )
    op.create_table(
        "watermarks",
        sa.Column("asset", sa.Text(), nullable=False, comment="which table has been brought up to date"),
        sa.Column("series_id", sa.Integer(), nullable=False, comment="see series"),
        sa.Column(
            "processed_to",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="newest close that live runs have processed; moved back by a revision",
        ),
        sa.Column(
            "reached",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="newest close ever processed; never moves back",
        ),
        sa.Column(
            "started_after",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="closes up to here were never processed live",
        ),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.ForeignKeyConstraint(
            ["series_id"], ["series.series_id"], name=op.f("fk_watermarks_series_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("asset", "series_id", name=op.f("pk_watermarks")),
        comment="How far live runs have come, per table and series",
    )

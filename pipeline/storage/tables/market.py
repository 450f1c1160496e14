"""Series, their candles, and what is computed per bar.

The big tables (`candles`, `indicators`, `market_conditions`) are keyed by (series_id, open_at) and carry no
foreign key: checking one costs more than writing the row, and only `storage` writes them.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from pipeline.indicators.structure import BAR_COLUMNS
from pipeline.storage.tables.base import INFINITY, instant, metadata, number, recorded_at, text


def _of_series() -> sa.Column[int]:
    """Part of the key of a small table: its rows go with their series."""
    reference = sa.ForeignKey("series.series_id", ondelete="CASCADE")
    return sa.Column("series_id", sa.Integer, reference, primary_key=True, comment="see series")


series = sa.Table(
    "series",
    metadata,
    sa.Column("series_id", sa.Integer, sa.Identity(), primary_key=True, comment="short name of a series"),
    text("exchange", "exchange id as ccxt writes it, or 'simulated'", nullable=False),
    text("symbol", "pair as ccxt writes it, e.g. BTC/USDT", nullable=False),
    text("timeframe", "duration of one bar, e.g. 1h", nullable=False),
    sa.Column("bar_seconds", sa.Integer, nullable=False, comment="duration of one bar in seconds"),
    instant("listed_at", "open of the first candle that is stored; NULL before there is one"),
    instant("delisted_at", "close of the last candle before the symbol was delisted; NULL while it trades"),
    instant("searched_from", "open from which on the exchange was asked for candles; NULL where it was not asked"),
    instant("dirty_from", "open of the earliest bar whose derived rows must be recomputed; NULL if none"),
    recorded_at(),
    sa.UniqueConstraint("exchange", "symbol", "timeframe", name="uq_series_exchange_symbol_timeframe"),
    comment="One row per (exchange, symbol, timeframe)",
)

candles = sa.Table(
    "candles",
    metadata,
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False, comment="see series"),
    instant("open_at", "open of the bar, UTC", primary_key=True),
    instant("close_at", "close of the bar: open_at plus the timeframe", nullable=False),
    number("open", "first price, quote currency", nullable=False),
    number("high", "highest price, quote currency", nullable=False),
    number("low", "lowest price, quote currency", nullable=False),
    number("close", "last price, quote currency", nullable=False),
    number("volume", "traded amount, base currency", nullable=False),
    sa.Column(
        "is_filled",
        sa.Boolean,
        nullable=False,
        server_default=sa.text("false"),
        comment="true where the source has no candle: flat at the close before it, volume 0",
    ),
    instant(
        "first_seen_at",
        "wall clock when the bar was first stored",
        nullable=False,
        server_default=sa.func.now(),
    ),
    sa.CheckConstraint("open > 0 AND high > 0 AND low > 0 AND close > 0", name="prices_are_positive"),
    sa.CheckConstraint("high >= greatest(open, close) AND low <= least(open, close)", name="range_holds"),
    sa.CheckConstraint(f"high < {INFINITY} AND volume < {INFINITY}", name="values_are_finite"),
    sa.CheckConstraint("volume >= 0", name="volume_is_not_negative"),
    sa.CheckConstraint("close_at > open_at", name="closes_after_open"),
    sa.Index("ix_candles_close_at", "close_at", postgresql_using="brin"),
    sa.Index("ix_candles_filled", "series_id", "open_at", postgresql_where=sa.text("is_filled")),
    comment="Closed OHLCV candles, one row per series and bar",
)

candle_revisions = sa.Table(
    "candle_revisions",
    metadata,
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False, comment="see series"),
    instant("open_at", "open of the revised bar, UTC", primary_key=True),
    instant(
        "revised_at",
        "wall clock of the revision",
        primary_key=True,
        server_default=sa.func.now(),
    ),
    number("open", "value before the revision, quote currency", nullable=False),
    number("high", "value before the revision, quote currency", nullable=False),
    number("low", "value before the revision, quote currency", nullable=False),
    number("close", "value before the revision, quote currency", nullable=False),
    number("volume", "value before the revision, base currency", nullable=False),
    sa.Column("is_filled", sa.Boolean, nullable=False, comment="whether the old bar was a filled gap"),
    comment="Old values of candles that changed after they were stored",
)

candle_quarantine = sa.Table(
    "candle_quarantine",
    metadata,
    text("fingerprint", "hash of the row and its reason: the same bad row is kept once", primary_key=True),
    text("exchange", "exchange the row was meant for", nullable=False),
    text("symbol", "symbol the row was meant for", nullable=False),
    text("timeframe", "timeframe the row was meant for", nullable=False),
    instant("open_at", "open of the bar where it can be read"),
    text("reason", "why the row is not used; docs/market-data.md lists the words", nullable=False),
    sa.Column("row", JSONB, nullable=False, comment="the row as it came"),
    recorded_at(),
    sa.Index("ix_candle_quarantine_series", "exchange", "symbol", "timeframe", "open_at"),
    comment="Candle rows that were refused, and why",
)

price_jumps = sa.Table(
    "price_jumps",
    metadata,
    _of_series(),
    instant("open_at", "open of the bar that jumped, UTC", primary_key=True),
    number("ratio", "open divided by the close before it", nullable=False),
    instant("accepted_at", "wall clock when an operator said that the jump is real; NULL blocks the series"),
    recorded_at(),
    comment="Opens more than 30 % away from the close before them; they block a series until accepted",
)

source_health = sa.Table(
    "source_health",
    metadata,
    text("source", "what was read: candles, ml_model, or a source of texts such as news", primary_key=True),
    text(
        "subject",
        "which part of it: a series as 'exchange symbol timeframe', a model as 'task exchange timeframe', or a feed",
        primary_key=True,
    ),
    sa.Column(
        "series_id",
        sa.Integer,
        sa.ForeignKey("series.series_id", ondelete="CASCADE"),
        comment="the series, where the subject is one",
    ),
    text("status", "OK, PARTIAL (used, with a caveat) or BLOCKED (left out downstream)", nullable=False),
    text("reason", "why it is not OK; NULL if it is"),
    instant(
        "as_of",
        "the instant that the state is about; an older run never overwrites a newer state",
        nullable=False,
    ),
    recorded_at(),
    sa.CheckConstraint("status IN ('OK', 'PARTIAL', 'BLOCKED')", name="status_is_known"),
    sa.CheckConstraint("status = 'OK' OR reason IS NOT NULL", name="reason_is_said"),
    comment="The newest known state of every series and feed",
)

watermarks = sa.Table(
    "watermarks",
    metadata,
    text("asset", "which table has been brought up to date", primary_key=True),
    _of_series(),
    instant("processed_to", "newest close that live runs have processed; moved back by a revision", nullable=False),
    instant("reached", "newest close ever processed; never moves back", nullable=False),
    instant("started_after", "closes up to here were never processed live", nullable=False),
    recorded_at(),
    comment="How far live runs have come, per table and series",
)

live_passes = sa.Table(
    "live_passes",
    metadata,
    text("run_id", "the run of Dagster", primary_key=True),
    _of_series(),
    instant("after", "closes after this instant were processed", nullable=False),
    instant("until", "up to this close, the newest one", nullable=False),
    instant(
        "stored_at",
        "wall clock when the pass was stored, whether it made a signal or not",
        nullable=False,
        server_default=sa.func.clock_timestamp(),
    ),
    sa.Index("ix_live_passes_series", "series_id", "until"),
    sa.Index("ix_live_passes_until", "until", postgresql_using="brin"),
    comment="Which live run processed which closes of which series",
)

INDICATOR_COMMENTS = {
    "sma_20": "simple moving average of 20 closes, quote currency",
    "sma_50": "simple moving average of 50 closes, quote currency",
    "sma_200": "simple moving average of 200 closes, quote currency",
    "ema_12": "exponential moving average of the close, span 12, quote currency",
    "ema_26": "exponential moving average of the close, span 26, quote currency",
    "rsi_14": "relative strength index over 14 bars, 0 to 100; 50 in a flat market",
    "macd": "ema_12 minus ema_26, quote currency",
    "macd_signal": "exponential moving average of macd, span 9, quote currency",
    "macd_histogram": "macd minus macd_signal, quote currency",
    "bb_middle": "Bollinger middle band: mean of 20 closes, quote currency",
    "bb_upper": "Bollinger upper band: two standard deviations above the middle, quote currency",
    "bb_lower": "Bollinger lower band: two standard deviations below the middle, quote currency",
    "bb_width": "distance of the Bollinger bands in percent of the middle",
    "bb_percent": "place of the close between the Bollinger bands: 0 lower, 1 upper",
    "atr_14": "average true range over 14 bars, quote currency",
    "adx_14": "average directional index over 14 bars, 0 to 100",
    "obv": "on-balance volume since the series' first stored candle, base currency; its level means nothing",
    "volume_median_20": "median volume of 20 bars, base currency",
    "realised_volatility_20": "standard deviation of 20 log returns, per bar, not annualised",
    "trend_state": "+1 where sma_50 is above sma_200, -1 below, 0 equal",
    "bullish_candles": "candle patterns of this bar that point up, as bits of a whole number; docs/patterns.md "
    "says which, and how to ask for one",
    "bearish_candles": "candle patterns of this bar that point down, as bits",
    "doji_candles": "doji shapes of this bar, as bits; they point nowhere",
    "support": "nearest level that holds as support, quote currency; until broken up to 0.25 ATR above the close",
    "support_touches": "swings that belong to it",
    "resistance": "nearest level that holds as resistance, quote currency; until broken up to 0.25 ATR below the close",
    "resistance_touches": "swings that belong to it",
    "bullish_patterns": "chart patterns that this close completed upwards, as bits; chart_patterns has their anchors",
    "bearish_patterns": "chart patterns that this close completed downwards, as bits",
}

indicators = sa.Table(
    "indicators",
    metadata,
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False, comment="see series"),
    instant("open_at", "open of the bar, UTC", primary_key=True),
    instant("close_at", "close of the bar", nullable=False),
    *(number(name, INDICATOR_COMMENTS[name]) for name in BAR_COLUMNS),
    sa.Index("ix_indicators_close_at", "close_at", postgresql_using="brin"),
    comment="Indicators per series and bar, NULL during the warm-up; docs/indicators.md has the formulas",
)

market_conditions = sa.Table(
    "market_conditions",
    metadata,
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False, comment="see series"),
    instant("open_at", "open of the bar, UTC", primary_key=True),
    instant("close_at", "close of the bar", nullable=False),
    number("atr_ratio", "ATR 14 divided by the close, a fraction"),
    number("atr_ratio_p95", "95th percentile of atr_ratio over the last 500 bars"),
    number("atr_ratio_median", "median of atr_ratio over the last 500 bars"),
    sa.Column("atr_ratio_bars", sa.Integer, nullable=False, comment="bars the two statistics are made from"),
    sa.Column("is_volatile", sa.Boolean, comment="high volatility; NULL = unknown (under 100 bars)"),
    number("filled_share", "share of filled bars among the last 500", nullable=False),
    text("block_reason", "why no signal may come from this bar; NULL if one may"),
    comment="What the risk filters know about the market at each close",
)

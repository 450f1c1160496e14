"""What a chart is made from: the stored rows of one series between two bars, as frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.domain.universe import SeriesKey

CANDLE_FIELDS = ("open", "high", "low", "close", "volume", "is_filled")
INDICATORS = (
    *("sma_20", "sma_50", "sma_200", "bb_upper", "bb_lower", "volume_median_20"),
    *("rsi_14", "macd", "macd_signal", "macd_histogram"),
    "obv",  # from the first bar on: tells which bars have indicators
)
# What texts say of the symbol at each close; `overall_score` also where too little is said for an advice.
SENTIMENT_FIELDS = ("overall_score", "news_score", "social_score", "covered_score")
LEVEL_FIELDS = ("pivot_at", "kind", "known_at", "event", "role", "price", "touches", "strength", "expires_at")
PATTERN_FIELDS = ("pattern", "direction", "completed_at", "first_at", "anchors", "boundaries", "target")
SIGNAL_FIELDS = (
    *("id", "signal_type", "strategy", "strength", "confidence", "rank_score", "description", "status"),
    *("entry_price", "stop_loss_price", "target_prices", "created_at", "expires_at"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartMaterial:
    """The rows of one series, as they are stored.

    Attributes
    ----------
    bars : DataFrame of shape (n_bars, n_columns)
        Index ``open_at`` (UTC, ascending, the whole grid from the first bar to the last); `CANDLE_FIELDS`,
        `INDICATORS` and `SENTIMENT_FIELDS` as floats, NaN where unknown or where there is no candle; ``block_reason``
        as text or None.
    levels : DataFrame
        `LEVEL_FIELDS` of `price_levels`: the rows known at the last close that had not expired at the first open.
    patterns, signals
        Rows with `PATTERN_FIELDS` and `SIGNAL_FIELDS` of the closes in range, oldest first; JSON as Python objects.
    origin
        Whose signals these are, in words: ``live``, or ``replay fast-sma``.
    """

    key: SeriesKey
    bars: pd.DataFrame
    levels: pd.DataFrame
    patterns: Sequence[Mapping[str, Any]]
    signals: Sequence[Mapping[str, Any]]
    origin: str

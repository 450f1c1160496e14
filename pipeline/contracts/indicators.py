"""Indicators and market conditions as they are stored: a row per series and bar, NaN until the warm-up is complete."""

from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.patterns import NAMES

INSTANT = {"unit": TIME_UNIT, "tz": "UTC"}


def _price() -> Any:
    return pa.Field(gt=0, lt=np.inf, nullable=True, description="quote currency")


def _finite() -> Any:
    return pa.Field(gt=-np.inf, lt=np.inf, nullable=True)


def _bits(column: str) -> Any:
    return pa.Field(ge=0, lt=1 << len(NAMES[column]), nullable=True, description="patterns as bits")


class Indicators(pa.DataFrameModel):
    """Indicator columns of a bar; docs/indicators.md has the formulas."""

    series_id: Series[np.int32]
    open_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    close_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    sma_20: Series[float] = _price()
    sma_50: Series[float] = _price()
    sma_200: Series[float] = _price()
    ema_12: Series[float] = _price()
    ema_26: Series[float] = _price()
    rsi_14: Series[float] = pa.Field(ge=0, le=100, nullable=True)
    macd: Series[float] = _finite()
    macd_signal: Series[float] = _finite()
    macd_histogram: Series[float] = _finite()
    bb_middle: Series[float] = _price()
    bb_upper: Series[float] = _price()
    bb_lower: Series[float] = _finite()
    bb_width: Series[float] = pa.Field(ge=0, lt=np.inf, nullable=True, description="percent of the middle")
    bb_percent: Series[float] = _finite()
    atr_14: Series[float] = pa.Field(ge=0, lt=np.inf, nullable=True, description="quote currency")
    adx_14: Series[float] = pa.Field(ge=0, le=100 + 1e-9, nullable=True)
    obv: Series[float] = _finite()
    volume_median_20: Series[float] = pa.Field(ge=0, lt=np.inf, nullable=True, description="base currency")
    realised_volatility_20: Series[float] = pa.Field(ge=0, lt=np.inf, nullable=True)
    trend_state: Series[float] = pa.Field(isin=[-1.0, 0.0, 1.0], nullable=True)
    bullish_candles: Series[float] = _bits("bullish_candles")
    bearish_candles: Series[float] = _bits("bearish_candles")
    doji_candles: Series[float] = _bits("doji_candles")
    support: Series[float] = _price()
    support_touches: Series[float] = pa.Field(ge=1, nullable=True)
    resistance: Series[float] = _price()
    resistance_touches: Series[float] = pa.Field(ge=1, nullable=True)
    bullish_patterns: Series[float] = _bits("bullish_patterns")
    bearish_patterns: Series[float] = _bits("bearish_patterns")

    class Config:
        """Surprises are refused and nothing is coerced."""

        strict = True
        unique = ["series_id", "open_at"]


class MarketConditions(pa.DataFrameModel):
    """What the risk filters know about the market at a close."""

    series_id: Series[np.int32]
    open_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    close_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    atr_ratio: Series[float] = pa.Field(ge=0, lt=np.inf, nullable=True)
    atr_ratio_p95: Series[float] = pa.Field(ge=0, lt=np.inf, nullable=True)
    atr_ratio_median: Series[float] = pa.Field(ge=0, lt=np.inf, nullable=True)
    atr_ratio_bars: Series[np.int32] = pa.Field(ge=0, le=500)
    is_volatile: Series[pd.BooleanDtype] = pa.Field(nullable=True)
    filled_share: Series[float] = pa.Field(ge=0, le=1)
    block_reason: Series[Any] = pa.Field(nullable=True)

    class Config:
        """Surprises are refused and nothing is coerced."""

        strict = True
        unique = ["series_id", "open_at"]

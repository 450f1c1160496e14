"""Candles as they are stored and passed on. Prices in quote currency, volume in base currency."""

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import EXCHANGE_PATTERN, SYMBOL_PATTERN

PRICES = ["open", "high", "low", "close"]
VALUES = [*PRICES, "volume"]
KEY = ["exchange", "symbol", "timeframe", "open_at"]


class Candles(pa.DataFrameModel):
    """Closed OHLCV candles, one row per series and bar."""

    exchange: Series[str] = pa.Field(str_matches=EXCHANGE_PATTERN)
    symbol: Series[str] = pa.Field(str_matches=SYMBOL_PATTERN)
    timeframe: Series[str] = pa.Field(isin=list(Timeframe))
    open_at: Series[pd.DatetimeTZDtype] = pa.Field(
        dtype_kwargs={"unit": TIME_UNIT, "tz": "UTC"}, description="open of the bar, UTC"
    )
    open: Series[float] = pa.Field(gt=0, description="quote currency")
    high: Series[float] = pa.Field(gt=0, description="quote currency")
    low: Series[float] = pa.Field(gt=0, description="quote currency")
    close: Series[float] = pa.Field(gt=0, description="quote currency")
    volume: Series[float] = pa.Field(ge=0, description="base currency, e.g. BTC")

    class Config:
        """Surprises are refused and nothing is coerced."""

        strict = True
        unique = KEY

    @pa.dataframe_check(description="low <= open, close <= high")
    def range_holds_open_and_close(cls, frame: pd.DataFrame) -> pd.Series:  # noqa: N805
        """The bar's range holds its open and its close."""
        return (frame["high"] >= frame[PRICES].max(axis=1)) & (frame["low"] <= frame[PRICES].min(axis=1))

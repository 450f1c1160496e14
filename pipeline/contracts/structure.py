"""Levels and chart patterns as they are stored; the database's CHECK constraints hold the same."""

from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from pipeline.contracts.indicators import INSTANT
from pipeline.domain.patterns import CHART_PATTERNS


class PriceLevels(pa.DataFrameModel):
    """A row for each change of a level. Prices in quote currency."""

    series_id: Series[np.int32]
    pivot_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    kind: Series[Any] = pa.Field(isin=["high", "low"])
    known_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    event: Series[Any] = pa.Field(isin=["formed", "broken", "merged"])
    role: Series[Any] = pa.Field(isin=["support", "resistance"])
    price: Series[float] = pa.Field(gt=0, lt=np.inf)
    touches: Series[np.int64] = pa.Field(ge=1)
    strength: Series[float] = pa.Field(ge=0, le=1)
    first_touch_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    last_touch_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    expires_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)

    class Config:
        """Surprises are refused and nothing is coerced."""

        strict = True
        unique = ["series_id", "pivot_at", "kind", "known_at"]


class ChartPatterns(pa.DataFrameModel):
    """A row for each completed pattern; anchors and boundaries are JSON."""

    series_id: Series[np.int32]
    completed_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    pattern: Series[Any] = pa.Field(isin=CHART_PATTERNS)
    direction: Series[Any] = pa.Field(isin=[1, -1])
    first_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    last_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    anchors: Series[Any]
    boundaries: Series[Any]
    break_price: Series[float] = pa.Field(gt=0, lt=np.inf)
    close: Series[float] = pa.Field(gt=0, lt=np.inf)
    height: Series[float] = pa.Field(gt=0, lt=np.inf)
    target: Series[float] = pa.Field(gt=0, lt=np.inf, nullable=True)
    atr: Series[float] = pa.Field(ge=0, lt=np.inf)

    class Config:
        """Surprises are refused and nothing is coerced."""

        strict = True
        unique = ["series_id", "completed_at", "pattern", "direction"]

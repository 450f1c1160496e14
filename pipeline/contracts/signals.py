"""Candidates, decisions and signals as they are stored; the database's CHECK constraints hold the same."""

from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from pipeline.contracts.indicators import INSTANT
from pipeline.domain.signal import SignalType, Source

TYPES = [each.value for each in SignalType]


class CandidateSignals(pa.DataFrameModel):
    """What the strategies advise, before risk and aggregation."""

    series_id: Series[Any]
    candle_close_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    strategy_name: Series[str] = pa.Field(alias="strategy", str_matches=r"^[A-Z][A-Z0-9_]+$")
    signal_type: Series[str] = pa.Field(isin=TYPES)
    source: Series[str] = pa.Field(isin=[each.value for each in Source])
    strength: Series[float] = pa.Field(ge=0, le=1)
    confidence: Series[float] = pa.Field(ge=0, le=1)
    created_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)

    class Config:
        """Columns that name the series and the settings are not repeated here."""

        unique = ["series_id", "candle_close_at", "strategy", "signal_type"]


class RiskDecisions(pa.DataFrameModel):
    """What the risk filters decided about each candidate."""

    series_id: Series[Any]
    candle_close_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    strategy_name: Series[str] = pa.Field(alias="strategy")
    signal_type: Series[str] = pa.Field(isin=TYPES)
    is_kept: Series[bool]
    exposure_weight: Series[float] = pa.Field(ge=0, le=1, nullable=True)
    expires_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)

    class Config:
        """Columns that name the series and the settings are not repeated here."""

        unique = ["series_id", "candle_close_at", "strategy", "signal_type"]


class TradingSignals(pa.DataFrameModel):
    """The signals: filtered by risk, aggregated, priced and ranked."""

    id: Series[str]
    signal_type: Series[str] = pa.Field(isin=TYPES)
    strength: Series[float] = pa.Field(ge=0, le=1)
    confidence: Series[float] = pa.Field(ge=0, le=1)
    rank_score: Series[float] = pa.Field(ge=0, le=1)
    entry_price: Series[float] = pa.Field(gt=0, lt=np.inf)
    stop_loss_price: Series[float] = pa.Field(gt=0, lt=np.inf, nullable=True)
    created_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    expires_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)

    class Config:
        """Columns that name the series and the settings are not repeated here."""

        unique = ["id"]

    @pa.dataframe_check(description="expires_at > created_at")
    def expires_after_creation(cls, frame: pd.DataFrame) -> "pd.Series[bool]":  # noqa: N805
        """A signal ends after it began."""
        return frame["expires_at"] > frame["created_at"]

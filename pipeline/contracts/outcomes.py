"""Outcomes as they are stored; the database's CHECK constraints hold the same."""

from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from pipeline.contracts.indicators import INSTANT


class Outcomes(pa.DataFrameModel):
    """What following advice would have brought; prices in quote currency, returns as fractions of the entry."""

    horizon: Series[str] = pa.Field(str_matches=r"^(expiry|\d+_bars)$")
    entry_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT, nullable=True)
    entry_price: Series[float] = pa.Field(gt=0, lt=np.inf, nullable=True)
    exit_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT, nullable=True)
    exit_price: Series[float] = pa.Field(gt=0, lt=np.inf, nullable=True)
    exit_reason: Series[Any]
    bars_held: Series[np.int16] = pa.Field(ge=0)
    resolved_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    net_return: Series[float] = pa.Field(gt=-np.inf, lt=np.inf, nullable=True)
    r_multiple: Series[float] = pa.Field(gt=-np.inf, lt=np.inf, nullable=True)
    mfe: Series[float] = pa.Field(ge=0, lt=np.inf, nullable=True)
    mae: Series[float] = pa.Field(le=0, gt=-np.inf, nullable=True)
    targets_reached: Series[np.int16] = pa.Field(ge=0, le=3)

    @pa.dataframe_check(description="exit_at >= entry_at > the close of the signal's own bar or at it")
    def never_on_the_emitting_bar(cls, frame: pd.DataFrame) -> "pd.Series[bool]":  # noqa: N805
        """Nothing is bought or sold before the advice was given, and nothing is known before it was sold."""
        entered = frame["entry_at"].isna() | (
            (frame["entry_at"] >= frame["candle_close_at"])
            & (frame["exit_at"] >= frame["entry_at"])
            & (frame["resolved_at"] >= frame["exit_at"])
        )
        return entered & (frame["resolved_at"] > frame["candle_close_at"])


class ConfidenceCalibrations(pa.DataFrameModel):
    """What stated confidence was known to be worth, by instant, kind of signal and class of confidence."""

    fitted_as_of: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    confidence_class: Series[np.int16] = pa.Field(ge=0, lt=20)
    outcomes: Series[np.int64] = pa.Field(gt=0)
    wins: Series[np.int64] = pa.Field(ge=0)
    kind_outcomes: Series[np.int64] = pa.Field(gt=0)
    stated: Series[float] = pa.Field(ge=0, le=1)
    calibrated: Series[float] = pa.Field(ge=0, le=1, nullable=True)

    @pa.dataframe_check(description="wins <= outcomes <= kind_outcomes")
    def parts_are_within_the_whole(cls, frame: pd.DataFrame) -> "pd.Series[bool]":  # noqa: N805
        """No class has won more often than it was asked, and none is larger than its kind."""
        return (frame["wins"] <= frame["outcomes"]) & (frame["outcomes"] <= frame["kind_outcomes"])

"""Models' judgement, features and predictions as they are stored; the database's CHECK constraints hold the same."""

from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from pipeline.contracts.indicators import INSTANT

HIGHS = ("high_q10", "high_q50", "high_q90")
LOWS = ("low_q10", "low_q50", "low_q90")


def _finite() -> Any:
    return pa.Field(gt=-np.inf, lt=np.inf, nullable=True)


def _reach() -> Any:
    return pa.Field(gt=-1, lt=np.inf, description="fraction of the close")


class ModelEvaluations(pa.DataFrameModel):
    """One measurement of one predictor on one fold; fold 0 is all of them together."""

    fold: Series[np.int64] = pa.Field(ge=0)
    test_from: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    test_to: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    predictor: Series[Any] = pa.Field(str_length={"min_value": 1})
    metric: Series[Any] = pa.Field(str_length={"min_value": 1})
    value: Series[float] = _finite()
    lower: Series[float] = _finite()
    upper: Series[float] = _finite()
    n_rows: Series[np.int64] = pa.Field(ge=0)

    class Config:
        """Surprises are refused and nothing is coerced."""

        strict = True
        unique = ["fold", "predictor", "metric"]


class _PerBar(pa.DataFrameModel):
    series_id: Series[np.int32]
    open_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    close_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)

    class Config:
        """Surprises are refused and nothing is coerced."""

        strict = True
        unique = ["series_id", "open_at"]


class ModelFeatures(_PerBar):
    """What models are told of a bar: a column of float32 per feature, NaN where unknown.

    The features are checked together: a check of each of them would take longer than storing them.
    """

    class Config:
        """Which features there are is said by the table."""

        strict = False

    @pa.dataframe_check(name="finite_and_float32")
    def features_are_numbers(cls, frame: pd.DataFrame) -> pd.DataFrame:  # noqa: N805
        """Which values are numbers of single precision, or unknown; those of the key have checks of their own."""
        is_key = frame.columns.isin(["series_id", "open_at", "close_at"])
        sound = np.ones(frame.shape, dtype=np.bool_)
        features = frame.loc[:, ~is_key]
        sound[:, ~is_key] = ~np.isinf(features.to_numpy()) & (features.dtypes == np.float32).to_numpy()
        return pd.DataFrame(sound, index=frame.index, columns=frame.columns)


class DirectionPredictions(_PerBar):
    """Probabilities that the next bar closes higher."""

    model_id: Series[Any]
    raw_probability: Series[float] = pa.Field(ge=0, le=1)
    probability: Series[float] = pa.Field(ge=0, le=1)


class PriceRangePredictions(_PerBar):
    """Quantiles of the next bar's high and low, as fractions of the close above it."""

    model_id: Series[Any]
    high_q10: Series[float] = _reach()
    high_q50: Series[float] = _reach()
    high_q90: Series[float] = _reach()
    low_q10: Series[float] = _reach()
    low_q50: Series[float] = _reach()
    low_q90: Series[float] = _reach()

    @pa.dataframe_check(description="q10 <= q50 <= q90, and every low <= its high")
    def quantiles_never_cross(cls, frame: pd.DataFrame) -> "pd.Series[bool]":  # noqa: N805
        """Higher quantiles are higher, and highs are above lows."""
        highs, lows = (frame[list(names)].to_numpy() for names in (HIGHS, LOWS))
        is_sound = (np.diff(highs) >= 0).all(axis=1) & (np.diff(lows) >= 0).all(axis=1) & (lows <= highs).all(axis=1)
        return pd.Series(is_sound, index=frame.index)


class AnomalyScores(_PerBar):
    """How unlike other bars each one is; drivers are JSON, for flagged bars only."""

    model_id: Series[Any]
    score: Series[float] = pa.Field(ge=0, le=1)
    is_anomaly: Series[bool]
    is_ignored: Series[bool]
    drivers: Series[Any] = pa.Field(nullable=True)

    @pa.dataframe_check(description="only flagged bars are ignored or have drivers")
    def only_flags_are_explained(cls, frame: pd.DataFrame) -> "pd.Series[bool]":  # noqa: N805
        """What is no anomaly has nothing to ignore and nothing that drove it."""
        return frame["is_anomaly"] | ~(frame["is_ignored"] | frame["drivers"].notna())

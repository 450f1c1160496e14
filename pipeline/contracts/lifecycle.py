"""What a sweep tells of the signals that it expired."""

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from pipeline.contracts.indicators import INSTANT
from pipeline.domain.signal import Origin, SignalType
from pipeline.domain.timeframe import Timeframe


class ExpiredSignals(pa.DataFrameModel):
    """How many signals of each kind were expired at once, and between which instants they had."""

    origin: Series[str] = pa.Field(isin=[origin.value for origin in Origin])
    scope: Series[str] = pa.Field(str_length={"min_value": 1})
    exchange: Series[str] = pa.Field(str_length={"min_value": 1})
    timeframe: Series[str] = pa.Field(isin=[str(timeframe) for timeframe in Timeframe])
    signal_type: Series[str] = pa.Field(isin=[kind.value for kind in SignalType])
    signals: Series[int] = pa.Field(ge=1)
    first_expiry: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    last_expiry: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)

    class Config:
        """Surprises are refused and nothing is coerced."""

        strict = True
        unique = ["origin", "scope", "exchange", "timeframe", "signal_type"]

    @pa.dataframe_check(description="first_expiry <= last_expiry")
    def first_comes_first(cls, frame: pd.DataFrame) -> "pd.Series[bool]":  # noqa: N805
        """The first expiry is not after the last."""
        return frame["first_expiry"] <= frame["last_expiry"]

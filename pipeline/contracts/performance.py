"""Reports as they are stored: every rate is one."""

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from pipeline.contracts.indicators import INSTANT


class SignalPerformance(pa.DataFrameModel):
    """One row per window and instant."""

    timeframe: Series[str] = pa.Field(isin=["24h", "7d", "30d"])
    as_of: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    started_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    total_signals: Series[np.int64] = pa.Field(ge=0)
    execution_rate: Series[float] = pa.Field(ge=0, le=1)
    win_rate: Series[float] = pa.Field(ge=0, le=1)
    hit_rate: Series[float] = pa.Field(ge=0, le=1, nullable=True)
    max_drawdown: Series[float] = pa.Field(ge=0, le=1, nullable=True)
    p_value: Series[float] = pa.Field(ge=0, le=1, nullable=True)

    @pa.dataframe_check(description="executed_signals + expired_signals = total_signals")
    def parts_make_the_whole(cls, frame: pd.DataFrame) -> "pd.Series[bool]":  # noqa: N805
        """Every signal counted was executed or has expired."""
        return frame["executed_signals"] + frame["expired_signals"] == frame["total_signals"]

"""Raw candle rows as sources hand them over: valid as they are; a test changes what it is about."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.timeframe import Timeframe
from pipeline.market.cleaning import RAW

START = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday, so that it is on the grid of every timeframe
NOW = datetime(2024, 7, 1, tzinfo=UTC)


def raw_rows(
    n_rows: int,
    *,
    exchange: str = "binance",
    symbol: str = "BTC/USDT",
    timeframe: Timeframe = Timeframe.H1,
    start: datetime = START,
) -> pd.DataFrame:
    """Valid candles of one series, oldest first, each a little above the one before it."""
    close = 100.0 + np.arange(1.0, n_rows + 1.0)
    opens = pd.date_range(start, periods=n_rows, freq=timeframe.duration, unit=TIME_UNIT)
    return pd.DataFrame(
        {
            "exchange": pd.array([exchange] * n_rows, dtype="str"),
            "symbol": pd.array([symbol] * n_rows, dtype="str"),
            "timeframe": pd.array([str(timeframe)] * n_rows, dtype="str"),
            "open_at": opens,
            "open": close - 1.0,
            "high": close + 0.5,
            "low": close - 1.5,
            "close": close,
            "volume": 10.0 + np.arange(n_rows),
        }
    )


def a_row(**changes: Any) -> pd.DataFrame:
    """One valid candle as a source hands it over, with some values of any type in place of its own."""
    values = raw_rows(1).iloc[0].to_dict() | changes
    return pd.DataFrame({name: pd.Series([values[name]], dtype=object) for name in RAW})


def csv_lines(n_rows: int, header: str = "timestamp,open,high,low,close,volume", **given: Any) -> list[str]:
    """The lines of a CSV file of 1h candles: a header, then times in milliseconds, prices and volume."""
    rows = raw_rows(n_rows, **given)
    milliseconds = rows["open_at"].dt.as_unit("ms").astype("int64")
    values = rows.drop(columns=RAW[:4])
    lines = [",".join(map(str, (ms, *row))) for ms, row in zip(milliseconds, values.to_numpy(), strict=True)]
    return [header, *lines] if header else lines

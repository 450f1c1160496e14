"""Real candles as blocks, for tests; they skip where the data is absent."""

import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT, Block
from tests.support.real_data import real_data


def real_block(source: str, timeframe: str, n_candles: int | None = None) -> Block:
    """The first ``n_candles`` (all, if None) of every symbol in a folder, named as its file is (BTCUSDT)."""
    frames = {
        path.stem: pd.read_parquet(path) for path in sorted(real_data("candles", source, timeframe).glob("*.parquet"))
    }
    tables = {
        symbol: frame.set_index(pd.DatetimeIndex(pd.to_datetime(frame["ts"], unit="ms", utc=True)).as_unit(TIME_UNIT))
        for symbol, frame in frames.items()
    }
    fields = ("open", "high", "low", "close", "volume")
    wide = {field: pd.DataFrame({symbol: table[field] for symbol, table in tables.items()}) for field in fields}
    return {field: frame.iloc[:n_candles].rename_axis("open_at") for field, frame in wide.items()}

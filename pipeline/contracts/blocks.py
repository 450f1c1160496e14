"""A block: the whole universe of one exchange and timeframe as one wide frame per field.

Add nothing here that knows what a field means; a block is a shape.
"""

from typing import Final

import pandas as pd

# field name -> frame of shape (n_candles, n_symbols), float64, oldest first, NaN where a symbol has no candle.
# All frames of a block share one index (open_at, UTC, microseconds, every bar of the grid from first to last)
# and one list of columns (symbols as ccxt writes them).
Block = dict[str, pd.DataFrame]

TIME_UNIT: Final = "us"  # what PostgreSQL stores

"""Average true ranges of bars, from their candles: what the stop of advice is measured in.

Rows of `indicators` hold the same values where a backfill or a live run has stored them; a replay stores none, and must
be judged like them.
"""

from datetime import datetime

import pandas as pd

from pipeline.indicators.compute import compute_alone
from pipeline.stages import history_from
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.history import SeriesGroup, read_block

NAME = "atr_14"


def true_ranges(database: Database, group: SeriesGroup, first_open: datetime, last_open: datetime) -> pd.DataFrame:
    """ATR 14 of the bars from ``first_open`` to ``last_open``, shape (n_bars, n_symbols), in quote currency.

    The same bits as those of `indicators`, however much history is asked for; NaN where there is too little.
    """
    begin = history_from(group.timeframe, first_open)
    candles = read_block(database, tables.candles, ("high", "low", "close"), group, begin, last_open)
    return compute_alone(NAME, candles, group.timeframe, first_open, last_open)[NAME]

"""Features of whole markets, in memory, as the chain computes them of stored candles."""

import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.domain.timeframe import Timeframe
from pipeline.generation import analyse
from pipeline.indicators.windows import history_start
from pipeline.models.features import FEATURE_BARS, own_features


def padded(block: Block, timeframe: Timeframe) -> Block:
    """The block with rows of NaN before it, as far back as indicators, structure and features look."""
    index = block["close"].index
    first = timeframe.position(index[0].to_pydatetime())
    begin = timeframe.open_of(history_start(first - 600) - FEATURE_BARS)
    grid = pd.DatetimeIndex(pd.date_range(begin, index[-1], freq=timeframe.duration, unit="us"))
    return {field: frame.reindex(grid) for field, frame in block.items()}


def columns_of(block: Block, timeframe: Timeframe = Timeframe.H1) -> Block:
    """What is stored of every bar of a market."""
    index = block["close"].index
    return analyse(padded(block, timeframe), timeframe, index[0], index[-1], carry=None, jumped_at={}).indicators


def own_of(block: Block, timeframe: Timeframe = Timeframe.H1) -> Block:
    """The features of every bar of a market that begins where the block does, without a reference symbol's."""
    return own_features(padded(block, timeframe), columns_of(block, timeframe), timeframe)
